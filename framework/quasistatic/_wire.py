"""From a recipe to the things it names, or one message that says which two choices do not fit."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._grid import AbstractGrid, FixedGrid, LearnedGrid
from quasistatic._installed import ENTRY_POINTS
from quasistatic._kernel import AbstractKernel
from quasistatic._keys import Role, role_key
from quasistatic._model import AbstractModel, Ports
from quasistatic._objective import AbstractObjective
from quasistatic._observe import AbstractObserver, Watched
from quasistatic._sampler import AbstractSampler
from quasistatic._source import AbstractSource
from quasistatic.errors import IncompatibleError, InputError, PluginError, QuasistaticError, said

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
    build = functools.partial(_build, manager)
    source = _source(recipe, manager, data)
    kernel = _kernel(recipe, manager, source)
    ports = Ports(kernel.event.shape, kernel.features, kernel.params, kernel.event.given)
    model = build("model", recipe.model, ports, role_key(recipe.seed, Role.INIT), expect=AbstractModel)
    grid = _grid(recipe, kernel)
    return Wired(
        recipe,
        source,
        Diffusion(kernel, model, grid, recipe.trajectory.first_step),
        build("objective", recipe.objective, expect=AbstractObjective),
        build("sampler", recipe.sampler, expect=AbstractSampler),
    )


def wire_observer(choice: Choice, manager: PluginManager, out: Path | None, report: Callable[[str], None]) -> Watched:
    """An observer that cannot stop training, which says to `report` why it is switched off.

    Raises InputError where it refuses its options, PluginError where it cannot be built.
    """
    built = _build(manager, "observer", choice, out, expect=AbstractObserver)
    return Watched(built, _named(manager, "observer", choice), report)


def _named(manager: PluginManager, kind: str, choice: Choice) -> str:
    """"observer 'tally' of plugin 'thinning' (quasistatic-thinning 0.1.0)", for messages."""
    name = choice.component.name
    try:
        return f"{kind} {name!r} of plugin {manager.owner(kind, name).owner}"
    except QuasistaticError:  # made by hand
        return f"{kind} {name!r}"


def _build(manager: PluginManager, kind: str, choice: Choice, *inputs: Any, expect: type) -> Any:
    try:
        built = choice.component.load()(choice.options, *inputs)
    except (QuasistaticError, OSError):
        raise
    except ValueError as error:
        raise InputError(f"{kind} {choice.component.name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        # jax does not start beside a damaged distribution, whoever asks for it first
        damaged = "".join(f"; {status}" for status in manager.statuses() if status.module == ENTRY_POINTS)
        raise PluginError(f"{_named(manager, kind, choice)} cannot be built: {said(error)}{damaged}") from error
    if not isinstance(built, expect):
        raise PluginError(
            f"{_named(manager, kind, choice)}: its build gave a {type(built).__name__}, expected a {expect.__name__}"
        )
    return built


def _source(recipe: Recipe, manager: PluginManager, data: np.ndarray | None) -> AbstractSource:
    if data is None:
        return _build(manager, "source", recipe.source, expect=AbstractSource)
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
    return _build(manager, "kernel", recipe.kernel, event, expect=AbstractKernel)


def _grid(recipe: Recipe, kernel: AbstractKernel) -> AbstractGrid:
    steps = recipe.trajectory.steps
    if recipe.trajectory.grid == "fixed":
        return FixedGrid(steps)
    if steps < 3:
        raise IncompatibleError(f"trajectory.grid: a learned grid needs at least 3 steps, trajectory.steps is {steps}")
    return LearnedGrid(kernel, steps)
