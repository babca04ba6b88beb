"""Samplers by name, and which of them fit a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quasistatic._plugins.manager import PluginManager
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.sampler import AbstractSampler
from quasistatic._recipes.recipe import choose
from quasistatic._recipes.wire import fitting_sampler
from quasistatic.errors import QuasistaticError, RecipeError


def fitting_samplers(diffusion: Diffusion, manager: PluginManager) -> dict[str, AbstractSampler]:
    """All samplers that take this pair and whose options all have defaults, with these, by name."""
    found = {}
    for component in manager.components("sampler"):
        try:
            found[component.name] = fitting_sampler(choose("sampler", {"use": component.name}, manager), diffusion, manager)
        except QuasistaticError:
            continue
    return found


def sampler_for(
    diffusion: Diffusion, manager: PluginManager, name: str, options: Sequence[tuple[str, Any]] = ()
) -> AbstractSampler:
    """The sampler of this name, with options such as ("sampler.eta", 0.5).

    Raises RecipeError for options that it does not take, ComponentNotFound, and IncompatibleError where it does not take the pair.
    """
    wrong = [path for path, _ in options if not path.startswith("sampler.")]
    if wrong:
        raise RecipeError([f"{path}: only options of the sampler can be set here, such as sampler.eta=0.5" for path in wrong])
    section = {"use": name, **{path.removeprefix("sampler."): value for path, value in options}}
    return fitting_sampler(choose("sampler", section, manager), diffusion, manager)
