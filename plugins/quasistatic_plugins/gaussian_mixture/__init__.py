"""Mixtures of round Gaussians, with a known density."""

from __future__ import annotations

import math

import attrs

import quasistatic as qs


def _means(_instance: object, _attribute: object, value: tuple[tuple[float, ...], ...]) -> None:
    lengths = {len(mean) for mean in value}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"must be lists of the same length, at least 1, got {[list(mean) for mean in value]}")


def _positive(_instance: object, _attribute: object, value: tuple[float, ...]) -> None:
    if not all(weight > 0 and math.isfinite(weight) for weight in value):
        raise ValueError(f"must be positive, got {list(value)}")


@attrs.frozen
class GaussianMixtureOptions(qs.SplitOptions):
    """Round bumps of one width at chosen places, in any number of dimensions."""

    means: tuple[tuple[float, ...], ...] = qs.option(((-2.0,), (2.0,)), "where the bumps are, before scaling", _means)
    deviation: float = qs.option(0.5, "standard deviation of every bump, before scaling", attrs.validators.gt(0))
    weights: tuple[float, ...] = qs.option((), "relative weights of the bumps; empty: all equal", _positive)

    def __attrs_post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.means):
            raise ValueError(f"weights: expected {len(self.means)}, one for each of means, got {len(self.weights)}")


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "source",
            "gaussian-mixture",
            GaussianMixtureOptions,
            build="quasistatic_plugins.gaussian_mixture.source:GaussianMixture",
        )
    ]
