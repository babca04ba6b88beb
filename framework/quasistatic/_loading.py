"""One plugin: finding it, loading it alone, and what it offers.

A plugin's import and its hooks may do anything: each gets a state and a reason, and what it does reaches no other.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Any, Literal

import attrs
import pluggy

from quasistatic import _hooks
from quasistatic._component import Command, Component, NamedRecipe
from quasistatic._suggest import close_match

GROUP = "quasistatic"
PREFIX = "quasistatic_"  # of every hook

State = Literal["loaded", "blocked", "broken", "conflict", "incompatible"]
Value = Component | Command | NamedRecipe
Load = Callable[[], Any]

_RETURNS: dict[str, type] = {
    "quasistatic_components": Component,
    "quasistatic_observers": Component,
    "quasistatic_commands": Command,
    "quasistatic_recipes": NamedRecipe,
}


@attrs.frozen
class PluginStatus:
    """What became of one plugin.

    `provides` lists 'kernel gaussian', 'command bench', 'recipe swiss-roll', as far as known if it is not loaded;
    `seconds` is what loading took.
    """

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    state: State = "loaded"
    reason: str = ""
    provides: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def owner(self) -> str:
        """'acme' (acme-kernels 0.1)"""
        source = f"{self.distribution} {self.version}".strip() or f"module {self.module}"
        return f"{self.name!r} ({source})"

    @property
    def qualified(self) -> str:
        """distribution:name, which is unique."""
        return f"{self.distribution}:{self.name}" if self.distribution else self.name

    @property
    def usable(self) -> bool:
        return self.state in ("loaded", "conflict")

    def __str__(self) -> str:
        return f"plugin {self.owner} is {self.state}" + (f": {self.reason}" if self.reason else "")


class _Refused(Exception):
    """A plugin that cannot be taken, and why."""

    def __init__(self, reason: str, state: State = "broken"):
        super().__init__(reason)
        self.state = state


@attrs.frozen
class Offer:
    """Something that a plugin provides; `kind` is that of the component, or 'command' or 'recipe'."""

    kind: str
    name: str
    value: Value

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


def module_point(module: str) -> Load:
    """How to load an importable module as a plugin."""
    return metadata.EntryPoint(name=module, value=module, group=GROUP).load


def installed() -> Iterator[tuple[PluginStatus, Load]]:
    """Every entry point of the group, with how to load it."""
    known: dict[Any, tuple[str, str]] = {}
    try:
        points: Iterable[metadata.EntryPoint] = metadata.entry_points(group=GROUP)
    except Exception:  # one damaged file stops the scan of all
        points, damaged = _points_one_by_one()
        yield from damaged
    for point in points:
        if point.dist not in known:
            known[point.dist] = _identity(point.dist)  # parses the whole metadata: once for each distribution
        yield PluginStatus(point.name, point.value, *known[point.dist]), point.load


def _points_one_by_one() -> tuple[list[metadata.EntryPoint], list[tuple[PluginStatus, Load]]]:
    """The entry points of the distributions that can be read, and the distributions that cannot."""
    points: list[metadata.EntryPoint] = []
    damaged: list[tuple[PluginStatus, Load]] = []
    for distribution in metadata.distributions():
        try:
            points += distribution.entry_points.select(group=GROUP)
        except Exception:
            name, version = _identity(distribution)
            damaged.append((PluginStatus(name, "entry_points.txt", name, version), _cannot_be_read))
    return points, damaged


def _cannot_be_read() -> None:
    raise _Refused("its entry_points.txt cannot be read")


def _identity(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Name and version of a distribution, empty where it does not say."""
    if distribution is None:
        return "", ""
    described = distribution.metadata
    name, version = (described[key] if key in described else "" for key in ("Name", "Version"))
    return name, version


def load(status: PluginStatus, point: Load) -> tuple[PluginStatus, list[Offer]]:
    """Load one plugin: what became of it, and what it offers, as far as it got."""
    start = time.perf_counter()
    offers: list[Offer] = []
    state: State = "loaded"
    reason = ""
    try:
        for offer in _gather(point()):
            if any(offer.label == other.label for other in offers):
                raise _Refused(f"it offers {offer.kind} {offer.name!r} twice")
            offers.append(offer)
    except _Refused as refused:
        state, reason = refused.state, str(refused)
    except (Exception, SystemExit) as error:
        state, reason = "broken", _said(error)
    seconds, provides = time.perf_counter() - start, tuple(offer.label for offer in offers)
    return attrs.evolve(status, state=state, reason=reason, provides=provides, seconds=seconds), offers


def _gather(plugin: Any) -> Iterator[Offer]:
    """What a loaded plugin offers; _Refused if its hooks are not those of this program."""
    host = pluggy.PluginManager("quasistatic")  # one for each plugin: nothing it does reaches another
    host.add_hookspecs(_hooks)
    try:
        host.register(plugin)
    except pluggy.PluginValidationError as error:
        raise _Refused(" ".join(str(error).split("\n", 1)[-1].split())) from error
    _check_names(plugin, host)
    for hook, expected in _RETURNS.items():
        for implementation in getattr(host.hook, hook).get_hookimpls():
            values = implementation.function()
            if not isinstance(values, list | tuple) or not all(isinstance(value, expected) for value in values):
                wanted = f"a list of quasistatic.{expected.__name__}"
                raise _Refused(f"{hook} must return {wanted}, it returned {values!r:.100}")
            for value in values:
                kind = {Command: "command", NamedRecipe: "recipe"}.get(expected) or value.kind
                if (kind == "observer") != (hook == "quasistatic_observers"):
                    raise _Refused(f"{hook} returned a component of kind {kind!r}")
                yield Offer(kind, value.name, value)


def _check_names(plugin: Any, host: pluggy.PluginManager) -> None:
    """Hooks that are misspelt, not marked, or of another version."""
    callers = host.get_hookcallers(plugin) or ()
    marked = {caller.name for caller in callers if not all(each.optionalhook for each in caller.get_hookimpls())}
    named = [name for name in dir(plugin) if name.startswith(PREFIX)]
    functions = {name for name in named if inspect.isroutine(getattr(plugin, name))}
    for name in sorted((functions & set(_RETURNS)) - marked):
        raise _Refused(f"{name} is not marked with @quasistatic.hookimpl")
    for name in sorted((functions | marked) - set(_RETURNS)):
        if match := close_match(name.removeprefix(PREFIX), [hook.removeprefix(PREFIX) for hook in _RETURNS]):
            raise _Refused(f"there is no hook {name}; did you mean {PREFIX}{match}?")
        if name in marked:
            raise _Refused(f"this version of quasistatic has no hook {name}", "incompatible")
    if not callers:
        raise _Refused("it implements no hook of quasistatic")


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it tried to end the program (SystemExit: {error.code})"
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}".removesuffix(": ")
