"""All plugins together: who offers what, and the message where no plugin does, or two do.

A bad plugin never stops the program; only using what it should have provided is an error.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from quasistatic._plugins.commands import BUILT_IN
from quasistatic._plugins.component import Command, Component, NamedRecipe
from quasistatic._plugins.installed import installed, module_point
from quasistatic._plugins.kind import KINDS, Kind
from quasistatic._plugins.loading import PluginStatus, load
from quasistatic._process.event import AbstractEvent
from quasistatic.errors import ComponentConflict, ComponentNotFound, PluginError, did_you_mean


class PluginManager:
    """The installed plugins, plus `modules`, minus `blocked` and those named in the variable QUASISTATIC_DISABLE.

    With `only`, or else with names in the variable QUASISTATIC_ONLY, the plugins of other distributions are blocked
    unless named there; those of quasistatic itself and `modules` stay.
    A plugin is named by its name, or by 'distribution:name' where two share one. What the user names must work:
    PluginError if one of `modules` cannot be loaded or no plugin has a name that is given, in a variable too.

    `kinds` are those of components, by name, ours before those of plugins.
    """

    def __init__(self, modules: Sequence[str] = (), blocked: Collection[str] = (), only: Collection[str] = ()):
        found = sorted(installed(), key=lambda pair: (pair[0].name, pair[0].distribution))
        known = {status.module for status, _ in found}
        named = [name for name in dict.fromkeys(modules) if name not in known]
        found += [(PluginStatus(name, name), module_point(name)) for name in named]
        disabled, allowed = _listed("QUASISTATIC_DISABLE"), _listed("QUASISTATIC_ONLY")
        for where, names in (("", (*blocked, *only)), ("QUASISTATIC_DISABLE: ", disabled), ("QUASISTATIC_ONLY: ", allowed)):
            for name in sorted(names):
                _require(name, [status for status, _ in found], where)
        unwanted = {*blocked, *disabled}
        wanted = {*only} or allowed
        self._plugins: dict[str, PluginStatus] = {}  # by qualified name
        self._offers: dict[tuple[str, str], dict[str, Any]] = {}  # what each plugin offers under one kind and name
        for status, point in found:
            names = {status.name, status.qualified}
            stays = not wanted or status.is_built_in or status.module in modules
            if names & unwanted:
                status = _blocked(status, "by --no-plugin or QUASISTATIC_DISABLE")
            elif not stays and not names & wanted:
                status = _blocked(status, "not among those of --only-plugin or QUASISTATIC_ONLY")
            else:
                status, offers = load(status, point)
                for offer in offers if status.usable else ():
                    self._offers.setdefault((offer.kind, offer.name), {})[status.qualified] = offer.value
            self._plugins[status.qualified] = status
        self._refuse_unknown_kinds()
        self._mark_conflicts()
        self.kinds: Mapping[str, Kind] = KINDS | {kind.name: kind for kind in self._values("kind")}
        for status in self.statuses():
            if status.module in modules and status.state in ("broken", "incompatible"):
                raise PluginError(str(status))

    def statuses(self) -> tuple[PluginStatus, ...]:
        """All plugins, whatever became of them, by name."""
        return tuple(self._plugins.values())

    def component(self, kind: str, name: str) -> Component:
        """The component of this kind and name.

        Raises ComponentNotFound, ComponentConflict where two plugins offer it, PluginError where the plugin that should
        have provided it is broken or blocked.
        """
        return self._find(kind, name)[1]

    def kind(self, name: str) -> Kind:
        """The kind of this name, one of ours or of a plugin; raises like `component`."""
        return KINDS[name] if name in KINDS else self._find("kind", name)[1]

    def command(self, name: str) -> Command:
        """A plugin's command; raises like `component`."""
        return self._find("command", name)[1]

    def recipe(self, name: str) -> NamedRecipe:
        """A named recipe; raises like `component`."""
        return self._find("recipe", name)[1]

    def owner(self, kind: str, name: str) -> PluginStatus:
        """The plugin that provides this; `kind` may also be 'command', 'recipe' or 'kind'. Raises like `component`."""
        return self._plugins[self._find(kind, name)[0]]

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """All components that can be used, by kind and name; of one kind if given."""
        return tuple(value for each in self.kinds if kind in (None, each) for value in self._values(each))

    def default(self, kind: str, event: AbstractEvent | None = None) -> Component | None:
        """The component of this kind that is used where none is named; a kernel must take the event, if one is given.

        None where there is no such component, or several that could be meant.
        """
        fitting = [each for each in self.components(kind) if event is None or each.takes(event)]
        chosen = [each for each in fitting if each.is_default] or (fitting if event is not None else [])
        return chosen[0] if len(chosen) == 1 else None

    def commands(self) -> tuple[Command, ...]:
        """The plugins' commands that can be used, by name."""
        return self._values("command")

    def recipes(self) -> tuple[NamedRecipe, ...]:
        """The recipes that can be used, by name."""
        return self._values("recipe")

    def openers(self) -> tuple[NamedRecipe, ...]:
        """The recipes that open paths, in the order in which they are tried.

        Those that look inside come before those that go by an ending alone; then those of quasistatic before those of others,
        by the name of the plugin; then as their plugin has them.
        """
        found = [
            (self._plugins[owner], recipe)
            for (kind, _), offers in self._offers.items()
            if kind == "recipe" and len(offers) == 1
            for owner, recipe in offers.items()
            if recipe.opens or recipe.folder
        ]
        ordered = sorted(found, key=lambda pair: (pair[1].accepts is None, not pair[0].is_built_in))  # it keeps the order
        return tuple(recipe for _, recipe in ordered)

    def provided_by(self, plugin: str) -> tuple[Component | Command | NamedRecipe | Kind, ...]:
        """All that one plugin offers, named as in `blocked`. Raises PluginError if it is unknown or not loaded."""
        owners = _require(plugin, self.statuses())
        for status in owners:
            if not status.usable:
                raise PluginError(str(status))
        names = {status.qualified for status in owners}
        return tuple(value for offers in self._offers.values() for owner, value in offers.items() if owner in names)

    def _refuse_unknown_kinds(self) -> None:
        """A plugin with a component of a kind that no plugin brings is broken, and what it offers is gone."""
        known = (*KINDS, *(name for kind, name in self._offers if kind == "kind"))
        refused = {
            owner: value
            for offers in self._offers.values()
            for owner, value in offers.items()
            if isinstance(value, Component) and value.kind not in known
        }
        for owner, value in refused.items():
            hint = f"{did_you_mean(value.kind, known)}  (known: {', '.join(known)})"
            reason = f"no plugin brings the kind {value.kind!r} of its component {value.name!r}{hint}"
            self._plugins[owner] = attrs.evolve(self._plugins[owner], state="broken", reason=reason)
        if refused:
            kept = {key: {each: offers[each] for each in offers if each not in refused} for key, offers in self._offers.items()}
            self._offers = {key: offers for key, offers in kept.items() if offers}
            self._refuse_unknown_kinds()  # their own kinds are gone too

    def _mark_conflicts(self) -> None:
        for name in BUILT_IN:
            for owner in self._offers.pop(("command", name), ()):
                self._conflict(owner, f"command {name!r} is built in")
        for (kind, name), offers in self._offers.items():
            for owner in offers:
                others = [self._plugins[other].owner for other in offers if other != owner]
                if others:
                    self._conflict(owner, f"{kind} {name!r} is also offered by {' and '.join(others)}")

    def _conflict(self, owner: str, reason: str) -> None:
        status = self._plugins[owner]
        reasons = "; ".join(filter(None, (status.reason, reason)))
        self._plugins[owner] = attrs.evolve(status, state="conflict", reason=reasons)

    def _values(self, kind: str) -> tuple[Any, ...]:
        names = sorted(name for (each, name), offers in self._offers.items() if each == kind and len(offers) == 1)
        return tuple(value for name in names for value in self._offers[kind, name].values())

    def _find(self, kind: str, name: str) -> tuple[str, Any]:
        offers = self._offers.get((kind, name), {})
        if len(offers) > 1:
            raise ComponentConflict(_conflict_message(kind, name, [self._plugins[owner] for owner in offers]))
        for found in offers.items():
            return found
        missing = [status for status in self.statuses() if not status.usable]
        for status in missing:
            if f"{kind} {name}" in status.provides or (not status.provides and status.name == name):
                raise PluginError(f"{kind} {name!r} is not available: {status}")
        known = sorted(each for of, each in self._offers if of == kind)
        absent = f"; not loaded: {', '.join(status.name for status in missing)}" if missing else ""
        raise ComponentNotFound(
            f"no {kind} is called {name!r}{did_you_mean(name, known)}  "
            f"(known: {', '.join(known) or 'none'}; quasistatic plugins lists all{absent})"
        )


@functools.cache
def plugins() -> PluginManager:
    """The plugins of this process, loaded at their first use."""
    return PluginManager()


def _listed(variable: str) -> set[str]:
    """The names in a variable of the environment, parted by commas."""
    return {name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()}


def _blocked(status: PluginStatus, reason: str) -> PluginStatus:
    return attrs.evolve(status, state="blocked", reason=reason)


def _require(name: str, statuses: Collection[PluginStatus], where: str = "") -> list[PluginStatus]:
    """The plugins of this name, which was given in `where`."""
    found = [status for status in statuses if name in (status.name, status.qualified)]
    if not found:
        hint = did_you_mean(name, [status.name for status in statuses])
        raise PluginError(f"{where}no plugin is called {name!r}{hint}  (quasistatic plugins lists all)")
    return found


def _conflict_message(kind: str, name: str, owners: list[PluginStatus]) -> str:
    distinct = len({status.name for status in owners}) == len(owners)
    offered = " and ".join(status.owner for status in owners)
    choices = " or ".join(f"--no-plugin {status.name if distinct else status.qualified}" for status in owners)
    return f"{kind} {name!r} is offered by both {offered}; block one with {choices}"
