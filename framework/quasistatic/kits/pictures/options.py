"""How stored pictures become events: options that sources of pictures share, light to import."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import ge, gt, le

import quasistatic as qs

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif")  # of files that are read


@attrs.frozen
class PictureChoices(qs.Shares):
    """For sources of pictures: how levels of 8 bits become events in three splits. To inherit from."""

    view: Literal["auto", "grey", "colour", "binary"] = qs.option(
        "auto", "what is modelled; auto: colour where a picture has any; binary: whether a grey is at least the threshold"
    )
    threshold: int = qs.option(128, "the lowest grey that is 1 in the binary view", ge(1), le(255))
    dequantise: bool = qs.option(
        False, "legacy, as in 2015: spread each level evenly over its width, and model a density instead of probabilities"
    )
    labels: bool = qs.option(False, "give the network the class of each picture")
    validation_share: float = qs.option(0.1, "share of the pictures (of files, where these are cut) in the validation split", gt(0))
    test_share: float = qs.option(0.2, "share of those in the test split, where no file of its own holds it", gt(0))
    split_seed: int = qs.option(0, "fixes what is in which split, and where patches are cut", ge(0))

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.dequantise and self.view == "binary":
            raise ValueError('dequantise: expected false where view = "binary": bits have no width')


@attrs.frozen
class CutChoices(PictureChoices):
    """For sources of pictures of any size. To inherit from."""

    size: int = qs.option(32, "height and width of an event in pixels", ge(1))
    patches: int = qs.option(16, "patches cut from each picture, at random places", ge(1))
