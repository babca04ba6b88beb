"""The network for images of the 2015 paper."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)
at_most = attrs.validators.le(1000)  # layers: each is built and compiled for itself
at_least_none = attrs.validators.ge(0)


@attrs.frozen
class MultiscaleOptions:
    """The network for images of the 2015 paper: convolutions on several scales beside a dense pathway.

    Layers for each pixel alone follow. Time is read at the end only: readouts are blended by bumps of time.
    """

    variant: Literal["paper", "code"] = qs.option(
        "paper", "as printed (softplus of the sum of scales, tanh), or as in the authors' code (leaky units on each scale)"
    )
    scales: int = qs.option(1, "scales of a convolution: 1, 2, 4 ... pixels", at_least_one, at_most)
    layers: int = qs.option(4, "layers of convolutions; 0: the dense pathway alone", at_least_none, at_most)
    filters: int = qs.option(20, "filters of each layer", at_least_one)
    dense_layers: int = qs.option(4, "layers of the dense pathway; 0: convolutions alone", at_least_none, at_most)
    dense_width: int = qs.option(500, "units of each of them but the last", at_least_one)
    dense_outputs: int = qs.option(2, "units of the last one, for each pixel", at_least_one)
    upper_layers: int = qs.option(2, "layers for each pixel alone, of which the last is the readout", at_least_one, at_most)
    upper_width: int = qs.option(20, "units of each of them but the last", at_least_one)
    bumps: int = qs.option(10, "number of bumps of time, each with a readout", at_least_one)
    bump_width: float = qs.option(
        1.0, "width of a bump in units of their spacing: 1 in the paper, 0.5 in its code", attrs.validators.gt(0)
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
