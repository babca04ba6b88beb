"""The network for images of the 2015 paper."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)
at_least_none = attrs.validators.ge(0)


@attrs.frozen
class MultiscaleOptions:
    """The network for images of the 2015 paper: convolutions on several scales beside a dense pathway.

    Layers for each pixel alone follow. Time is read at the end only: readouts are blended by bumps of time.
    """

    variant: Literal["paper", "code"] = attrs.field(
        default="paper",
        metadata={
            "help": "as printed (softplus of the sum of scales, tanh), or as in the authors' code (leaky units on each scale)"
        },
    )
    scales: int = attrs.field(default=1, validator=at_least_one, metadata={"help": "scales of a convolution: 1, 2, 4 ... pixels"})
    layers: int = attrs.field(
        default=4, validator=at_least_none, metadata={"help": "layers of convolutions; 0: the dense pathway alone"}
    )
    filters: int = attrs.field(default=20, validator=at_least_one, metadata={"help": "filters of each layer"})
    dense_layers: int = attrs.field(
        default=4, validator=at_least_none, metadata={"help": "layers of the dense pathway; 0: convolutions alone"}
    )
    dense_width: int = attrs.field(default=500, validator=at_least_one, metadata={"help": "units of each of them but the last"})
    dense_outputs: int = attrs.field(default=2, validator=at_least_one, metadata={"help": "units of the last one, for each pixel"})
    upper_layers: int = attrs.field(
        default=2, validator=at_least_one, metadata={"help": "layers for each pixel alone, of which the last is the readout"}
    )
    upper_width: int = attrs.field(default=20, validator=at_least_one, metadata={"help": "units of each of them but the last"})
    bumps: int = attrs.field(default=10, validator=at_least_one, metadata={"help": "number of bumps of time, each with a readout"})
    bump_width: float = attrs.field(
        default=1.0,
        validator=attrs.validators.gt(0),
        metadata={"help": "width of a bump in units of their spacing: 1 in the paper, 0.5 in its code"},
    )

    def __attrs_post_init__(self) -> None:
        if self.layers == self.dense_layers == 0:
            raise ValueError("layers and dense_layers are both 0: expected at least one of them to be 1 or more")


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "model",
            "multiscale",
            MultiscaleOptions,
            build="quasistatic_plugins.multiscale.model:Multiscale",
            references=(
                "Sohl-Dickstein et al. 2015, Appendix D.2.1, eq. 62 and 63",
                "its reference code, Sohl-Dickstein/Diffusion-Probabilistic-Models",
            ),
        )
    ]
