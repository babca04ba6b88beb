"""Training states on disk: which checkpoint to go on from, which one is the best, and how K went."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import attrs
import jax
import numpy as np

from quasistatic._process.estimate import estimate
from quasistatic._storage import checkpoint
from quasistatic._storage.files import limit
from quasistatic._training.engine import TrainState
from quasistatic._training.options import TrainingOptions
from quasistatic.errors import CheckpointError

FEWEST = 3  # measurements without a rise before K is held to have stalled


@attrs.frozen
class Measured:
    """K of the validation split after so many updates, in nats per event, on a chain of `trajectory_steps`."""

    update: int
    bound_nats: float
    standard_error_nats: float
    trajectory_steps: int


@attrs.frozen
class Risen:
    """When validation K last rose by more than the standard error of its rise, and K of each event there, in nats."""

    update: int
    per_event_nats: tuple[float, ...]

    def is_passed(self, per_event: np.ndarray) -> bool:
        """Whether K of the same events with the same noise, (N,), is higher by more than the standard error of the difference."""
        if len(per_event) != len(self.per_event_nats):  # other events: nothing to compare with
            return True
        with np.errstate(invalid="ignore"):
            rise = estimate(per_event - np.asarray(self.per_event_nats))
        return not rise.value <= rise.standard_error  # the error of a single event is not a number


@attrs.frozen
class Progress:
    """How far training has come: the best measurement, all of them in order, and the last one that K clearly rose to."""

    best: Measured | None = None
    history: tuple[Measured, ...] = ()
    risen: Risen | None = None

    def with_(self, measured: Measured, per_event: np.ndarray) -> Progress:
        """One measurement more, and its K of each event, (N,) in nats.

        The highest K is the best, the first of equal ones; what is not a number never is. The start is left only for a gain above
        its standard error: with few events a higher K alone says little (the one-standard-error rule, Breiman et al. 1984).
        """
        is_rise = self.risen is None or (math.isfinite(measured.bound_nats) and self.risen.is_passed(per_event))
        may_be_best = is_rise or (self.best is not None and self.best.update > 0)
        better = self.best is None or (may_be_best and measured.bound_nats > self.best.bound_nats)
        risen = Risen(measured.update, tuple(map(float, per_event))) if is_rise else self.risen
        return Progress(measured if better else self.best, (*self.history, measured), risen)

    def is_stalled(self, options: TrainingOptions) -> bool:
        """Whether K has not clearly risen for as many updates as `options.patience` allows, and for some measurements."""
        if self.risen is None or options.patience == 1:
            return False
        since = [measured.update - self.risen.update for measured in self.history if measured.update > self.risen.update]
        return len(since) >= FEWEST and since[-1] >= options.patience * options.updates


@attrs.define
class Store:
    """Checkpoints of one run in `folder`; the newest `keep` whole ones and the best are kept.

    `steps` is the T at which K of the validation split is measured, where it is known. `notes` collects what a person should know:
    damaged checkpoints that were passed over.
    """

    folder: Path
    keep: int = 2
    steps: int | None = None
    notes: list[str] = attrs.field(factory=list)
    _written: set[int] = attrs.field(factory=set, init=False)
    _at_most: int | None = attrs.field(default=None, init=False)  # bytes of a file

    def holds_checkpoint(self) -> bool:
        return bool(checkpoint.steps(self.folder))

    def newest_update(self) -> int | None:
        """The update of the newest whole checkpoint."""
        try:
            return checkpoint.newest(self.folder, self._at_most).step
        except CheckpointError:
            return None

    def save(self, state: TrainState, progress: Progress) -> None:
        """Write the state, then drop what is no longer needed. An update that is there already, and whole, is left as it is."""
        self._at_most = _room_for(state)
        meta = attrs.asdict(progress)
        checkpoint.save(self.folder, int(state.update), checkpoint.flatten(state), meta)
        self._written.add(int(state.update))
        spare = set() if progress.best is None else {progress.best.update}
        checkpoint.prune(self.folder, self.keep, spare, self._written)

    def load(self, template: TrainState) -> tuple[TrainState, Progress, Any]:
        """The newest whole state, how far it had come, and the averaged weights of the best.

        Raises CheckpointError where no checkpoint is whole, or where they are of another model than `template`.
        """
        self._at_most = _room_for(template)
        found = checkpoint.newest(self.folder, self._at_most)
        arrays, meta = found.content()
        state = checkpoint.restore(template, arrays)
        progress = _read_progress(meta, found)
        self._refuse_longer(progress, found)
        passed_over = [f"passed over the damaged checkpoint {path.name}: {reason}" for path, reason in found.skipped]
        if progress.best is None or progress.best.update == found.step:
            self.notes += passed_over
            return state, progress, state.averaged
        path = self.folder / checkpoint.step_name(progress.best.update)
        try:
            arrays, _ = checkpoint.load(path, self._at_most)
        except CheckpointError as error:
            if not os.path.lexists(path) and max(checkpoint.steps(self.folder), default=0) > found.step:
                return self.load(template)  # a trainer has found a better one since
            self.notes += passed_over
            self.notes.append(f"the best checkpoint is lost ({error}); update {found.step} takes its place")
            return state, attrs.evolve(progress, best=None), state.averaged
        self.notes += passed_over
        return state, progress, checkpoint.restore(template, arrays).averaged

    def averaged(self, template: TrainState, update: int) -> Any:
        """The averaged weights after so many updates. Raises CheckpointError where none were kept, or they are not whole."""
        path = self.folder / checkpoint.step_name(update)
        if not os.path.lexists(path):
            kept = ", ".join(map(str, checkpoint.steps(self.folder))) or "none"
            raise CheckpointError(f"{self.folder}: expected an update whose checkpoint is kept ({kept}), got {update}")
        arrays, _ = checkpoint.load(path, _room_for(template))
        return checkpoint.restore(template, arrays).averaged

    def _refuse_longer(self, progress: Progress, found: checkpoint.Found) -> None:
        """Raises CheckpointError where the recipe has a longer chain than the one that K was measured on."""
        best = progress.best
        if best is not None and self.steps is not None and self.steps > best.trajectory_steps:
            raise CheckpointError(
                f"{found.path}: its K was measured on T = {best.trajectory_steps}, the recipe has T = {self.steps}: it is of "
                "another run"
            )


def _room_for(state: TrainState) -> int:
    """The most bytes that a file of such a checkpoint may have: the limit of all reading, or those that the state needs."""
    return max(limit(), sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + 2**20)


def _read_progress(meta: dict[str, Any], found: checkpoint.Found) -> Progress:
    try:
        history = tuple(_measured(one, found.step) for one in meta["history"])
        best = None if meta["best"] is None else _measured(meta["best"], found.step)
        return Progress(best, history, _risen(meta.get("risen"), found.step))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        names = ", ".join(field.name for field in attrs.fields(Measured))
        raise CheckpointError(f"{found.path}: meta: expected best and history, each with {names}, got {meta!s:.200}") from error


def _risen(values: Any, last: int) -> Risen | None:
    """Of a checkpoint that has none, as older ones, the next measurement is what later ones are compared with."""
    if values is None:
        return None
    if not 0 <= values["update"] <= last:
        raise ValueError("of another run")
    return Risen(int(values["update"]), tuple(map(float, values["per_event_nats"])))


def _measured(values: Any, last: int) -> Measured:
    if not 0 <= values["update"] <= last:
        raise ValueError("of another run")
    return Measured(
        int(values["update"]),
        float(values["bound_nats"]),
        float(values["standard_error_nats"]),
        int(values["trajectory_steps"]),
    )
