"""Finding plugins, loading each alone, and knowing who offers what.

A bad plugin never stops the program: it gets a state and a reason, and only using what it should have provided is an error.
"""

from __future__ import annotations

import functools
import inspect
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from importlib import metadata
from typing import Any, Literal

import attrs
import pluggy

from quasistatic import _hooks
from quasistatic._component import KINDS, Command, Component, NamedRecipe
from quasistatic._suggest import close_match, did_you_mean
from quasistatic.errors import ComponentConflict, ComponentNotFound, PluginError

GROUP = "quasistatic"
RESERVED_COMMANDS = (
    "run", "train", "resume", "sample", "evaluate", "plugins", "show", "recipes", "config", "check",
)  # fmt: skip

State = Literal["loaded", "blocked", "broken", "conflict", "incompatible"]
Value = Component | Command | NamedRecipe

_RETURNS: dict[str, type] = {
    "quasistatic_components": Component,
    "quasistatic_observers": Component,
    "quasistatic_commands": Command,
    "quasistatic_recipes": NamedRecipe,
}


@attrs.frozen
class PluginStatus:
    """What became of one plugin.

    `provides` lists 'kernel gaussian', 'command bench', 'recipe swiss-roll'; of a plugin that is not loaded, as far as known.
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
class _Offer:
    kind: str
    name: str
    value: Value
    plugin: int  # index of its owner's status

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


class PluginManager:
    """The installed plugins, plus `modules`, minus `blocked` and those named in the variable QUASISTATIC_DISABLE.

    A plugin is blocked by its name, or by 'distribution:name' where two share one. What is asked for by hand must work:
    PluginError if one of `modules` cannot be loaded or no plugin has a name in `blocked`.
    """

    def __init__(self, modules: Sequence[str] = (), blocked: Collection[str] = ()):
        found = sorted(_installed(), key=lambda pair: (pair[0].name, pair[0].distribution))
        installed = {status.module for status, _ in found}
        found += [(PluginStatus(name, name), _point(name)) for name in dict.fromkeys(modules) if name not in installed]
        names = {name for status, _ in found for name in (status.name, status.qualified)}
        for name in blocked:
            if name not in names:
                raise PluginError(f"no plugin is called {name!r}{did_you_mean(name, names)}  (quasistatic plugins lists all)")
        disabled = os.environ.get("QUASISTATIC_DISABLE", "").split(",")
        unwanted = {*blocked, *(name.strip() for name in disabled)}
        self._statuses: list[PluginStatus] = []
        self._offers: dict[tuple[str, str], list[_Offer]] = {}
        for status, point in found:
            if unwanted & {status.name, status.qualified}:
                self._statuses.append(attrs.evolve(status, state="blocked", reason="by --no-plugin or QUASISTATIC_DISABLE"))
            else:
                self._add(status, point)
        self._mark_conflicts()
        for status in self._statuses:
            if status.module in modules and status.state in ("broken", "incompatible"):
                raise PluginError(str(status))

    def statuses(self) -> tuple[PluginStatus, ...]:
        """All plugins, whatever became of them, by name."""
        return tuple(self._statuses)

    def component(self, kind: str, name: str) -> Component:
        """The component of this kind and name.

        Raises ComponentNotFound, ComponentConflict where two plugins offer it, PluginError where the plugin that should have
        provided it is broken or blocked.
        """
        return self._find(kind, name).value  # type: ignore[return-value]

    def command(self, name: str) -> Command:
        """A plugin's command; raises like `component`."""
        return self._find("command", name).value  # type: ignore[return-value]

    def recipe(self, name: str) -> NamedRecipe:
        """A named recipe; raises like `component`."""
        return self._find("recipe", name).value  # type: ignore[return-value]

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """All components that can be used, by kind and name; of one kind if given."""
        return tuple(value for each in KINDS if kind in (None, each) for value in self._values(each))

    def commands(self) -> tuple[Command, ...]:
        """The plugins' commands that can be used, by name."""
        return tuple(self._values("command"))

    def recipes(self) -> tuple[NamedRecipe, ...]:
        """The recipes that can be used, by name."""
        return tuple(self._values("recipe"))

    def owner(self, kind: str, name: str) -> PluginStatus:
        """The plugin that provides this; `kind` may also be 'command' or 'recipe'. Raises like `component`."""
        return self._statuses[self._find(kind, name).plugin]

    def provided_by(self, plugin: str) -> tuple[Component, ...]:
        """All components of one plugin, named as in `blocked`. Raises PluginError if it is unknown or not loaded."""
        matches = [i for i, status in enumerate(self._statuses) if plugin in (status.name, status.qualified)]
        if not matches:
            names = [status.name for status in self._statuses]
            raise PluginError(
                f"no plugin is called {plugin!r}{did_you_mean(plugin, names)}  (quasistatic plugins lists all)"
            )
        for i in matches:
            if not self._statuses[i].usable:
                raise PluginError(str(self._statuses[i]))
        offers = (offer for offers in self._offers.values() for offer in offers if offer.plugin in matches)
        return tuple(offer.value for offer in offers if isinstance(offer.value, Component))

    def _add(self, status: PluginStatus, point: Callable[[], Any]) -> None:
        start = time.perf_counter()
        offers: list[_Offer] = []
        state: State = "loaded"
        reason = ""
        try:
            for offer in _gather(point(), len(self._statuses)):
                if any(offer.label == other.label for other in offers):
                    raise _Refused(f"it offers {offer.kind} {offer.name!r} twice")
                offers.append(offer)
        except _Refused as refused:
            state, reason = refused.state, str(refused)
        except (Exception, SystemExit) as error:  # a plugin's import or hook may do anything
            state, reason = "broken", _said(error)
        seconds = time.perf_counter() - start
        provides = tuple(offer.label for offer in offers)
        self._statuses.append(
            attrs.evolve(status, state=state, reason=reason, provides=provides, seconds=seconds)
        )
        if state == "loaded":
            for offer in offers:
                self._offers.setdefault((offer.kind, offer.name), []).append(offer)

    def _mark_conflicts(self) -> None:
        for name in RESERVED_COMMANDS:
            for offer in self._offers.pop(("command", name), []):
                self._conflict(offer, f"command {name!r} is built in")
        for offers in self._offers.values():
            for offer in offers:
                others = [self._statuses[other.plugin].owner for other in offers if other is not offer]
                if others:
                    self._conflict(offer, f"{offer.kind} {offer.name!r} is also offered by {' and '.join(others)}")

    def _conflict(self, offer: _Offer, reason: str) -> None:
        status = self._statuses[offer.plugin]
        reasons = "; ".join(filter(None, (status.reason, reason)))
        self._statuses[offer.plugin] = attrs.evolve(status, state="conflict", reason=reasons)

    def _values(self, kind: str) -> list[Any]:
        names = sorted(name for (each, name), offers in self._offers.items() if each == kind and len(offers) == 1)
        return [self._offers[kind, name][0].value for name in names]

    def _find(self, kind: str, name: str) -> _Offer:
        offers = self._offers.get((kind, name), [])
        if len(offers) == 1:
            return offers[0]
        if offers:
            raise ComponentConflict(self._conflict_message(kind, name, [self._statuses[offer.plugin] for offer in offers]))
        missing = [status for status in self._statuses if not status.usable]
        for status in missing:
            if f"{kind} {name}" in status.provides or (not status.provides and status.name == name):
                raise PluginError(f"{kind} {name!r} is not available: {status}")
        known = sorted(each for of, each in self._offers if of == kind)
        absent = f"; not loaded: {', '.join(status.name for status in missing)}" if missing else ""
        raise ComponentNotFound(
            f"no {kind} is called {name!r}{did_you_mean(name, known)}  "
            f"(known: {', '.join(known) or 'none'}; quasistatic plugins lists all{absent})"
        )

    def _conflict_message(self, kind: str, name: str, owners: list[PluginStatus]) -> str:
        distinct = len({status.name for status in owners}) == len(owners)
        offered = " and ".join(status.owner for status in owners)
        choices = " or ".join(f"--no-plugin {status.name if distinct else status.qualified}" for status in owners)
        return f"{kind} {name!r} is offered by both {offered}; block one with {choices}"


@functools.cache
def plugins() -> PluginManager:
    """The plugins of this process, loaded when first asked for."""
    return PluginManager()


def _point(module: str) -> Callable[[], Any]:
    return metadata.EntryPoint(name=module, value=module, group=GROUP).load


def _installed() -> Iterator[tuple[PluginStatus, Callable[[], Any]]]:
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


def _points_one_by_one() -> tuple[list[metadata.EntryPoint], list[tuple[PluginStatus, Callable[[], Any]]]]:
    """The entry points of the distributions that can be read, and the distributions that cannot."""
    points: list[metadata.EntryPoint] = []
    damaged: list[tuple[PluginStatus, Callable[[], Any]]] = []
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
    described = distribution.metadata if distribution else {}
    return tuple(described[key] if key in described else "" for key in ("Name", "Version"))  # type: ignore[return-value]


def _gather(plugin: Any, index: int) -> Iterator[_Offer]:
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
                raise _Refused(f"{hook} must return a list of quasistatic.{expected.__name__}, it returned {values!r:.100}")
            for value in values:
                kind = {Command: "command", NamedRecipe: "recipe"}.get(expected) or value.kind
                if (kind == "observer") != (hook == "quasistatic_observers"):
                    raise _Refused(f"{hook} returned a component of kind {kind!r}")
                yield _Offer(kind, value.name, value, index)


def _check_names(plugin: Any, host: pluggy.PluginManager) -> None:
    marked = {caller.name for caller in host.get_hookcallers(plugin) or ()}
    for name, _ in inspect.getmembers(plugin, inspect.isroutine):
        if not name.startswith("quasistatic_"):
            continue
        if name in _RETURNS and name not in marked:
            raise _Refused(f"{name} is not marked with @quasistatic.hookimpl")
        match = None if name in _RETURNS else close_match(name, _RETURNS)
        if match:
            raise _Refused(f"there is no hook {name}; did you mean {match}?")
        if name in marked - set(_RETURNS):
            raise _Refused(f"this version of quasistatic has no hook {name}", "incompatible")


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it tried to end the program (SystemExit: {error.code})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
