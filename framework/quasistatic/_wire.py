"""From a recipe to the things it names, or one message that says which two choices do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._grid import AbstractGrid, FixedGrid, LearnedGrid
from quasistatic._kernel import AbstractKernel
from quasistatic._keys import Role, role_key
from quasistatic._model import AbstractModel, Ports
from quasistatic._objective import AbstractObjective
from quasistatic._sampler import AbstractSampler
from quasistatic._source import AbstractSource
from quasistatic.errors import IncompatibleError, InputError

if TYPE_CHECKING:
    from quasistatic._plugins import PluginManager
    from quasistatic._recipe import Choice, Recipe


@attrs.frozen(eq=False)
class Wired:
    """Everything that a recipe names, built; `diffusion` is fresh, as the seed makes it."""

    recipe: Recipe
    source: AbstractSource
    diffusion: Diffusion
    objective: AbstractObjective
    sampler: AbstractSampler


def wire(recipe: Recipe, manager: PluginManager, data: np.ndarray | None = None) -> Wired:
    """Build all components of a recipe. `data` (N, *event) takes the place of its source.

    Raises IncompatibleError where two choices do not fit, InputError where a component refuses its options.
    """
    source = _source(recipe, manager, data)
    kernel = _kernel(recipe, manager, source)
    ports = Ports(kernel.event.shape, kernel.features, kernel.params, kernel.event.given)
    model = _build("model", recipe.model, ports, role_key(recipe.seed, Role.INIT), expect=AbstractModel)
    grid = _grid(recipe, kernel)
    return Wired(
        recipe,
        source,
        Diffusion(kernel, model, grid, recipe.trajectory.first_step),
        _build("objective", recipe.objective, expect=AbstractObjective),
        _build("sampler", recipe.sampler, expect=AbstractSampler),
    )


def _build(section: str, choice: Choice, *inputs: Any, expect: type) -> Any:
    try:
        built = choice.component.load()(choice.options, *inputs)
    except ValueError as error:
        raise InputError(f"{section} {choice.component.name!r}: {error}") from error
    if not isinstance(built, expect):
        raise InputError(
            f"{section} {choice.component.name!r}: its build gave a {type(built).__name__}, "
            f"expected a {expect.__name__}"
        )
    return built


def _source(recipe: Recipe, manager: PluginManager, data: np.ndarray | None) -> AbstractSource:
    if data is None:
        return _build("source", recipe.source, expect=AbstractSource)
    array = manager.component("source", "array")
    options = recipe.source.options if recipe.source.component.name == "array" else array.options()
    return array.load()(options, data)


def _kernel(recipe: Recipe, manager: PluginManager, source: AbstractSource) -> AbstractKernel:
    component, event = recipe.kernel.component, source.event
    if component.fits and event.support not in component.fits:
        fitting = [c.name for c in manager.components("kernel") if not c.fits or event.support in c.fits]
        raise IncompatibleError(
            f"kernel {component.name!r} takes {' or '.join(component.fits)} data, "
            f"but source {recipe.source.component.name!r} gives {event.describe()}; "
            + (
                f"kernels that fit: {', '.join(fitting)} (--set kernel.use={fitting[0]})"
                if fitting
                else "no kernel fits"
            )
        )
    return _build("kernel", recipe.kernel, event, expect=AbstractKernel)


def _grid(recipe: Recipe, kernel: AbstractKernel) -> AbstractGrid:
    steps = recipe.trajectory.steps
    if recipe.trajectory.grid == "fixed":
        return FixedGrid(steps)
    if steps < 3:
        raise IncompatibleError(f"trajectory.grid: a learned grid needs at least 3 steps, trajectory.steps is {steps}")
    return LearnedGrid(kernel, steps)
