"""A dense network."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)
at_most = attrs.validators.le(1000)  # layers: each is built and compiled for itself


@attrs.frozen
class DenseOptions:
    """A multilayer perceptron on all elements at once, with sines and cosines of time: for any event shape."""

    width: int = qs.option(128, "units of each hidden layer", at_least_one)
    depth: int = qs.option(3, "number of hidden layers", at_least_one, at_most)
    activation: Literal["silu", "relu", "tanh", "sigmoid"] = qs.option("silu", "non-linearity of the hidden layers")
    residual: bool = qs.option(False, "add each hidden layer but the first to what it reads")
    dropout: float = qs.option(0.0, "share of hidden units silenced in training", attrs.validators.ge(0), attrs.validators.lt(1))
    waves: tuple[float, ...] = qs.option((), "also read sines and cosines of the features at these angular frequencies")
    time_waves: int = qs.option(8, "number of frequencies of time, two features each", at_least_one)
    readouts: int = qs.option(1, "readout layers blended by bumps of time (the 2015 paper has one per step)", at_least_one)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("model", "dense", DenseOptions, build="quasistatic_plugins.dense.model:Dense", is_default=True)]
