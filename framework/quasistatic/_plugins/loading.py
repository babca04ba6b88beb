"""One plugin: loading it alone, and what it offers.

A plugin's import and its hooks may do anything: each gets a state and a reason, and what it does reaches no other.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any, Literal

import attrs
import pluggy

from quasistatic._plugins import hooks
from quasistatic._plugins.component import Command, Component, NamedRecipe
from quasistatic._plugins.flags import jax_flags_kept
from quasistatic._plugins.kind import KINDS, RESERVED, Kind
from quasistatic.errors import close_match, one_line

PREFIX = "quasistatic_"  # of every hook

PluginState = Literal["loaded", "blocked", "broken", "conflict", "incompatible"]
Value = Component | Command | NamedRecipe | Kind
Load = Callable[[], Any]

_RETURNS: dict[str, type] = {
    "quasistatic_kinds": Kind,
    "quasistatic_components": Component,
    "quasistatic_observers": Component,
    "quasistatic_commands": Command,
    "quasistatic_recipes": NamedRecipe,
}


@attrs.frozen
class PluginStatus:
    """What became of one plugin.

    `provides` lists 'kernel gaussian', 'command bench', 'recipe swiss-roll', as far as known if it is not loaded;
    `seconds` is what loading took, `imports` the packages of others that it was the first to import. `is_built_in` is true of
    those that lie beside this very package, whatever a distribution calls itself.
    """

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    state: PluginState = "loaded"
    reason: str = ""
    provides: tuple[str, ...] = ()
    seconds: float = 0.0
    imports: tuple[str, ...] = ()
    is_built_in: bool = False

    @property
    def source(self) -> str:
        """acme-kernels 0.1, or the module where no distribution is known."""
        return f"{self.distribution} {self.version}".strip() or f"module {self.module}"

    @property
    def owner(self) -> str:
        """'acme' (acme-kernels 0.1)"""
        return f"{self.name!r} ({self.source})"

    @property
    def qualified(self) -> str:
        """distribution:name, which is unique."""
        return f"{self.distribution}:{self.name}" if self.distribution else self.name

    @property
    def usable(self) -> bool:
        return self.state in ("loaded", "conflict")

    def __str__(self) -> str:
        return f"plugin {self.owner} is {self.state}" + (f": {self.reason}" if self.reason else "")


class Refused(Exception):
    """A plugin that cannot be taken, and why."""

    def __init__(self, reason: str, state: PluginState = "broken"):
        super().__init__(reason)
        self.state = state


@attrs.frozen
class Offer:
    """Something that a plugin provides; `kind` is that of the component, or 'command', 'recipe' or 'kind'."""

    kind: str
    name: str
    value: Value

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


def load(status: PluginStatus, point: Load) -> tuple[PluginStatus, list[Offer]]:
    """Load one plugin: its status, and what it offers, as far as it got."""
    start, before = time.perf_counter(), set(sys.modules)
    offers: list[Offer] = []
    state: PluginState = "loaded"
    reason = ""
    interrupted: list[int] = []
    try:
        with _contained(interrupted):
            for offer in _gather(point()):
                if any(offer.label == other.label for other in offers):
                    raise Refused(f"it offers {offer.kind} {offer.name!r} twice")
                offers.append(offer)
    except Refused as refused:
        state, reason = refused.state, str(refused)
    except SystemExit as error:
        state, reason = "broken", f"it tried to end the program ({one_line(error)})"
    except BaseException as error:  # those of test frameworks are no Exception
        if interrupted:  # by a person, not by the plugin
            raise
        state, reason = "broken", one_line(error)
    found = attrs.evolve(
        status,
        state=state,
        reason=reason,
        provides=tuple(offer.label for offer in offers),
        seconds=time.perf_counter() - start,
        imports=_packages(set(sys.modules) - before, status.module),
    )
    return found, offers


@contextlib.contextmanager
def _contained(interrupted: list[int]) -> Iterator[None]:
    """Loading leaves the process as it was: a plugin that moves it is refused. What it prints goes to stderr.

    Signals that really came are added to `interrupted`.
    """
    folder, end = _working_folder(), sys.exit
    moved: list[str] = []
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
            jax_flags_kept(moved),
            _noticing(interrupted, moved),
        ):
            yield
    finally:
        if folder and _working_folder() != folder:
            os.chdir(folder)
            moved.append("the working folder")
        if getattr(sys, "exit", None) is not end:
            sys.exit = end
            moved.append("sys.exit")
    if moved:
        raise Refused(f"it changed {' and '.join(moved)} of the whole program")


@contextlib.contextmanager
def _noticing(interrupted: list[int], moved: list[str]) -> Iterator[None]:
    """Ctrl-C still interrupts, and is distinguished from a KeyboardInterrupt that a plugin raises."""
    if threading.current_thread() is not threading.main_thread():  # no signal comes here
        yield
        return

    def receive(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, receive)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not receive:
            moved.append("what Ctrl-C does")
        signal.signal(signal.SIGINT, before)


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed meanwhile
        return ""


def _packages(modules: Collection[str], own: str) -> tuple[str, ...]:
    """The top-level packages among modules that are neither Python's, nor quasistatic's, nor the plugin's own."""
    known = {*sys.stdlib_module_names, "quasistatic", own.partition(":")[0].partition(".")[0]}
    packages = {name.partition(".")[0] for name in modules}
    return tuple(sorted(name for name in packages - known if not name.startswith("_")))


def _gather(plugin: Any) -> Iterator[Offer]:
    """What a loaded plugin offers; Refused if its hooks are not those of this program."""
    host = pluggy.PluginManager("quasistatic")  # one for each plugin: nothing it does reaches another
    host.add_hookspecs(hooks)
    try:
        host.register(plugin)
    except pluggy.PluginValidationError as error:
        raise Refused(" ".join(str(error).split("\n", 1)[-1].split())) from error
    _check_names(plugin, host)
    for hook, expected in _RETURNS.items():
        for implementation in getattr(host.hook, hook).get_hookimpls():
            values = implementation.function()
            if not isinstance(values, list | tuple) or not all(isinstance(value, expected) for value in values):
                wanted = f"a list of quasistatic.{expected.__name__}"
                raise Refused(f"{hook} must return {wanted}, it returned {values!r:.100}")
            for value in values:
                kind = {Command: "command", NamedRecipe: "recipe", Kind: "kind"}.get(expected) or value.kind
                if expected is Kind and value.name in (*KINDS, *RESERVED):
                    raise Refused(f"the name of its kind {value.name!r} is taken by quasistatic")
                if expected is Kind and value.section == "required":
                    raise Refused(f"its kind {value.name!r} is required, which recipes of others do not know")
                if (kind == "observer") != (hook == "quasistatic_observers"):
                    raise Refused(f"{hook} returned a component of kind {kind!r}")
                if not isinstance(value.summary, str):  # one that raises does so here, not in a list of all plugins
                    raise Refused(f"the summary of {kind} {value.name!r} is no text")
                yield Offer(kind, value.name, value)


def _check_names(plugin: Any, host: pluggy.PluginManager) -> None:
    """Hooks that are misspelt, not marked, or of another version."""
    callers = host.get_hookcallers(plugin) or ()
    marked = {caller.name for caller in callers if not all(each.optionalhook for each in caller.get_hookimpls())}
    named = [name for name in dir(plugin) if name.startswith(PREFIX)]
    functions = {name for name in named if inspect.isroutine(getattr(plugin, name))}
    for name in sorted((functions & set(_RETURNS)) - marked):
        raise Refused(f"{name} is not marked with @quasistatic.hookimpl")
    for name in sorted((functions | marked) - set(_RETURNS)):
        if match := close_match(name.removeprefix(PREFIX), [hook.removeprefix(PREFIX) for hook in _RETURNS]):
            raise Refused(f"there is no hook {name}; did you mean {PREFIX}{match}?")
        if name in marked:
            raise Refused(f"this version of quasistatic has no hook {name}", "incompatible")
    if not callers:
        raise Refused("it implements no hook of quasistatic")
