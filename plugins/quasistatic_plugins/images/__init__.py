"""Your own pictures: a folder of files of any size."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class ImagesOptions(qs.CutChoices):
    """A folder of your own pictures (.png, .jpg, .webp, .tiff, .bmp), of any size, in grey or in colour."""

    path: str = attrs.field(default="", metadata={"help": "the folder; what is in folders below it is read too, each a class"})
    fit: Literal["resize", "crop", "patches"] = attrs.field(
        default="resize",
        metadata={
            "help": "resize: the shorter side becomes `size`, and the middle is taken; crop: the middle as it is; "
            "patches: `patches` squares as they are, from random places"
        },
    )
    unreadable: Literal["skip", "refuse"] = attrs.field(
        default="skip", metadata={"help": "what becomes of files that are damaged or too small: named and left out, or an error"}
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.images.source"
    return [
        qs.Component(
            "source", "images", ImagesOptions, f"{here}:build", restore=f"{here}:restore", from_data=f"{here}:from_data"
        )
    ]
