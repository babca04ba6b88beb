"""A convolutional network for images and sequences."""

from __future__ import annotations

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)
at_most = attrs.validators.le(1000)  # layers: each is built and compiled for itself


def _widths(_instance: object, _attribute: object, value: tuple[int, ...]) -> None:
    if not value or min(value) < 1:
        raise ValueError(f"expected channels of at least one level, each at least 1, got {list(value)}")


@attrs.frozen
class ConvolutionalOptions:
    """A small U-Net for images of any size: residual blocks on several levels, each of half the resolution.

    For a sequence, an event with one axis, the levels are a stack, on each of which a block looks twice as far. Channels are
    normalised in groups, then scaled and shifted as time and side information want it.
    """

    widths: tuple[int, ...] = qs.option(
        (32, 64, 64), "channels of each level, from full resolution or the nearest places on", _widths
    )
    blocks: int = qs.option(
        1, "residual blocks of a level; of images on the way down and again on the way up", at_least_one, at_most
    )
    attention: bool = qs.option(True, "at the last level every place also looks at all others")
    dropout: float = qs.option(
        0.0, "share of units in a block silenced in training", attrs.validators.ge(0), attrs.validators.lt(1)
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "model",
            "convolutional",
            ConvolutionalOptions,
            build="quasistatic_plugins.convolutional.stack:build",
            references=(
                "Ronneberger et al. 2015 (U-Net)",
                "Ho et al. 2020, appendix B",
                "van den Oord et al. 2016 (taps further apart)",
            ),
        )
    ]
