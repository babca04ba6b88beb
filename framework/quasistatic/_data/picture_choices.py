"""How stored pictures become events: options that sources of pictures share, light to import."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs.validators import ge, gt, le

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif")  # of files that are read


def _option(default: Any, help: str, *validators: Any) -> Any:
    return attrs.field(default=default, validator=validators or None, metadata={"help": help})


@attrs.frozen
class PictureChoices:
    """For sources of pictures: how levels of 8 bits become events in three splits. To inherit from."""

    view: Literal["auto", "grey", "colour", "binary"] = _option(
        "auto", "what is modelled; auto: colour where a picture has any; binary: whether a grey is at least the threshold"
    )
    threshold: int = _option(128, "the lowest grey that is 1 in the binary view", ge(1), le(255))
    dequantise: bool = _option(
        False, "legacy, as in 2015: spread each level evenly over its width, and model a density instead of probabilities"
    )
    labels: bool = _option(False, "tell the network which class a picture is of")
    validation_share: float = _option(0.1, "share of the pictures (of files, where these are cut) in the validation split", gt(0))
    test_share: float = _option(0.2, "share of those in the test split, where no file of its own holds it", gt(0))
    split_seed: int = _option(0, "fixes what is in which split, and where patches are cut", ge(0))

    def __attrs_post_init__(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise ValueError(
                f"validation_share and test_share: expected at most 0.8 together, got {self.validation_share} and {self.test_share}"
            )
        if self.dequantise and self.view == "binary":
            raise ValueError('dequantise: expected false where view = "binary": bits have no width')


@attrs.frozen
class CutChoices(PictureChoices):
    """For sources of pictures of any size. To inherit from."""

    size: int = _option(32, "height and width of an event in pixels", ge(1))
    patches: int = _option(16, "patches cut from each picture, at random places", ge(1))
