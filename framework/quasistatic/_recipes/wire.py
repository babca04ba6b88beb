"""From a recipe to the things it names, or one message that says which two choices do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, overload

import attrs
import equinox as eqx
import jax
import numpy as np

from quasistatic._data.source import AbstractRefitting, AbstractSource, Kept, capability
from quasistatic._plugins.component import Component
from quasistatic._plugins.installed import ENTRY_POINTS
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._plugins.options import with_paths
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.event import AbstractEvent
from quasistatic._process.grid import AbstractGrid, FixedGrid, GivenGrid, LearnedGrid
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import AbstractModel, Ports, Side
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.sampler import AbstractSampler
from quasistatic._recipes.budget import refuse_costly
from quasistatic._recipes.options import structure
from quasistatic._recipes.recipe import Choice, Recipe
from quasistatic._recipes.room import refuse_large_events, refuse_larger
from quasistatic._storage.checkpoint import Room
from quasistatic._training.keys import Role, role_key
from quasistatic._training.observer import AbstractObserver, GuardedObserver
from quasistatic._training.task import Task
from quasistatic.errors import IncompatibleError, InputError, PluginError, QuasistaticError, one_line


def build_task(
    recipe: Recipe,
    manager: PluginManager,
    source: AbstractSource | None = None,
    measured: Mapping[str, np.ndarray] | None = None,
    room: Room | None = None,
) -> Task:
    """Build all components of a recipe, around this source, by default its own.

    `measured` is what the kernel of another run, or of one that is reopened, has measured of its data. `room` is what the
    checkpoints of a run that is reopened can hold: a network beyond it is not built.

    Raises CheckpointError for such a network, IncompatibleError where two choices do not fit or the recipe takes more memory than
    there is, InputError where a component refuses its options.
    """
    source = build_source(recipe, manager) if source is None else source
    _refuse_refit(recipe, source)
    _refuse_drop(recipe, source)
    key = role_key(recipe.seed, Role.INIT)
    kernel = _kernel(recipe.choices["kernel"], source.event, manager, f"source {recipe.choices['source'].component.name!r} gives")
    if measured is None:
        measured = kernel.measure(lambda name: source.split(name).x)
    kernel, absent = kernel.measured(measured), Side.absent(source.side)
    if absent is not None:
        kernel.given(absent.value)  # what it cannot do with, it refuses before anything is written
    ports = Ports.of(kernel, source.side)

    def network(key: Any) -> AbstractModel:
        return _build(manager, "model", recipe.choices["model"], ports, key=key)

    if room is not None:
        refuse_larger(recipe.choices["model"], network, key, room)
    refuse_costly(recipe, source.event, network, key)
    model = network(key)
    diffusion = Diffusion(kernel, model, _grid(recipe, kernel), recipe.trajectory.first_step, absent)
    return Task(
        source,
        diffusion,
        _build(manager, "objective", recipe.choices["objective"]),
        fitting_sampler(recipe.choices["sampler"], diffusion, manager),
        recipe.training,
        recipe.seed,
        recipe.to_dict(),
        measured,
    )


def build_source(recipe: Recipe, manager: PluginManager, data: Any = None, kept: Kept | None = None) -> AbstractSource:
    """The source of a recipe; of data in memory, or of what a run has kept of its data, where they are given.

    Raises IncompatibleError for data that it does not take from memory, and as `build_task`.
    """
    choice = recipe.choices["source"]
    if data is not None:
        if choice.component.from_data is None:
            takers = [each.name for each in manager.components("source") if each.from_data is not None]
            raise IncompatibleError(
                f"source {choice.component.name!r} takes no data from memory; "
                + (f"sources that do: {', '.join(takers)} (source.use)" if takers else "no source does")
            )
        return _build(manager, "source", choice, data, how=Component.load_from_data)
    if kept is not None and choice.component.restore is not None:
        # what stands in a run as a path is not followed: the places of its data are in `kept`
        choice = attrs.evolve(choice, options=with_paths(choice.options, ""))
        source = _build(manager, "source", choice, kept, how=Component.load_restore)
        refuse_large_events(source.event)
        return source
    return _build(manager, "source", choice)


def fitting_sampler(choice: Choice, diffusion: Diffusion, manager: PluginManager) -> AbstractSampler:
    """The sampler of a section. Raises IncompatibleError where it does not take the pair."""
    sampler = _build(manager, "sampler", choice)
    try:
        sampler.check(diffusion)
    except TypeError as error:
        raise IncompatibleError(f"sampler {choice.component.name!r}: {error}") from None
    return sampler


def _refuse_drop(recipe: Recipe, source: AbstractSource) -> None:
    """Raises IncompatibleError where there is no side information to leave out in training."""
    if recipe.training.drop_side > 0 and source.side is None:
        name = recipe.choices["source"].component.name
        raise IncompatibleError(f"training.drop_side: source {name!r} gives no side information to leave out; set it to 0")


def _refuse_refit(recipe: Recipe, source: AbstractSource) -> None:
    """Raises IncompatibleError where all rows are to be trained on, and the source cannot give them."""
    if recipe.training.refit and capability(source, AbstractRefitting) is None:
        name = recipe.choices["source"].component.name
        raise IncompatibleError(f"training.refit: source {name!r} cannot give the rows of all splits to train on; leave it out")


def count_parameters(model: Choice, event: AbstractEvent, manager: PluginManager) -> tuple[int, str]:
    """How many numbers a network trains for events like this, and the kernel for which: the usual one. Raises as `build_task`."""
    component = manager.component("kernel", next(iter(fitting_kernels(event, manager)), ""))
    kernel = _build(manager, "kernel", Choice(component, component.options()), event)
    built = _build(manager, "model", model, Ports.of(kernel), key=role_key(0, Role.INIT))
    return sum(leaf.size for leaf in jax.tree.leaves(built) if eqx.is_inexact_array(leaf)), component.name


def build_observer(
    choice: Choice, manager: PluginManager, out: Path | None, report: Callable[[str], None], quiet: bool = False
) -> GuardedObserver | None:
    """An observer that cannot stop training, which says to `report` why it is switched off; None for a display when quiet.

    Raises InputError where it refuses its options, PluginError where it cannot be built.
    """
    built = _build(manager, "observer", choice, out)
    if quiet and built.is_display:
        return None
    return GuardedObserver(built, _named(manager, "observer", choice.component), report)


@overload
def make(
    kind: Literal["source"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractSource: ...
@overload
def make(
    kind: Literal["kernel"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractKernel: ...
@overload
def make(
    kind: Literal["model"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractModel: ...
@overload
def make(
    kind: Literal["objective"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractObjective: ...
@overload
def make(
    kind: Literal["sampler"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractSampler: ...
@overload
def make(
    kind: Literal["observer"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractObserver: ...
@overload
def make(
    kind: Literal["potential"], name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any
) -> AbstractPotential: ...
@overload
def make(kind: str, name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any) -> Any: ...
def make(kind: str, name: str, *inputs: Any, key: Any = None, manager: PluginManager | None = None, **options: Any) -> Any:
    """Any installed component, by its kind and name, with its options as keywords, which are checked as a recipe's are.

    `inputs` are what its builder takes besides the options: an event for a kernel or a potential, ports (and `key`) for a model,
    a folder or None for an observer. Raises RecipeError for wrong options, IncompatibleError for an event that the kernel does not
    take, and what `load_recipe` and building raise.
    """
    manager = manager or plugins()
    component = manager.component(kind, name)
    choice = Choice(component, structure(component.options, options, f"{kind} {name}", owner=name))
    if kind == "kernel" and inputs and isinstance(inputs[0], AbstractEvent):
        _refuse_others(component, inputs[0], manager, "the event is")
    return _build(manager, kind, choice, *inputs, **({} if key is None else {"key": key}))


def _named(manager: PluginManager, kind: str, component: Component) -> str:
    """For messages, such as: observer 'tally' of plugin 'thinning' (quasistatic-thinning 0.1.0)."""
    try:
        return f"{kind} {component.name!r} of plugin {manager.owner(kind, component.name).owner}"
    except QuasistaticError:  # made by hand
        return f"{kind} {component.name!r}"


def _build(
    manager: PluginManager,
    kind: str,
    choice: Choice,
    *inputs: Any,
    how: Callable[[Component], Callable[..., Any]] = Component.load,
    **keywords: Any,
) -> Any:
    expected = manager.kind(kind).load()
    try:
        built = how(choice.component)(choice.options, *inputs, **keywords)
    except (QuasistaticError, OSError):
        raise
    except ValueError as error:
        raise InputError(f"{kind} {choice.component.name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        # jax does not start beside a damaged distribution, whoever asks for it first
        damaged = "".join(f"; {status}" for status in manager.statuses() if status.module == ENTRY_POINTS)
        raise PluginError(f"{_named(manager, kind, choice.component)} cannot be built: {one_line(error)}{damaged}") from error
    if not isinstance(built, expected):
        raise PluginError(
            f"{_named(manager, kind, choice.component)}: its build gave a {type(built).__name__}, expected a {expected.__name__}"
        )
    return built


def _kernel(choice: Choice, event: AbstractEvent, manager: PluginManager, giver: str) -> AbstractKernel:
    _refuse_others(choice.component, event, manager, giver)
    if not choice.component.joins:
        return _build(manager, "kernel", choice, event)
    return _build(manager, "kernel", choice, event, _parts(choice, event, manager))


def fitting_kernels(event: AbstractEvent, manager: PluginManager) -> list[str]:
    """The names of the kernels that take such events, the usual ones first."""
    takers = [each for each in manager.components("kernel") if each.takes(event)]
    return [each.name for each in sorted(takers, key=lambda each: not each.is_default)]


def _refuse_others(component: Component, event: AbstractEvent, manager: PluginManager, giver: str) -> None:
    """Raises IncompatibleError where a kernel does not take such events, with those that do."""
    if component.takes(event):
        return
    fitting = fitting_kernels(event, manager)
    wanted = "events of several parts" if component.joins else f"{_kinds(component)} data"
    raise IncompatibleError(
        f"kernel {component.name!r} takes {wanted}, but {giver} {event.describe()}; "
        + (f"kernels that fit: {', '.join(fitting)} (--set kernel.use={fitting[0]})" if fitting else "no kernel fits")
    )


def _kinds(component: Component) -> str:
    return " or ".join(kind.kind for kind in component.supports) or "single"


def _parts(choice: Choice, event: AbstractEvent, manager: PluginManager) -> Mapping[str, AbstractKernel]:
    """A kernel for each part. Raises as `_part_choices`."""
    fields, chosen = event.parts(), _part_choices(choice, event, manager)
    return {name: _kernel(part, fields[name], manager, f"part {name!r} is") for name, part in chosen.items()}


def _part_choices(choice: Choice, event: AbstractEvent, manager: PluginManager) -> dict[str, Choice]:
    """The kernel that is named for each part, or the one that fits. Raises IncompatibleError naming a part."""
    fields = event.parts()
    for name in choice.parts:
        if name not in fields:
            raise IncompatibleError(f"kernel.parts.{name}: the source has no such part  (it has: {', '.join(fields)})")
    chosen = {}
    for name, field in fields.items():
        default = manager.default("kernel", field)
        if name in choice.parts:
            chosen[name] = choice.parts[name]
        elif default is not None:
            chosen[name] = Choice(default, default.options())
        else:
            fitting = [each.name for each in manager.components("kernel") if each.takes(field)]
            which = f"several do: {', '.join(fitting)}; choose one with kernel.parts.{name}.use" if fitting else "no kernel does"
            raise IncompatibleError(f"kernel.parts.{name}: the part is {field.describe()}, and a kernel must fit it; {which}")
    return chosen


def components(recipe: Recipe, event: AbstractEvent, manager: PluginManager) -> list[Component]:
    """Every component of a run with such events, each once, kernels of parts and observers among them."""
    chosen, kernel = list(recipe.choices.values()), recipe.choices["kernel"]
    if kernel.component.joins:
        chosen += _part_choices(kernel, event, manager).values()
    return list({(each.component.kind, each.component.name): each.component for each in (*chosen, *recipe.observers)}.values())


def _grid(recipe: Recipe, kernel: AbstractKernel) -> AbstractGrid:
    steps, times = recipe.trajectory.steps, recipe.trajectory.times
    if kernel.is_sequential and (steps < kernel.event.size or recipe.trajectory.grid != "fixed"):
        raise IncompatibleError(
            f"trajectory: elements are destroyed one after another, which takes a fixed grid of at least as many steps as an event "
            f"has elements, {kernel.event.size}; got a {recipe.trajectory.grid} grid of trajectory.steps = {steps}"
        )
    if times:
        if recipe.trajectory.grid != "fixed" or len(times) != steps:
            found = f"a {recipe.trajectory.grid} grid of trajectory.steps = {steps} and {len(times)} times"
            raise IncompatibleError(f"trajectory.times: expected a fixed grid and as many times as trajectory.steps, got {found}")
        try:
            return GivenGrid(kernel, times)
        except ValueError as error:
            raise IncompatibleError(f"trajectory.{error}") from None
    if recipe.trajectory.grid == "fixed":
        return FixedGrid(steps)
    if steps < 3:
        raise IncompatibleError(f"trajectory.grid: a learned grid needs at least 3 steps, trajectory.steps is {steps}")
    return LearnedGrid(kernel, steps)
