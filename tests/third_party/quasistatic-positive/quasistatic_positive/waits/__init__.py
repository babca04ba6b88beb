"""Data to try the kernel on, and a recipe."""

import attrs

import quasistatic as qs


@attrs.frozen
class WaitsOptions(qs.SplitOptions):
    """Two waiting times that go together, in three kinds: each log-normal given the kind, density known."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("source", "waits", WaitsOptions, "quasistatic_positive.waits.source:Waits")]


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    return [qs.NamedRecipe("waits", "quasistatic_positive.waits", "waits.toml", "two waiting times, T = 100")]
