"""The sections of a recipe that belong to the core."""

from __future__ import annotations

import math
from typing import Any, Literal

import attrs
from attrs.validators import deep_iterable, ge

from quasistatic._training.options import TrainingOptions, option

AUTO = "auto"
PASSES, FEWEST, MOST = 500, 1000, 4000  # over the training events, and updates at least and at most, where they are not given


@attrs.frozen
class TrajectoryOptions:
    """The chain between data and equilibrium."""

    steps: int = option(100, "number of steps T of the chain", ge(1))
    grid: Literal["fixed", "learned"] = option("fixed", "where the times lie: as the kernel has them, or learned")
    times: tuple[float, ...] = option(
        (), "the T times of a fixed grid, instead of the kernel's: as `quasistatic schedule` finds them for another run"
    )
    first_step: Literal["learned", "paper"] = option(
        "learned", "the reverse step that ends at data: learned, or fixed as in the 2015 paper"
    )


def _is_a_number_of_updates(_section: Any, _field: Any, value: Any) -> None:
    if value != AUTO and value < 1:
        raise ValueError(f"expected a value >= 1 or {AUTO!r}, got {value}")


@attrs.frozen
class TrainingSection(TrainingOptions):
    """How the network is trained."""

    updates: int | Literal["auto"] = option(
        10000,
        f"number of updates of the weights; auto: as many as {PASSES} passes over the events take, from {FEWEST} to {MOST}",
        _is_a_number_of_updates,
    )
    refit: bool = option(
        False, "after training, as many updates as were best, once more, on the events of all splits; K is that of before"
    )
    observers: tuple[str, ...] | None = option(None, "observers to attach (default: all that are marked as such)")

    def settled(self, rows: int | None) -> TrainingSection:
        """With a number of updates for so many training events; of a source that generates (None), the most."""
        wanted = MOST if rows is None else math.ceil(PASSES * rows / self.batch)
        return attrs.evolve(self, updates=min(max(wanted, FEWEST), MOST))


@attrs.frozen
class EvaluationOptions:
    """What is measured and drawn after training."""

    trajectory_steps: tuple[int, ...] = option((), "further T at which K is measured", deep_iterable(ge(1)))
    events: int = option(10000, "maximum number of events in a measurement", ge(1))
    repeats: int = option(1, "passes over these events", ge(1))
    samples: int = option(64, "number of samples drawn", ge(1))


SECTIONS: dict[str, type] = {
    "trajectory": TrajectoryOptions,
    "training": TrainingSection,
    "evaluation": EvaluationOptions,
}
