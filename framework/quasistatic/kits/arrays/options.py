"""How arrays become events: options that sources of arrays inherit, light to import."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import ge

import quasistatic as qs


@attrs.frozen
class ArrayChoices(qs.Shares, qs.ArrayReading):
    """How a file or an array becomes events in three splits."""

    support: Literal["auto", "real", "levels", "binary", "categorical"] = qs.option(
        "auto",
        "what the numbers are; auto: 0 and 1 are binary; 0 to n - 1 for n up to 32 are categorical, in images levels; else real",
    )
    scale: Literal["auto", "columns", "whiten", "one"] = qs.option(
        "auto",
        "how real numbers are scaled: column by column, by their covariance, or by one number; auto: columns for a table, else one",
    )
    pictures: Literal["auto", "yes", "no"] = qs.option(
        "auto",
        "whether events are pictures, (height, width) or (height, width, 3); auto: where both are at least 4",
    )
    split_seed: int = qs.option(0, "fixes which events are in which split", ge(0))

    def __attrs_post_init__(self) -> None:
        qs.ArrayReading.__attrs_post_init__(self)
        qs.Shares.__attrs_post_init__(self)
