"""A transformer."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)
at_most = attrs.validators.le(1000)  # layers: each is built and compiled for itself


@attrs.frozen
class TransformerOptions:
    """A bidirectional transformer: every element of an event is a token, for sequences of symbols or of numbers, and for tables."""

    width: int = qs.option(128, "numbers of a token; a multiple of 2 x heads", at_least_one)
    depth: int = qs.option(4, "number of blocks", at_least_one, at_most)
    heads: int = qs.option(4, "attention heads of a block", at_least_one)
    expansion: int = qs.option(4, "how much wider the hidden layer of a block is than a token", at_least_one)
    dropout: float = qs.option(
        0.0,
        "share of the units of each block's hidden layer that are silenced in training",
        attrs.validators.ge(0),
        attrs.validators.lt(1),
    )
    places: Literal["rotary", "learned"] = qs.option(
        "rotary", "rotary: how far apart two places are is what counts; learned: every place is its own, as in a table"
    )
    counts: bool = qs.option(
        False,
        "add running counts of every symbol to each token (causal: also their parity): for notations with brackets and pairs",
    )
    causal: bool = qs.option(
        False,
        "causal attention: each position reads earlier ones alone; with kernel.order = 'last-first' one call gives the params "
        "of all positions",
    )

    def __attrs_post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width: expected a multiple of 2 x heads = {2 * self.heads}, got {self.width}")


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "model",
            "transformer",
            TransformerOptions,
            build="quasistatic_plugins.transformer.model:Transformer",
            references=("Vaswani et al. 2017", "Su et al. 2021 (rotary places)", "Peebles & Xie 2023 (adaptive normalisation)"),
        )
    ]
