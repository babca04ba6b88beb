"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import equinox as eqx
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._engine import (
    State,
    count_bytes,
    count_parameters,
    initial_state,
    make_chunk,
    make_optimiser,
    trained_part,
)
from quasistatic._keys import Role, role_key
from quasistatic._ledger import Ledger, ledger
from quasistatic._observe import AbstractObserver, RunInfo, watched
from quasistatic._rows import Rows
from quasistatic._store import Best, Store
from quasistatic._wire import Wired
from quasistatic.errors import TrainingDiverged


@attrs.frozen(eq=False)
class Outcome:
    """Where training ended: with which weights, the best averaged ones, and why ('done' or 'stopped')."""

    state: State
    best: Best | None
    diffusion: Diffusion
    reason: str


def fit(
    wired: Wired,
    observers: Sequence[AbstractObserver] = (),
    store: Store | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train until the recipe's last step, or until `stop()` says so after a chunk.

    With a `store` the state is saved there and, if it holds one already, training goes on from it, bit for bit as if it
    had never stopped. Raises TrainingDiverged where a loss or gradient is not finite; what was saved before stays.
    An observer that raises is reported and switched off; training goes on.
    """
    options, seed = wired.recipe.training, wired.recipe.seed
    optimiser = make_optimiser(options)
    state, best = initial_state(wired.diffusion, optimiser), None
    _, rest = trained_part(wired.diffusion)
    best_weights = state.averaged
    if store is not None and store.holds_checkpoint():
        state, best, best_weights = store.load(state)

    rows = Rows(wired.source.stored(), options.batch, seed)
    objective = _prepared(wired)
    key = role_key(seed, Role.TRAIN)
    chunk = make_chunk(rest, objective, optimiser, wired.source.draw, options.batch, options.ema, key)

    step = int(state.step)
    reason = "failed"
    observers = [watched(observer) for observer in observers]
    try:
        for observer in observers:
            observer.start(_info(wired, state, step))
        while step < options.steps and not stop():
            count = _until_next(step, options.steps, options.fuse, options.validate_every, options.checkpoint_every)
            state, report = chunk(state, rows.chunk(step, options.fuse), np.int32(count))
            if int(report.bad_step) >= 0:
                raise _diverged(int(report.bad_step), store)
            step += count
            figures = {"loss_nats": float(report.loss) / count, "gradient_norm": float(report.gradient_norm) / count}
            for observer in observers:
                observer.progress(step, figures)
            if step % options.validate_every == 0 or step == options.steps:
                diffusion = eqx.combine(state.averaged, rest)
                measured = validate(wired, diffusion)
                bound = measured.bound
                if best is None or bound.value > best.bound_nats:
                    best, best_weights = Best(step, bound.value, bound.standard_error), state.averaged
                for observer in observers:
                    observer.validation(step, measured, diffusion)
            if store is not None and (
                step % options.checkpoint_every == 0 or step == options.steps or _is_new(best, step)
            ):
                store.save(state, best)
        reason = "done" if step >= options.steps else "stopped"
        if store is not None and reason == "stopped":
            store.save(state, best)
    finally:
        for observer in observers:
            observer.finish(step, reason)
    return Outcome(state, best, eqx.combine(best_weights, rest), reason)


def validate(wired: Wired, diffusion: Diffusion) -> Ledger:
    """The ledger of the first validation events, always with the same noise, so that measurements can be compared."""
    options, data = wired.recipe.training, wired.source.split("validation")
    count = min(options.validation_events, len(data))
    given = None if data.given is None else data.given[:count]
    key = role_key(wired.recipe.seed, Role.VALIDATION)
    return ledger(diffusion, data.x[:count], key, options.validation_steps, given)


def _is_new(best: Best | None, step: int) -> bool:
    return best is not None and best.step == step


def _until_next(step: int, last: int, *periods: int) -> int:
    """Steps to the next multiple of a period: chunks fall on the same steps however often a run is resumed."""
    return min(last - step, *(period - step % period for period in periods))


def _prepared(wired: Wired) -> Any:
    """The objective after its look at some training events, the same ones on every resume."""
    seed, data = wired.recipe.seed, wired.source.split("validation")
    count = min(len(data), wired.recipe.training.validation_events)
    given = None if data.given is None else data.given[:count]
    return wired.objective.prepare(wired.diffusion, data.x[:count], given, role_key(seed, Role.OBJECTIVE))


def _info(wired: Wired, state: State, step: int) -> RunInfo:
    return RunInfo(
        recipe=wired.recipe.to_dict(),
        event=wired.source.event.describe(),
        parameters=count_parameters(state),
        state_bytes=count_bytes(state),
        first_step=step,
        steps=wired.recipe.training.steps,
        source=wired.source,
        sampler=wired.sampler,
    )


def _diverged(step: int, store: Store | None) -> TrainingDiverged:
    kept = store.newest_step() if store is not None else None
    saved = "nothing was saved yet" if kept is None else f"the last good checkpoint is of step {kept}"
    return TrainingDiverged(
        step,
        f"training stopped: the loss or its gradient is not finite at step {step}; {saved}. "
        "Try a smaller training.rate, a smaller training.clip, or a larger kernel.first_noise",
    )
