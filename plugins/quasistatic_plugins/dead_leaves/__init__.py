"""Dead leaves: pictures of discs that cover one another, as leaves on the ground do."""

from __future__ import annotations

import math
from typing import Any

import attrs
from attrs.validators import ge, gt

import quasistatic as qs


def _finite(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{attribute.name}: expected a finite number, got {value}")


@attrs.frozen
class DeadLeavesOptions(qs.SplitOptions):
    """Square pictures of occluding discs, each of one grey: edges and sizes as in photographs, as many as are wanted."""

    validation_events: int = qs.option(500, "pictures of the validation split", ge(1))
    test_events: int = qs.option(1_000, "pictures of the test split", ge(1))
    size: int = qs.option(32, "height and width in pixels", ge(1))
    smallest: float = qs.option(2.0, "radius of the smallest discs, in pixels", _finite, gt(0))
    largest: float = qs.option(16.0, "radius of the largest discs, in pixels", _finite, gt(0))
    exponent: float = qs.option(3.0, "radii have a density that falls as radius to the power of minus this", _finite)
    noise: float = qs.option(0.1, "deviation of normal noise, where that of the greys is 1; 0 has no density", _finite, ge(0))

    def __attrs_post_init__(self) -> None:
        if self.largest <= self.smallest:
            raise ValueError(f"largest: expected more than smallest = {self.smallest}, got {self.largest}")


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "source",
            "dead-leaves",
            DeadLeavesOptions,
            build="quasistatic_plugins.dead_leaves.source:DeadLeaves",
            references=(
                "Lee, Mumford & Huang 2001, Occlusion models for natural images (International Journal of Computer Vision 41)",
                "Sohl-Dickstein et al. 2015, section 3.2.2",
            ),
        )
    ]
