"""Rows of numbers and categories, and the recipe that learns them. Nothing heavy is imported until the source is built."""

import attrs

import quasistatic as qs


@attrs.frozen
class OrdersOptions(qs.SplitOptions):
    """Orders of a shop: what kind of thing, how it is sent, its price and its weight; density and entropy known."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("source", "orders", OrdersOptions, "quasistatic_tabular.source:Orders")]


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    return [qs.NamedRecipe("orders", "quasistatic_tabular", "orders.toml", "rows of numbers and categories, T = 100")]
