"""A dense network."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)


@attrs.frozen
class DenseOptions:
    """A multilayer perceptron on all elements at once, with sines and cosines of time: for any event shape."""

    width: int = attrs.field(default=128, validator=at_least_one, metadata={"help": "units of each hidden layer"})
    depth: int = attrs.field(default=3, validator=at_least_one, metadata={"help": "number of hidden layers"})
    activation: Literal["silu", "relu", "tanh", "sigmoid"] = attrs.field(
        default="silu", metadata={"help": "non-linearity of the hidden layers"}
    )
    residual: bool = attrs.field(default=False, metadata={"help": "add each hidden layer but the first to what it reads"})
    dropout: float = attrs.field(
        default=0.0,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={"help": "share of hidden units silenced in training"},
    )
    waves: tuple[float, ...] = attrs.field(
        default=(), metadata={"help": "also read sines and cosines of the features at these angular frequencies"}
    )
    time_waves: int = attrs.field(
        default=8, validator=at_least_one, metadata={"help": "number of frequencies of time, two features each"}
    )
    readouts: int = attrs.field(
        default=1,
        validator=at_least_one,
        metadata={"help": "readout layers blended by bumps of time (the 2015 paper has one per step)"},
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("model", "dense", DenseOptions, build="quasistatic_plugins.dense.model:Dense", is_default=True)]
