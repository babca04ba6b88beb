"""The 8x8 handwritten digits of scikit-learn: small, real images."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class DigitsOptions:
    """1,797 handwritten digits, 8x8 pixels, in black and white or in 17 levels of grey (needs quasistatic[data])."""

    view: Literal["binary", "grey"] = qs.option("binary", "ink is a level of at least 8; or the levels 0 to 16 themselves")
    labels: bool = qs.option(False, "give the network the digit")
    augment: bool = qs.option(False, "shift half of the training images by up to a pixel, and move the threshold of ink")
    split_seed: int = qs.option(0, "fixes which images are in which split", attrs.validators.ge(0))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "source",
            "digits",
            DigitsOptions,
            build="quasistatic_plugins.digits.source:build",
            references=("Alpaydin & Kaynak 1998, Optical recognition of handwritten digits (UCI), as in scikit-learn",),
        )
    ]
