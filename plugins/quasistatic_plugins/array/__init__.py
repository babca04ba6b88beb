"""Your own data: any table or array in a file, or in memory."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class ArrayOptions:
    """Your own data, a row per event, from a .csv, .npy or .npz file: shape and support are read off it and checked."""

    path: str = attrs.field(default="", metadata={"help": "the file; must be given, unless an array is handed over in Python"})
    support: Literal["auto", "real", "binary", "categorical"] = attrs.field(
        default="auto",
        metadata={"help": "what the numbers are; auto: 0 and 1 are binary, 0 to n - 1 for n up to 32 categorical, else real"},
    )
    key: str | None = attrs.field(default=None, metadata={"help": "which array of an .npz file that holds several"})
    validation_share: float = attrs.field(
        default=0.1, validator=attrs.validators.gt(0), metadata={"help": "share of the events in the validation split"}
    )
    test_share: float = attrs.field(
        default=0.2, validator=attrs.validators.gt(0), metadata={"help": "share of the events in the test split"}
    )
    split_seed: int = attrs.field(
        default=0, validator=attrs.validators.ge(0), metadata={"help": "fixes which events are in which split"}
    )

    def __attrs_post_init__(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise ValueError(
                f"validation_share and test_share: expected at most 0.8 together, got {self.validation_share} and {self.test_share}"
            )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("source", "array", ArrayOptions, build="quasistatic_plugins.array.source:build")]
