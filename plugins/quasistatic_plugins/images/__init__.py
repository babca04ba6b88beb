"""Your own pictures: a folder of files of any size."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import ge, le, optional

import quasistatic as qs
from quasistatic.kits import pictures


@attrs.frozen
class ImagesOptions(pictures.CutChoices):
    """A folder of your own pictures (.png, .jpg, .webp, .tiff, .bmp, .gif, .avif, .heic), of any size, in grey or in colour."""

    path: str = qs.option(
        "", "the folder, or one file of many pages; what is in folders below is read too, each a class", is_path=True
    )
    fit: Literal["resize", "crop", "patches"] = qs.option(
        "resize",
        "resize: the shorter side becomes `size`, and the middle is taken; crop: the middle as it is; "
        "patches: `patches` squares as they are, from random places",
    )
    pages: Literal["all", "first"] = qs.option(
        "all", "pages of a TIFF and frames of an animation that are read, each a picture of its own"
    )
    split_pages: bool = qs.option(False, "pages of one file may be in several splits; without it, as its patches are, in one")
    bits: int | None = qs.option(
        None,
        "bits of the levels that are modelled (default: as many as those of 16 bits use, at most 12)",
        optional([ge(8), le(12)]),
    )
    unreadable: Literal["skip", "refuse"] = qs.option(
        "skip", "what becomes of files that are damaged or too small: named and left out, or an error"
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.images.source"
    return [
        qs.Component("source", "images", ImagesOptions, f"{here}:build", restore=f"{here}:restore", from_data=f"{here}:from_data")
    ]
