"""What a plugin hands over: plain values, light to import (no jax here)."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

KINDS = ("source", "kernel", "model", "objective", "sampler", "observer")


def _word(instance: object, attribute: attrs.Attribute, value: str) -> None:
    if not (isinstance(value, str) and re.fullmatch(r"\w[\w.-]*", value)):
        raise ValueError(f"{type(instance).__name__}.{attribute.name}: expected a word such as 'my-own', got {value!r}")


def _text(instance: object, attribute: attrs.Attribute, value: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{type(instance).__name__}.{attribute.name}: expected text, got {value!r}")


def _kind(_instance: object, _attribute: object, value: str) -> None:
    if value not in KINDS:
        raise ValueError(f"Component.kind: expected one of {', '.join(KINDS)}, got {value!r}")


def _options(_instance: object, _attribute: object, value: type) -> None:
    if not (isinstance(value, type) and attrs.has(value)):
        raise TypeError(f"Component.options: expected an attrs class, got {value!r}")
    if any(field.name == "use" for field in attrs.fields(value)):
        raise ValueError(f"Component.options: {value.__name__}.use has the name that a recipe's section uses itself")


def _reasons(_instance: object, _attribute: object, value: Mapping[str, str]) -> None:
    for law, reason in value.items():
        if not (isinstance(reason, str) and reason.strip()):
            raise ValueError(f"Component.exceptions: law {law!r} needs a written reason, got {reason!r}")


def _resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


@attrs.frozen
class Component:
    """One thing that can be named in a recipe.

    `options` is a frozen attrs class: its fields are the TOML keys, its `metadata={"help": ...}` their help, its
    docstring the summary. `build` is a callable or 'module:attribute', imported only when something is built. It is
    called as

    - source: `build(options)`
    - kernel: `build(options, event)`
    - model: `build(options, ports, key)`
    - objective, sampler: `build(options)`
    - observer: `build(options, out)`, where `out` is the run folder or None

    `fits` lists the supports of data that a kernel takes (empty: any). `exceptions` names the laws of `quasistatic check`
    that it may break, each with the reason in words.
    """

    kind: str = attrs.field(validator=_kind)
    name: str = attrs.field(validator=_word)
    options: type = attrs.field(validator=_options)
    build: str | Callable[..., Any]
    fits: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    exceptions: Mapping[str, str] = attrs.field(factory=dict, validator=_reasons, hash=False)

    @property
    def description(self) -> str:
        """The docstring of the options class."""
        return inspect.cleandoc(self.options.__doc__ or "")

    @property
    def summary(self) -> str:
        """Its first line."""
        return self.description.split("\n", 1)[0]

    def load(self) -> Callable[..., Any]:
        """The builder itself; this is where the heavy module is imported."""
        return _resolve(self.build)


@attrs.frozen
class Command:
    """A command that a plugin adds to the command line; `target` is a click command or its 'module:attribute'."""

    name: str = attrs.field(validator=_word)
    summary: str = attrs.field(validator=_text)
    target: str | Callable[..., Any]

    def load(self) -> Any:
        return _resolve(self.target)


@attrs.frozen
class NamedRecipe:
    """A recipe that ships with a plugin: the TOML file `path` inside `package`, as 'recipes/my.toml' in 'my_plugin'."""

    name: str = attrs.field(validator=_word)
    package: str
    path: str
    summary: str = attrs.field(default="", validator=_text)
