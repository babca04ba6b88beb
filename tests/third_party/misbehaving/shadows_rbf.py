"""Takes the names of a built-in model and of a built-in recipe."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """Another model called rbf."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("model", "rbf", Options, build="shadows_rbf:build")]


@qs.hookimpl
def quasistatic_recipes():
    return [qs.NamedRecipe("heartbeat", "shadows_rbf", "none.toml", "Another recipe called heartbeat.")]
