"""Mixed events: a kind, a place and some bits, with a known truth."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class MixedOptions(qs.SplitOptions):
    """Things of five kinds; a thing's place in the plane and its three marks depend on its kind, by known probabilities."""

    spread: float = qs.option(0.35, "standard deviation of a place around that of its kind, before scaling", attrs.validators.gt(0))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("source", "mixed", MixedOptions, build="quasistatic_plugins.mixed.source:Mixed")]
