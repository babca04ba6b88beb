"""Fields of options classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import attrs

IS_PATH = "is_path"  # in the metadata of a field
KINDS = (str, tuple, Mapping)  # of values that may be paths, or hold some
NAMES = ("path", "file", "folder", "directory")  # of options that are paths, also where no one has marked them


def option(default: Any = attrs.NOTHING, help: str = "", *validators: Any, is_path: bool = False, **more: Any) -> Any:
    """A field of an options class of attrs, with its help text and `validators`; without a default it must be given.

    `is_path` marks what names a file or folder: in the run of someone else it is not followed. `more` goes to `attrs.field`,
    such as `factory=dict`.
    """
    return attrs.field(default=default, validator=list(validators) or None, metadata={"help": help, IS_PATH: is_path}, **more)


def paths_in(options: Any) -> dict[str, str]:
    """The paths that options name, by the dotted names of the options: of those that are marked, or called as paths are."""
    found: dict[str, str] = {}
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        if attrs.has(type(value)):
            found |= {f"{field.name}.{name}": path for name, path in paths_in(value).items()}
        elif _is_path(field) and isinstance(value, KINDS):
            named: dict[Any, Any] = (
                {"": value} if isinstance(value, str) else dict(value if isinstance(value, Mapping) else enumerate(value))
            )
            found |= {f"{field.name}.{name}".rstrip("."): str(path) for name, path in named.items() if path}
    return found


def with_paths(options: Any, place: str) -> Any:
    """The options with this in the place of every path that they name."""
    found = copy.copy(options)
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        if attrs.has(type(value)):
            changed = with_paths(value, place)
        elif _is_path(field) and isinstance(value, KINDS):
            changed = _all_with(value, place)
        else:
            continue
        object.__setattr__(found, field.name, changed)  # past what validates: an option may need its path
    return found


def _all_with(value: Any, place: str) -> Any:
    if isinstance(value, str):
        return place if value else value
    return {name: place for name in value} if isinstance(value, Mapping) else tuple(place for _ in value)


def _is_path(field: attrs.Attribute[Any]) -> bool:
    """Whether it is marked as one, or is a text that is called as one: not the path of a process, which is one of some words."""
    return bool(field.metadata.get(IS_PATH)) or (field.name.rpartition("_")[2] in NAMES and "Literal" not in str(field.type))
