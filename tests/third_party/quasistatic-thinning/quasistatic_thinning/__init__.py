"""Photon thinning: a kernel for counts, a source to try it on, an observer and a command."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class ThinningOptions:
    """Lose photons one by one until only the dark current is left."""

    dark: float = qs.option(1.0, "mean count at equilibrium", attrs.validators.gt(0))
    schedule: Literal["erasure", "cosine"] = qs.option("erasure", "how survival falls with time")
    most: int = qs.option(64, "largest count whose probability is computed exactly", attrs.validators.ge(1))


@attrs.frozen
class PhotonsOptions(qs.SplitOptions):
    """Counts of several detectors that all see one lamp, which is dim or bright."""

    detectors: int = qs.option(4, "number of detectors", attrs.validators.ge(1))
    dim: float = qs.option(0.5, "mean count when dim", attrs.validators.gt(0))
    bright: float = qs.option(4.0, "mean count when bright", attrs.validators.gt(0))


@attrs.frozen
class TallyOptions:
    """Count the calls of an observer."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "kernel", "thinning", ThinningOptions, build="quasistatic_thinning.kernel:ThinningKernel", supports=(qs.Counts,)
        ),
        qs.Component("source", "photons", PhotonsOptions, build="quasistatic_thinning.source:Photons"),
    ]


@qs.hookimpl
def quasistatic_observers() -> list[qs.Component]:
    return [qs.Component("observer", "tally", TallyOptions, build="quasistatic_thinning.observer:Tally")]


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [qs.Command("photons", "Draw photon counts from the toy lamp.", "quasistatic_thinning.command:photons")]


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    return [qs.NamedRecipe("photons", "quasistatic_thinning", "photons.toml", "counts of a lamp that is dim or bright")]
