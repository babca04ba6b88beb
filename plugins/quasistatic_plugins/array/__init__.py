"""Your own array, in a file or in memory."""

from __future__ import annotations

import attrs

import quasistatic as qs
from quasistatic.kits import arrays


@attrs.frozen
class ArrayOptions(arrays.ArrayChoices):
    """Your own array, a row per event: of numpy (.npy, .npz), or text of numbers alone; checked."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.array.source"
    return [
        qs.Component("source", "array", ArrayOptions, f"{here}:build", restore=f"{here}:restore", from_data=f"{here}:from_data")
    ]
