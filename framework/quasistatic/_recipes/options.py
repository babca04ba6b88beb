"""Options: from an attrs class to TOML and back, strictly, with every problem named at once.

The fields of the class are the only source of truth: keys, types, defaults, help and checks come from them. A field may
be an int, float, bool, str, Literal, `X | None` (None is written "none"), `tuple[X, ...]`, `Mapping[str, X]` or another
attrs class.
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, Union

import attrs

from quasistatic.errors import PluginError, RecipeError, did_you_mean

T = TypeVar("T")
WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}
PLURALS = {int: "whole numbers", float: "numbers"}


@attrs.frozen
class OptionField:
    """One option, as it is shown to a person. `default` is a TOML value; None if the option must be given."""

    name: str
    type: str
    default: Any
    required: bool
    help: str


def describe(cls: type) -> tuple[OptionField, ...]:
    """The options of an attrs class, in order."""
    return tuple(
        OptionField(
            name=field.alias or field.name,
            type=type_text(field.type),
            default=None if field.default is attrs.NOTHING else unstructure(_default(field)),
            required=field.default is attrs.NOTHING,
            help=field.metadata.get("help", ""),
        )
        for field in fields(cls)
    )


def structure(cls: type[T], values: Any, path: str, owner: str | None = None) -> T:
    """An instance of an attrs class from TOML values.

    Raises RecipeError with all problems, each under its dotted `path`; `owner` is the name that takes the options.
    """
    try:
        return _structure_class(cls, values, owner or path)
    except _Problems as problems:
        raise RecipeError([f"{path}{where}: {what}" for where, what in problems.found]) from None


def unstructure(options: Any) -> Any:
    """TOML values of an instance of an attrs class, every option included."""
    if attrs.has(type(options)):
        return {field.alias or field.name: unstructure(getattr(options, field.name)) for field in fields(type(options))}
    if isinstance(options, Mapping):
        return {str(name): unstructure(value) for name, value in options.items()}
    if isinstance(options, tuple | list):
        return [unstructure(value) for value in options]
    return "none" if options is None else options


def fields(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    """The options of an attrs class, their types resolved; PluginError if one has a type that no recipe can give."""
    try:
        found = tuple(field for field in attrs.fields(attrs.resolve_types(cls)) if field.init)
    except NameError as error:
        raise PluginError(f"{cls.__module__}.{cls.__name__}: the type of an option cannot be read: {error}") from None
    for field in found:
        try:
            type_text(field.type)
        except TypeError as error:
            raise PluginError(f"{cls.__module__}.{cls.__name__}.{field.name}: {error}") from None
    return found


def type_text(kind: Any) -> str:
    """A type in words: 'whole number', "'cosine' | 'constant'", 'list of text', 'number | none'."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in WORDS:
        return WORDS[kind]
    if kind is type(None):
        return "none"
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_text, arguments))
    if origin is tuple and arguments[1:] == (...,):
        return f"list of {PLURALS.get(arguments[0]) or type_text(arguments[0])}"
    if origin is Mapping and arguments[0] is str:
        return f"table of {PLURALS.get(arguments[1]) or type_text(arguments[1])}"
    if isinstance(kind, type) and attrs.has(kind):
        return "table"
    raise TypeError(f"options cannot be of type {kind!r}")


class _Problems(Exception):
    """What is wrong, each with where it is, relative to the value at hand."""

    def __init__(self, found: list[tuple[str, str]]):
        super().__init__(found)
        self.found = found

    def under(self, prefix: str) -> list[tuple[str, str]]:
        return [(prefix + where, what) for where, what in self.found]


def _refuse(value: Any, expected: str, hint: str = "") -> typing.NoReturn:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    raise _Problems([("", f"expected {expected}, got {shown:.80}{hint}")])


def _int(value: Any) -> int:
    if type(value) is not int:
        _refuse(value, "a whole number")
    if not -(2**63) <= value < 2**63:
        _refuse(value, "a whole number of at most 64 bits")
    return value


def _float(value: Any) -> float:
    if type(value) not in (int, float):
        _refuse(value, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _refuse(value, "a finite number")
    return number


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        _refuse(value, "true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        _refuse(value, "text in quotes")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        _refuse(ascii(value), "text in UTF-8")
    return value


def _literal(value: Any, kind: Any) -> Any:
    options = typing.get_args(kind)
    for option in options:
        if type(value) is type(option) and value == option:
            return value
    words = [option for option in options if isinstance(option, str)]
    _refuse(value, "one of " + ", ".join(map(repr, options)), did_you_mean(value, words) if isinstance(value, str) else "")


SCALARS: dict[Any, Callable[[Any], Any]] = {int: _int, float: _float, bool: _bool, str: _text}


def _convert(value: Any, kind: Any) -> Any:
    """A TOML value as one of the types that an option may have."""
    origin = typing.get_origin(kind)
    if kind in SCALARS:
        return SCALARS[kind](value)
    if origin is Literal:
        return _literal(value, kind)
    if origin in (Union, types.UnionType):
        return _union(value, kind)
    if origin is Mapping:
        return _mapping(value, kind)
    return _list(value, kind) if origin is tuple else _structure_class(kind, value, "this table")


def _union(value: Any, kind: Any) -> Any:
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    if len(members) < len(typing.get_args(kind)) and value in (None, "none"):
        return None
    first: _Problems | None = None
    for member in members:
        try:
            return _convert(value, member)
        except _Problems as problems:
            first = first or problems
    if first is not None and len(members) == 1:
        raise first
    _refuse(value, type_text(kind))


def _list(value: Any, kind: Any) -> tuple[Any, ...]:
    member = typing.get_args(kind)[0]
    if not isinstance(value, list | tuple):
        _refuse(value, f"a {type_text(kind)}")
    items, found = [], []
    for index, item in enumerate(value):
        try:
            items.append(_convert(item, member))
        except _Problems as problems:
            found += problems.under(f"[{index}]")
    if found:
        raise _Problems(found)
    return tuple(items)


def _mapping(value: Any, kind: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        _refuse(value, f"a {type_text(kind)}")
    items, found = {}, []
    for name, item in value.items():
        try:
            items[str(name)] = _convert(item, typing.get_args(kind)[1])
        except _Problems as problems:
            found += problems.under(f".{name}")
    if found:
        raise _Problems(found)
    return items


def _structure_class(cls: type[T], values: Any, owner: str) -> T:
    if not isinstance(values, Mapping):
        _refuse(values, "a table of options")
    known = {field.alias or field.name: field for field in fields(cls)}
    found = list(_unknown(values, list(known), owner))
    given: dict[str, Any] = {}
    for name, field in known.items():
        if name not in values:
            if field.default is attrs.NOTHING:
                found.append((f".{name}", f"must be given ({field.metadata.get('help') or type_text(field.type)})"))
            continue
        try:
            given[name] = _convert(values[name], field.type)
        except _Problems as problems:
            found += problems.under(f".{name}")
    found += _invalid(known, given)
    if found:
        raise _Problems(found)
    try:
        return cls(**given)
    except (ValueError, TypeError) as error:  # a check across several options
        raise _Problems([("", str(error))]) from None


def _unknown(values: Mapping[str, Any], known: list[str], owner: str) -> Iterator[tuple[str, str]]:
    for name in values:
        if name not in known:
            takes = f"({owner} takes: {', '.join(known)})" if known else f"({owner} takes no options)"
            yield f".{name}", f"unknown option{did_you_mean(str(name), known)}  {takes}"


def _invalid(known: Mapping[str, attrs.Attribute[Any]], given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the fields' own validators say of the values given."""
    for name, value in given.items():
        field = known[name]
        if field.validator is None:
            continue
        try:
            field.validator(None, field, value)
        except (ValueError, TypeError) as error:
            yield f".{name}", _validator_text(str(error))
        except AttributeError:  # it looks at other options: the class itself will say it
            continue


def _validator_text(message: str) -> str:
    """attrs says "'steps' must be >= 1: 0"; we say 'expected a value >= 1, got 0'."""
    return re.sub(r"^'\w+' must be ([<>=]+ \S+): (.*)$", r"expected a value \1, got \2", message, flags=re.DOTALL)


def _default(field: attrs.Attribute[Any]) -> Any:
    factory = getattr(field.default, "factory", None)
    return factory() if factory else field.default
