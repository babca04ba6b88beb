"""A mixer of patches, for images."""

from __future__ import annotations

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)


@attrs.frozen
class MixerOptions:
    """Small patches of an image as tokens, mixed by dense layers alone: the fast road on a CPU.

    Layers along rows and columns of patches take turns with layers along the channels. Time and side information scale and shift.
    """

    patch: int = attrs.field(default=4, validator=at_least_one, metadata={"help": "pixels of a patch, each way"})
    context: int = attrs.field(
        default=1, validator=attrs.validators.ge(0), metadata={"help": "rings of neighbours that a patch reads with itself"}
    )
    width: int = attrs.field(default=192, validator=at_least_one, metadata={"help": "channels of a patch"})
    depth: int = attrs.field(
        default=3, validator=at_least_one, metadata={"help": "blocks of mixing layers: rows and columns, then channels"}
    )
    expansion: int = attrs.field(
        default=1, validator=at_least_one, metadata={"help": "gated units of a mixing layer, for each of its inputs"}
    )
    dropout: float = attrs.field(
        default=0.0,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={"help": "share of gated units silenced in training"},
    )


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
