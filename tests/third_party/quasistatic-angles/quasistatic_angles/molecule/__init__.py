"""Data to try the kernel on, and a recipe."""

import attrs

import quasistatic as qs


@attrs.frozen
class AnglesOptions(qs.SplitOptions):
    """Two angles that go together, as those of a protein's backbone do: three bumps on the torus, density known."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("source", "angles", AnglesOptions, "quasistatic_angles.molecule.source:Angles")]


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    return [qs.NamedRecipe("angles", "quasistatic_angles.molecule", "angles.toml", "two angles of a molecule, T = 100")]
