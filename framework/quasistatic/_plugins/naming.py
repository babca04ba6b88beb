"""What the values of a plugin have in common: names that can be typed, text that can be shown, and what is imported when used."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import attrs

from quasistatic._plugins.flags import jax_flags_kept
from quasistatic.errors import PluginError


def word(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """A validator of names: ValueError for what is no word."""
    if not (isinstance(value, str) and re.fullmatch(r"\w[\w.-]*", value)):
        raise ValueError(f"{type(instance).__name__}.{attribute.name}: expected a word such as 'my-own', got {value!r}")


def text(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """A validator of summaries: TypeError for what is no text."""
    if not isinstance(value, str):
        raise TypeError(f"{type(instance).__name__}.{attribute.name}: expected text, got {value!r}")


def resolve(target: str | Callable[..., Any]) -> Any:
    """What 'module:attribute' names; PluginError if importing it changes a flag of jax for the whole program."""
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    changed: list[str] = []
    with jax_flags_kept(changed):
        found = getattr(importlib.import_module(module), attribute)
    if changed:
        raise PluginError(f"importing {module} changes {', '.join(changed)} for the whole program; that is left to its user")
    return found
