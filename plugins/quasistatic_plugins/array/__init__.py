"""Your own data: any table or array in a file, or in memory."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class ArrayOptions(qs.ArrayChoices):
    """Your own data, a row per event: a table (.csv and other text, .parquet, .xlsx) or an array (.npy, .npz), checked."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.array.source"
    return [
        qs.Component("source", "array", ArrayOptions, f"{here}:build", restore=f"{here}:restore", from_data=f"{here}:from_data")
    ]
