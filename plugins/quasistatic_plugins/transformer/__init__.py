"""A transformer."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)


@attrs.frozen
class TransformerOptions:
    """A bidirectional transformer: every element of an event is a token, for sequences of symbols or of numbers, and for tables."""

    width: int = attrs.field(default=128, validator=at_least_one, metadata={"help": "numbers of a token; a multiple of 2 x heads"})
    depth: int = attrs.field(default=4, validator=at_least_one, metadata={"help": "number of blocks"})
    heads: int = attrs.field(default=4, validator=at_least_one, metadata={"help": "attention heads of a block"})
    expansion: int = attrs.field(
        default=4, validator=at_least_one, metadata={"help": "how much wider the hidden layer of a block is than a token"}
    )
    dropout: float = attrs.field(
        default=0.0,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={"help": "share of the units of each block's hidden layer that are silenced in training"},
    )
    places: Literal["rotary", "learned"] = attrs.field(
        default="rotary",
        metadata={"help": "rotary: how far apart two places are is what counts; learned: every place is its own, as in a table"},
    )
    counts: bool = attrs.field(
        default=False,
        metadata={
            "help": "add running counts of every symbol to each token (causal: also their parity): "
            "for notations with brackets and pairs"
        },
    )
    causal: bool = attrs.field(
        default=False,
        metadata={
            "help": "causal attention: each position reads earlier ones alone; with kernel.order = 'last-first' one call gives "
            "the params of all positions"
        },
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
