"""Textures: grass, gravel and brick, as patches."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs
from quasistatic.kits import pictures


@attrs.frozen
class TexturesOptions(pictures.CutChoices):
    """Patches of three grey photographs that scikit-image ships, grass, gravel and brick (needs quasistatic[data])."""

    texture: Literal["all", "grass", "gravel", "brick"] = attrs.field(default="all", metadata={"help": "which of them"})
    patches: int = attrs.field(
        default=2_000,
        validator=attrs.validators.ge(10),
        metadata={"help": "patches of each texture, cut at random places"},
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.textures.source"
    return [
        qs.Component(
            "source",
            "textures",
            TexturesOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            expected_failures={"written": "it reads arrays alone and writes .tif, which the source images reads"},
        )
    ]
