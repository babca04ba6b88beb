"""Textures: grass, gravel and brick, as patches."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs
from quasistatic.kits import pictures


@attrs.frozen
class TexturesOptions(pictures.CutChoices):
    """Patches of three grey photographs that scikit-image ships, grass, gravel and brick (needs quasistatic[data])."""

    texture: Literal["all", "grass", "gravel", "brick"] = qs.option("all", "which of them")
    patches: int = qs.option(2_000, "patches of each texture, cut at random places", attrs.validators.ge(10))


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
