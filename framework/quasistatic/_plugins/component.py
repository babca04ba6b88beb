"""What a plugin hands over: plain values, light to import (no jax here)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from quasistatic._plugins.naming import resolve, text, word
from quasistatic._process.event import AbstractEvent, AbstractField


def _options(_instance: object, _attribute: object, value: type) -> None:
    if not (isinstance(value, type) and attrs.has(value)):
        raise TypeError(f"Component.options: expected an attrs class, got {value!r}")
    if any(field.name == "use" for field in attrs.fields(value)):
        raise ValueError(f"Component.options: {value.__name__}.use has the name that a recipe's section uses itself")


def _field_types(_instance: object, _attribute: object, value: tuple[type[AbstractField], ...]) -> None:
    if not (isinstance(value, tuple) and all(isinstance(kind, type) and issubclass(kind, AbstractField) for kind in value)):
        raise TypeError(f"Component.supports: expected a tuple of fields such as (qs.Real,), got {value!r:.80}")


def _examples(instance: Component, _attribute: object, value: tuple[AbstractField, ...]) -> None:
    if not (isinstance(value, tuple) and all(isinstance(event, AbstractField) for event in value)):
        raise TypeError(f"Component.examples: expected a tuple of fields such as (qs.Real((2, 1), low=0.0),), got {value!r:.80}")
    if value and (instance.kind not in ("kernel", "potential") or instance.joins):
        raise ValueError(f"Component.examples: only potentials, and kernels that join no others, have any, got {value!r:.80}")
    for event in value:
        if not instance.takes(event):
            raise ValueError(f"Component.examples: {event.describe()} is not of a field that `supports` names")


def _from_data(instance: Component, _attribute: object, value: str | Callable[..., Any] | None) -> None:
    if value is not None and instance.kind != "source":
        raise ValueError(f"Component.from_data: only a source takes data from memory, this is a {instance.kind}")


def _endings(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"NamedRecipe.opens: expected a tuple of endings such as ('.csv',), got {value!r:.80}")
    for ending in value:
        if not (isinstance(ending, str) and re.fullmatch(r"\.[^\sA-Z/]+", ending)) or ending == ".toml":
            raise ValueError(f"NamedRecipe.opens: expected endings in lower case such as '.csv', not '.toml', got {ending!r:.80}")


def _looks(instance: NamedRecipe, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not (instance.opens or instance.folder):
        raise ValueError(f"NamedRecipe.{attribute.name}: recipe {instance.name!r} opens no path that it could look at")


def _reasons(_instance: object, _attribute: object, value: Mapping[str, str]) -> None:
    for law, reason in value.items():
        if not (isinstance(reason, str) and reason.strip()):
            raise ValueError(f"Component.expected_failures: law {law!r} needs a written reason, got {reason!r}")


@attrs.frozen
class Component:
    """One thing that can be named in a recipe.

    `kind` is the name of a `Kind`. `options` is a frozen attrs class: its fields are the TOML keys, its `metadata={"help": ...}`
    their help, its docstring the summary. `build` is a callable or 'module:attribute', imported only when something is built. It
    is called with the options and with the inputs of its kind: `build(options)` for a source, `build(options, event)` for a kernel.

    `supports` lists the fields that a kernel takes, such as `(qs.Real, qs.Levels)` (empty: any). `examples` are the events
    for which `quasistatic check` builds a kernel or a potential, where small ones of these fields would not do: a kernel for
    positive numbers has `(qs.Real((2, 1), low=0.0),)`, which is small and has two axes. A kernel that `joins` others takes an
    event of several parts, and is built as `build(options, event, kernels)`, with a mapping of one for each part.
    `is_default` makes it the choice where a recipe names none. `expected_failures` names the laws of `quasistatic check`
    that it may break, each with the reason in words. `restore(options, kept)` builds a source of a run that is reopened
    from the `Kept` that it gave when the run was started; by default it is built as it was then. `from_data(options, data)`
    builds a source from data in memory, those of `qs.train(recipe, data=data)`.
    """

    kind: str = attrs.field(validator=word)
    name: str = attrs.field(validator=word)
    options: type = attrs.field(validator=_options)
    build: str | Callable[..., Any]
    supports: tuple[type[AbstractField], ...] = attrs.field(default=(), validator=_field_types)
    references: tuple[str, ...] = ()
    expected_failures: Mapping[str, str] = attrs.field(factory=dict, validator=_reasons, hash=False)
    joins: bool = False
    is_default: bool = False
    restore: str | Callable[..., Any] | None = None
    examples: tuple[AbstractField, ...] = attrs.field(default=(), validator=_examples)
    from_data: str | Callable[..., Any] | None = attrs.field(default=None, validator=_from_data)

    @property
    def description(self) -> str:
        """The docstring of the options class."""
        return inspect.cleandoc(self.options.__doc__ or "")

    @property
    def summary(self) -> str:
        """Its first line."""
        return self.description.split("\n", 1)[0]

    def takes(self, event: AbstractEvent) -> bool:
        """Whether a kernel takes such events."""
        if isinstance(event, AbstractField):
            return not self.joins and (not self.supports or isinstance(event, self.supports))
        return self.joins

    def load(self) -> Callable[..., Any]:
        """The builder itself; this is where the heavy module is imported."""
        return resolve(self.build)

    def load_restore(self) -> Callable[..., Any]:
        """The builder for a run that is reopened."""
        return resolve(self.restore or self.build)

    def load_from_data(self) -> Callable[..., Any]:
        """The builder of a source from data in memory. Raises ValueError for a component without one."""
        if self.from_data is None:
            raise ValueError(f"{self.kind} {self.name!r} takes no data from memory")
        return resolve(self.from_data)


@attrs.frozen
class Command:
    """A command that a plugin adds to the command line; `target` is a click command or its 'module:attribute'."""

    name: str = attrs.field(validator=word)
    summary: str = attrs.field(validator=text)
    target: str | Callable[..., Any]

    def load(self) -> Any:
        """The click command itself; this is where its module is imported."""
        return resolve(self.target)


@attrs.frozen
class NamedRecipe:
    """A recipe that ships with a plugin: the TOML file `path` inside `package`, as 'recipes/my.toml' in 'my_plugin'.

    It may open data, so that a path to them is a run: files whose names end with one of `opens` (in lower case; a name may have
    capitals), such as `(".fasta", ".fasta.gz")`, and with `folder` also folders. The path becomes the option `path_option` of
    the recipe. `accepts` and `inspects` are callables, or their 'module:attribute', imported only when they are needed:

    - `accepts(path)` is a quick look inside, without jax: True, or a mapping of further settings such as
      `{"source.alphabet": "protein"}`; False, or the reason in words, where this recipe is not for what is there
    - `inspects(path, options)` says what would be read, as an `Inspection`; `options` are those of the source. By default the
      source is built
    """

    name: str = attrs.field(validator=word)
    package: str
    path: str
    summary: str = attrs.field(default="", validator=text)
    opens: tuple[str, ...] = attrs.field(default=(), validator=_endings)
    folder: bool = False
    accepts: str | Callable[..., Any] | None = attrs.field(default=None, validator=_looks)
    inspects: str | Callable[..., Any] | None = attrs.field(default=None, validator=_looks)
    path_option: str = "source.path"

    def may_open(self, path: Path) -> bool:
        """Whether the recipe opens what is called so, judged by the name of a file alone."""
        return self.folder if path.is_dir() else path.name.lower().endswith(self.opens)

    def load_accepts(self) -> Callable[..., Any] | None:
        """The look itself, if there is one."""
        return None if self.accepts is None else resolve(self.accepts)

    def load_inspects(self) -> Callable[..., Any] | None:
        """What inspects a path, if the recipe has something for it."""
        return None if self.inspects is None else resolve(self.inspects)
