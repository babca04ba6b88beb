"""How a network is trained, as options."""

from __future__ import annotations

from typing import Literal, TypedDict

import attrs
from attrs.validators import and_, ge, gt, le, lt, optional

from quasistatic._plugins.options import option

MOST_STEPS = 2**20  # T at most: float32 tells not many more times apart


@attrs.frozen
class TrainingOptions:
    """How the network is trained."""

    updates: int = option(10000, "number of updates of the weights", ge(1))
    batch: int = option(256, "events per update", ge(1))
    accumulate: int = option(1, "parts of a batch, one after another: the same update from less memory", ge(1))
    rate: float = option(1e-3, "learning rate", gt(0))
    schedule: Literal["cosine", "constant"] = option("cosine", "course of the learning rate")
    warmup: int = option(0, "updates over which the learning rate rises", ge(0))
    clip: float = option(1.0, "greatest norm of a gradient", gt(0))
    weight_decay: float = option(0.0, "decay of the weights, relative to the learning rate", ge(0))
    optimiser: Literal["adam", "muon", "rmsprop"] = option(
        "adam", "rule of an update; muon learns more of an update where most weights are in matrices"
    )
    drop_side: float = option(
        0.0, "share of the events that are trained on without their side information: guidance needs such a network", ge(0), lt(1)
    )
    ema: float = option(0.999, "weight of the past in the average of the weights; 0: no average", ge(0), lt(1))
    fuse: int = option(10, "updates in one dispatch", ge(1))
    validate_every: int = option(1000, "updates between two measurements of K on the validation split", ge(1))
    validation_events: int = option(1000, "maximum number of validation events", ge(1))
    validation_steps: int | None = option(
        None, "T for validation (default: trajectory.steps)", optional(and_(ge(1), le(MOST_STEPS)))
    )
    patience: float = option(
        1.0,
        "share of `updates` after which training stops where validation K has not risen above its standard error; 1: never",
        gt(0),
        le(1),
    )
    checkpoint_every: int = option(1000, "updates between two checkpoints", ge(1))
    keep: int = option(2, "number of checkpoints kept, besides the best", ge(1))

    def __attrs_post_init__(self) -> None:
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate: expected a divisor of batch = {self.batch}, got {self.accumulate}")


class TrainingKeywords(TypedDict, total=False):
    """The same as keywords, for type checkers."""

    updates: int
    batch: int
    accumulate: int
    rate: float
    schedule: Literal["cosine", "constant"]
    warmup: int
    clip: float
    weight_decay: float
    optimiser: Literal["adam", "muon", "rmsprop"]
    drop_side: float
    ema: float
    fuse: int
    validate_every: int
    validation_events: int
    validation_steps: int | None
    patience: float
    checkpoint_every: int
    keep: int
