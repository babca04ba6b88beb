"""How the numbers in a file are read: options that sources of arrays inherit, light to import."""

from __future__ import annotations

from typing import Literal

import attrs

from quasistatic._plugins.options import option

TEXT = (".csv", ".tsv", ".txt", ".dat")
ENDINGS = (".npy", ".npz", *TEXT)  # of files that are read


@attrs.frozen
class ArrayReading:
    """Which numbers of a file are read. To inherit from."""

    path: str = option("", "the file; must be given, unless an array is handed over in Python", is_path=True)
    columns: tuple[str, ...] = option((), "columns that are read, by name or number from 1; by default all")
    drop: tuple[str, ...] = option((), "columns that are left out")
    labels: str | None = option(None, "a column that is not modelled, and stands beside K of every event")
    missing: Literal["refuse", "drop-rows"] = option("refuse", "what becomes of rows where a number is missing")
    key: str | None = option(None, "which array of an .npz file that holds several")

    def __attrs_post_init__(self) -> None:
        if self.columns and self.drop:
            raise ValueError("columns and drop: give the columns that are read or those that are left out, not both")
