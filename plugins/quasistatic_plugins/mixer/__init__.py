"""A mixer of patches, for images."""

from __future__ import annotations

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)
at_most = attrs.validators.le(1000)  # layers: each is built and compiled for itself


@attrs.frozen
class MixerOptions:
    """Small patches of an image as tokens, mixed by dense layers alone: the fast road on a CPU.

    Layers along rows and columns of patches take turns with layers along the channels. Time and side information scale and shift.
    """

    patch: int = qs.option(4, "pixels of a patch, each way", at_least_one)
    context: int = qs.option(1, "rings of neighbours that a patch reads with itself", attrs.validators.ge(0), at_most)
    width: int = qs.option(192, "channels of a patch", at_least_one)
    depth: int = qs.option(3, "blocks of mixing layers: rows and columns, then channels", at_least_one, at_most)
    expansion: int = qs.option(1, "gated units of a mixing layer, for each of its inputs", at_least_one)
    dropout: float = qs.option(0.0, "share of gated units silenced in training", attrs.validators.ge(0), attrs.validators.lt(1))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "model",
            "mixer",
            MixerOptions,
            build="quasistatic_plugins.mixer.model:Mixer",
            references=("Tolstikhin et al. 2021 (MLP-Mixer)", "Shazeer 2020 (gated units)"),
        )
    ]
