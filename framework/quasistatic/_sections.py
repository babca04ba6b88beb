"""The sections of a recipe that belong to the core."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs.validators import deep_iterable, ge, gt, lt, optional


def _option(default: Any, help: str, *validators: Any) -> Any:
    return attrs.field(default=default, validator=list(validators) or None, metadata={"help": help})


@attrs.frozen
class TrajectoryOptions:
    """The chain between data and equilibrium."""

    steps: int = _option(100, "number of steps T of the chain", ge(1))
    grid: Literal["fixed", "learned"] = _option("fixed", "where the times lie: as the kernel has them, or learned")
    first_step: Literal["learned", "paper"] = _option(
        "learned", "the reverse step that ends at data: learned, or fixed as in the 2015 paper"
    )


@attrs.frozen
class TrainingOptions:
    """How the network is trained."""

    steps: int = _option(10000, "number of updates", ge(1))
    batch: int = _option(256, "events in an update", ge(1))
    rate: float = _option(1e-3, "learning rate", gt(0))
    schedule: Literal["cosine", "constant"] = _option("cosine", "course of the learning rate")
    warmup: int = _option(0, "updates over which the learning rate rises", ge(0))
    clip: float = _option(1.0, "greatest norm of a gradient", gt(0))
    weight_decay: float = _option(0.0, "decay of the weights, relative to the learning rate", ge(0))
    optimiser: Literal["adam", "rmsprop"] = _option("adam", "rule of an update")
    ema: float = _option(0.999, "weight of the past in the average of the weights; 0: no average", ge(0), lt(1))
    fuse: int = _option(10, "updates in one dispatch", ge(1))
    validate_every: int = _option(1000, "updates between two measurements of K on the validation split", ge(1))
    validation_events: int = _option(1000, "greatest number of events in such a measurement", ge(1))
    validation_steps: int | None = _option(
        None, "T of such a measurement; none: that of the trajectory", optional(ge(1))
    )
    checkpoint_every: int = _option(1000, "updates between two checkpoints", ge(1))
    keep: int = _option(2, "number of checkpoints kept, besides the best", ge(1))
    observers: tuple[str, ...] = _option(("progress", "jsonl", "tensorboard"), "who watches")


@attrs.frozen
class EvaluationOptions:
    """What is measured and drawn after training."""

    steps: tuple[int, ...] = _option(
        (), "the T's at which K is printed; empty: that of the trajectory", deep_iterable(ge(1))
    )
    events: int = _option(10000, "greatest number of events in a measurement", ge(1))
    repeats: int = _option(1, "passes over these events", ge(1))
    samples: int = _option(64, "number of samples drawn", ge(1))


SECTIONS: dict[str, type] = {
    "trajectory": TrajectoryOptions,
    "training": TrainingOptions,
    "evaluation": EvaluationOptions,
}
