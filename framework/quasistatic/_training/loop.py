"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import equinox as eqx
import numpy as np

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.ledger import Ledger, ledger
from quasistatic._training.engine import Fixed, TrainState, chunk, copied, initial_state, trained_part
from quasistatic._training.keys import Role, role_key
from quasistatic._training.observer import AbstractObserver, guard
from quasistatic._training.rows import Batches
from quasistatic._training.store import Measured, Progress, Store
from quasistatic._training.task import Task
from quasistatic.errors import TrainingDiverged


@attrs.frozen(eq=False)
class Outcome:
    """Where training ended: with which weights, the best averaged ones, and why ('done' or 'stopped')."""

    state: TrainState
    progress: Progress
    diffusion: Diffusion
    reason: str


def fit_task(
    task: Task,
    observers: Sequence[AbstractObserver] = (),
    store: Store | None = None,
    stop: Callable[[], bool] = lambda: False,
    until: int | None = None,
) -> Outcome:
    """Train until the last update, or until `stop()` says so after a chunk. K is measured from update 0 on.

    Where validation K stops to rise, training ends sooner (`TrainingOptions.patience`). The kept weights are those of the highest
    K, see `Progress.with_`; without validation events they are the last ones, and nothing ends sooner.

    With a `store` the state is saved there and, if it holds one already, training goes on from it, bit for bit as if it
    had never stopped. Raises TrainingDiverged where a loss or gradient is not finite; what was saved before stays.
    An observer that raises is reported and switched off; training goes on.
    """
    check_arithmetic()
    options = task.options
    state, progress = initial_state(task.diffusion, options), Progress()
    _, rest = trained_part(task.diffusion)
    best_weights = copied(state.averaged)
    if store is not None and store.holds_checkpoint():
        state, progress, best_weights = store.load(state)
        best_weights = copied(best_weights)
    fixed = Fixed(rest, _prepared(task), role_key(task.seed, Role.TRAIN), task.source.draw, options)

    last = options.updates if until is None else until
    can_measure = len(task.source.split("validation", 1)) > 0
    done, reason = int(state.update), "failed"
    guarded = [guard(observer) for observer in observers]
    try:
        for observer in guarded:
            observer.start(attrs.evolve(task.info(done), updates=last))
        with Batches(task.source.stored(), options.batch, options.fuse, task.seed) as batches:
            while True:
                is_last, is_measured = done == last, bool(progress.history) and progress.history[-1].update == done
                if can_measure and (done % options.validate_every == 0 or is_last) and not is_measured:
                    diffusion = eqx.combine(copied(state.averaged), rest)
                    measured = validate(task, diffusion)
                    bound = measured.bound
                    found = Measured(done, bound.value, bound.standard_error, measured.steps)
                    progress = progress.with_(found, measured.per_event)
                    if progress.best is progress.history[-1]:
                        best_weights = copied(state.averaged)
                    for observer in guarded:
                        observer.validation(done, measured, diffusion)
                is_last = is_last or progress.is_stalled(options)
                is_best = progress.best is not None and progress.best.update == done
                if store is not None and (done % options.checkpoint_every == 0 or is_last or is_best):
                    store.save(state, progress)
                if is_last or stop():
                    break
                count = _until_next(done, last, options.fuse, options.validate_every, options.checkpoint_every)
                rows = batches.chunk(done)
                batches.read_ahead(done + count)
                state, report = chunk((fixed, rows, np.int32(count)), state)
                if int(report.bad_update) >= 0:
                    raise _diverged(int(report.bad_update), store)
                done += count
                means = {name: float(total) / count for name, total in report.sums.items()}
                for observer in guarded:
                    observer.progress(done, means)
        reason = "done" if is_last else "stopped"
        if store is not None and reason == "stopped":
            store.save(state, progress)
    finally:
        for observer in guarded:
            observer.finish(done, reason)
    kept = copied(state.averaged) if progress.best is None else best_weights
    return Outcome(state, progress, eqx.combine(kept, rest), reason)


def validate(task: Task, diffusion: Diffusion) -> Ledger:
    """The ledger of the first validation events, always with the same noise, so that measurements can be compared."""
    data, key = task.source.split("validation", task.options.validation_events), role_key(task.seed, Role.VALIDATION)
    return ledger(diffusion, data.x, key=key, steps=task.options.validation_steps, side=data.side)


def _until_next(done: int, last: int, *periods: int) -> int:
    """Updates to the next multiple of a period: chunks fall on the same updates however often a run is resumed."""
    return min(last - done, *(period - done % period for period in periods))


def _prepared(task: Task) -> Any:
    """The objective after its look at some training events, the same ones on every resume."""
    data = task.source.split("train", task.options.validation_events)  # validation events would leak
    return task.objective.prepare(task.diffusion, data.x, data.side, key=role_key(task.seed, Role.OBJECTIVE))


def _diverged(update: int, store: Store | None) -> TrainingDiverged:
    kept = store.newest_update() if store is not None else None
    saved = "nothing was saved yet" if kept is None else f"the last good checkpoint is of update {kept}"
    return TrainingDiverged(
        update,
        f"training stopped: the loss or its gradient is not finite at update {update}; {saved}. "
        "Try a smaller training.rate, a smaller training.clip, or a larger kernel.first_noise",
    )
