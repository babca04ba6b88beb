"""The hooks of a plugin. The docstring of each is its manual."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from quasistatic._plugins.component import Command, Component, NamedRecipe
    from quasistatic._plugins.kind import Kind

hookspec = pluggy.HookspecMarker("quasistatic")
hookimpl = pluggy.HookimplMarker("quasistatic")


@hookspec
def quasistatic_components() -> list[Component]:  # type: ignore[empty-body]
    """Sources, kernels, models, objectives and samplers that recipes may name, potentials, and components of a plugin's own kind.

    Return a list of `Component`. Called once, when the plugin is loaded; import nothing heavy here.
    """


@hookspec
def quasistatic_observers() -> list[Component]:  # type: ignore[empty-body]
    """Observers of a training run that recipes may name in `training.observers`.

    Return a list of `Component` of kind 'observer'.
    """


@hookspec
def quasistatic_kinds() -> list[Kind]:  # type: ignore[empty-body]
    """Kinds of components of its own, which this plugin and others may then offer components of.

    Return a list of `Kind`. The names of the kinds of quasistatic are reserved.
    """


@hookspec
def quasistatic_commands() -> list[Command]:  # type: ignore[empty-body]
    """Commands for the command line. The names of built-in commands are reserved.

    Return a list of `Command`; its click command is imported when it is called. With `@click.pass_obj` it is
    handed the plugins of this call, a `PluginManager`.
    """


@hookspec
def quasistatic_recipes() -> list[NamedRecipe]:  # type: ignore[empty-body]
    """Recipes that can be run by name.

    Return a list of `NamedRecipe`, each a TOML file inside a package, with the endings of the data that it opens, if any.
    """
