"""Training states on disk: which checkpoint to go on from, which one is the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from quasistatic import _checkpoint as checkpoint
from quasistatic._engine import State
from quasistatic.errors import CheckpointError


@attrs.frozen
class Best:
    """The validation K that was highest so far, in nats per event, and the step it was measured at."""

    step: int
    bound_nats: float
    standard_error_nats: float


@attrs.define
class Store:
    """Checkpoints of one run in `folder`; the newest `keep` whole ones and the best are kept.

    `notes` collects what a person should know: damaged checkpoints that were passed over.
    """

    folder: Path
    keep: int = 2
    notes: list[str] = attrs.field(factory=list)

    def holds_checkpoint(self) -> bool:
        return bool(checkpoint.steps(self.folder))

    def newest_step(self) -> int | None:
        """The step of the newest whole checkpoint."""
        try:
            return checkpoint.newest(self.folder).step
        except CheckpointError:
            return None

    def save(self, state: State, best: Best | None) -> None:
        """Write the state, then drop what is no longer needed. A step that is there already, and whole, is left as it is."""
        meta = {"best": None if best is None else attrs.asdict(best)}
        checkpoint.save(self.folder, int(state.step), checkpoint.flatten(state), meta)
        checkpoint.prune(self.folder, self.keep, set() if best is None else {best.step})

    def load(self, template: State) -> tuple[State, Best | None, Any]:
        """The newest whole state, the best figure it knows of, and the averaged weights of that best.

        Raises CheckpointError where no checkpoint is whole, or where they are of another model than `template`.
        """
        found = checkpoint.newest(self.folder)
        self.notes += [f"passed over the damaged checkpoint {path.name}: {reason}" for path, reason in found.skipped]
        arrays, meta = checkpoint.load(found.path)
        state = checkpoint.restore(template, arrays)
        best = _read_best(meta, found.path)
        if best is None or best.step == found.step:
            return state, best, state.averaged
        try:
            arrays, _ = checkpoint.load(self.folder / checkpoint.step_name(best.step))
        except CheckpointError as error:
            self.notes.append(f"the best checkpoint is lost ({error}); step {found.step} takes its place")
            return state, None, state.averaged
        return state, best, checkpoint.restore(template, arrays).averaged


def _read_best(meta: dict[str, Any], path: Path) -> Best | None:
    best = meta.get("best")
    if best is None:
        return None
    try:
        return Best(int(best["step"]), float(best["bound_nats"]), float(best["standard_error_nats"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: meta.best: expected step, bound_nats, standard_error_nats, got {best!r}"
        ) from error
