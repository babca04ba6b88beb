"""How files and arrays become events: options of the core's own source, light to import."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs.validators import ge

TEXT = (".csv", ".tsv", ".txt", ".dat")
ENDINGS = (".npy", ".npz", *TEXT)  # of files that are read


def _option(default: Any, help: str, *validators: Any) -> Any:
    return attrs.field(default=default, validator=validators or None, metadata={"help": help})


@attrs.frozen
class ArrayChoices:
    """How a file or an array becomes events in three splits."""

    path: str = _option("", "the file; must be given, unless an array is handed over in Python")
    columns: tuple[str, ...] = _option((), "columns that are read, by name or number from 1; by default all")
    drop: tuple[str, ...] = _option((), "columns that are left out")
    labels: str | None = _option(None, "a column that is not modelled, and stands beside K of every event")
    missing: Literal["refuse", "drop-rows"] = _option("refuse", "what becomes of rows where a number is missing")
    support: Literal["auto", "real", "levels", "binary", "categorical"] = _option(
        "auto",
        "what the numbers are; auto: 0 and 1 are binary; 0 to n - 1 for n up to 32 are categorical, in images levels; else real",
    )
    scale: Literal["auto", "columns", "whiten", "one"] = _option(
        "auto",
        "how real numbers are scaled: column by column, by their covariance, or by one number; auto: columns for a table, else one",
    )
    key: str | None = _option(None, "which array of an .npz file that holds several")
    validation_share: float = _option(0.1, "share of the events in the validation split; 0: the last weights are kept", ge(0))
    test_share: float = _option(0.2, "share of the events in the test split; 0: no such events, K is of validation events", ge(0))
    split_seed: int = _option(0, "fixes which events are in which split", ge(0))

    def __attrs_post_init__(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise ValueError(
                f"validation_share and test_share: expected at most 0.8 together, got {self.validation_share} and {self.test_share}"
            )
        if self.columns and self.drop:
            raise ValueError("columns and drop: give the columns that are read or those that are left out, not both")
