"""The sections of a recipe that belong to the core."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import and_, deep_iterable, ge, le

from quasistatic._plugins.options import option
from quasistatic._training.options import MOST_STEPS, TrainingOptions


@attrs.frozen
class TrajectoryOptions:
    """The chain between data and equilibrium."""

    steps: int = option(100, "number of steps T of the chain", ge(1), le(MOST_STEPS))
    grid: Literal["fixed", "learned"] = option("fixed", "where the times lie: as the kernel has them, or learned")
    times: tuple[float, ...] = option(
        (), "the T times of a fixed grid, instead of the kernel's: as `quasistatic schedule` finds them for another run"
    )
    first_step: Literal["learned", "paper"] = option(
        "learned", "the reverse step that ends at data: learned, or fixed as in the 2015 paper"
    )


@attrs.frozen
class TrainingSection(TrainingOptions):
    """How the network is trained."""

    refit: bool = option(
        False, "after training, as many updates as were best, once more, on the events of all splits; K is that of before"
    )
    observers: tuple[str, ...] | None = option(None, "observers to attach (default: all that are marked as such)")


@attrs.frozen
class EvaluationOptions:
    """What is measured and drawn after training."""

    trajectory_steps: tuple[int, ...] = option((), "further T at which K is measured", deep_iterable(and_(ge(1), le(MOST_STEPS))))
    events: int = option(10000, "maximum number of events in a measurement", ge(1))
    repeats: int = option(1, "passes over these events", ge(1))
    error: float = option(
        0.0,
        "standard error of K, in nats per event, that is enough: as many events as it takes are measured, and once; 0: all are",
        ge(0),
    )
    samples: int = option(64, "number of samples drawn", ge(1))


SECTIONS: dict[str, type] = {
    "trajectory": TrajectoryOptions,
    "training": TrainingSection,
    "evaluation": EvaluationOptions,
}
