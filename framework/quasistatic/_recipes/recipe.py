"""Recipes: which components, with which options, in a TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
import tomli_w

from quasistatic._plugins.component import Component, NamedRecipe
from quasistatic._plugins.kind import Kind
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._plugins.options import paths_in
from quasistatic._recipes.opening import Opening, opening_of
from quasistatic._recipes.options import describe, structure, unstructure
from quasistatic._recipes.overrides import Overrides, override_pairs
from quasistatic._recipes.sections import SECTIONS, EvaluationOptions, TrainingSection, TrajectoryOptions
from quasistatic._storage.files import read_plain, reason
from quasistatic.errors import PluginError, QuasistaticError, RecipeError, did_you_mean

OBSERVERS = "training.observers"
LARGEST = 1_000_000  # bytes of a recipe file; the longest useful one is some thousands
DEEPEST = 30  # tables in one another


@attrs.frozen
class Choice:
    """A component and its options; for a kernel that joins others also those that are named for some parts."""

    component: Component
    options: Any
    parts: Mapping[str, Choice] = attrs.field(factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        parts = {name: part.to_dict() for name, part in self.parts.items()}
        return {"use": self.component.name, **unstructure(self.options), **({"parts": parts} if parts else {})}


@attrs.frozen
class _Top:
    name: str
    seed: int = attrs.field(default=0, validator=[attrs.validators.ge(0), attrs.validators.lt(2**32)])


@attrs.frozen
class Recipe:
    """Everything that a run depends on, but the versions of the software; `choices` are the components that it names, by kind."""

    name: str
    seed: int
    choices: Mapping[str, Choice] = attrs.field(hash=False)
    trajectory: TrajectoryOptions
    training: TrainingSection
    evaluation: EvaluationOptions
    observers: tuple[Choice, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The resolved recipe as TOML values: every option, given or default."""
        chosen = {kind: choice.to_dict() for kind, choice in self.choices.items()}
        watching = {choice.component.name: unstructure(choice.options) for choice in self.observers}
        return {
            "name": self.name,
            "seed": self.seed,
            **chosen,
            **{key: unstructure(getattr(self, key)) for key in SECTIONS},
            "observer": {name: options for name, options in watching.items() if options},
        }

    def to_toml(self) -> str:
        """The text of the resolved recipe; `load_recipe` of it gives an equal recipe."""
        return tomli_w.dumps(self.to_dict())


def paths_of(recipe: Recipe) -> dict[str, str]:
    """The paths that a recipe names, by the dotted names of their options."""
    parts = [(f"{kind}.parts.{name}", part) for kind, choice in recipe.choices.items() for name, part in choice.parts.items()]
    chosen = [*recipe.choices.items(), *parts]
    chosen += [(f"observer.{choice.component.name}", choice) for choice in recipe.observers]
    return {f"{where}.{name}": path for where, choice in chosen for name, path in paths_in(choice.options).items()}


def load_recipe(recipe: str | os.PathLike[str], overrides: Overrides = (), manager: PluginManager | None = None) -> Recipe:
    """A recipe by the name of one that ships with a plugin, from a TOML file, or the one that opens the data at a path.

    `overrides` are texts such as 'training.updates=3000' or a mapping of dotted paths to values. Where one changes the
    `use` of a section, the recipe's other options of that section are dropped.
    Raises RecipeError with all problems at once; ComponentNotFound if there is no recipe of this name; DataError for a path
    to data that no recipe opens.
    """
    manager = manager or plugins()
    opening = opening_of(recipe, manager)
    if opening is not None:
        return load_opened(opening, overrides, manager)
    name, values = _read(recipe, manager)
    return _resolve(name, values, manager, _override(values, override_pairs(overrides), manager))


def load_opened(opening: Opening, overrides: Overrides, manager: PluginManager) -> Recipe:
    """The recipe that opens a path, with the path in it. Raises RecipeError."""
    values = _packaged(opening.recipe, manager)
    return _resolve(opening.name, values, manager, _override(values, opening.pairs(override_pairs(overrides)), manager))


def load_kept_recipe(text: bytes, where: Path, manager: PluginManager) -> tuple[Recipe, list[str]]:
    """The recipe of a run as it was kept, and the observers that are no longer there, which it is read without."""
    name, values = where.stem, _parse(text, str(where))
    training = values.get("training")
    named = training.get("observers") if isinstance(training, dict) else None
    here = [component.name for component in manager.components("observer")]
    gone = [each for each in named if each not in here] if isinstance(named, list) else []
    left_out = [(OBSERVERS, [each for each in named or () if each in here])] if gone else []
    return _resolve(name, values, manager, _override(values, left_out, manager)), gone


def _read(recipe: str | os.PathLike[str], manager: PluginManager) -> tuple[str, dict[str, Any]]:
    text, path = os.fspath(recipe), Path(recipe)
    if isinstance(recipe, os.PathLike) or text.endswith(".toml") or os.sep in text:
        return path.stem, _parse(_file_text(path), text)
    named = manager.recipe(recipe)
    return named.name, _packaged(named, manager)


def _packaged(named: NamedRecipe, manager: PluginManager) -> dict[str, Any]:
    return _parse(_packaged_text(named, manager), f"recipe {named.name!r}")


def _packaged_text(named: NamedRecipe, manager: PluginManager) -> bytes:
    try:
        return resources.files(named.package).joinpath(named.path).read_bytes()
    except (OSError, ImportError) as error:
        owner = manager.owner("recipe", named.name).owner
        raise PluginError(f"recipe {named.name!r} of plugin {owner} cannot be read: {error}") from None


def _file_text(path: Path) -> bytes:
    try:
        return read_plain(path, LARGEST, follow=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise RecipeError([f"{path}: cannot be read: {why}  (quasistatic recipes lists those that go by name)"]) from None


def _parse(text: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise RecipeError([f"{where}: expected UTF-8 text, byte {error.start} is not"]) from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise RecipeError([f"{where}: not TOML: {error}"]) from None


def _override(values: dict[str, Any], pairs: list[tuple[str, Any]], manager: PluginManager) -> list[str]:
    """Write the overrides into `values`; what cannot be written comes back."""
    problems = []
    # choices first: each drops the recipe's options of what it takes the place of
    for path, value in sorted(pairs, key=lambda pair: not (pair[0].endswith(".use") or pair[0] == OBSERVERS)):
        *tables, last = path.split(".")
        table: Any = values
        for key in tables:
            table = table.setdefault(key, {}) if isinstance(table, dict) else table
        if not isinstance(table, dict):
            problems.append(f"{path}: {'.'.join(tables)} is not a section")
        elif last == "use" and value != table.get("use", _default_name(path.removesuffix(".use"), manager)):
            table.clear()
            table["use"] = value
        else:
            table[last] = value
        options = values.get("observer")
        if path == OBSERVERS and isinstance(value, list | tuple) and isinstance(options, dict):
            values["observer"] = {name: table for name, table in options.items() if name in value}
    return problems


def _default_name(kind: str, manager: PluginManager) -> str | None:
    """What a section without `use` names."""
    found = _sections(manager).get(kind)
    default = manager.default(kind) if found is not None and "event" not in found.inputs else None
    return None if default is None else default.name


def _sections(manager: PluginManager) -> dict[str, Kind]:
    """The kinds of which a recipe names one component: there may be several observers, and potentials come with a question."""
    return {name: kind for name, kind in manager.kinds.items() if kind.section != "none"}


def _keys(manager: PluginManager) -> tuple[str, ...]:
    """What a recipe may have at the top."""
    return "name", "seed", *_sections(manager), *SECTIONS, "observer"


def _resolve(name: str, values: dict[str, Any], manager: PluginManager, problems: list[str]) -> Recipe:
    deep = [f"{key:.80}: expected at most {DEEPEST} tables in one another" for key in values if _depth(values[key]) > DEEPEST]
    if deep:
        raise RecipeError(deep)
    parts: dict[str, Any] = {}
    choices: dict[str, Choice] = {}

    def collect(key: str, make: Any, into: dict[str, Any] = parts) -> None:
        try:
            into[key] = make()
        except RecipeError as error:
            problems.extend(error.problems)
        except QuasistaticError as error:
            problems.append(f"{key}: {error}")

    top = {"name": name, **{key: values[key] for key in ("name", "seed") if key in values}}
    collect("top", lambda: structure(_Top, top, ""))
    for kind, declared in _sections(manager).items():
        if declared.section == "required" or kind in values or _default_name(kind, manager) is not None:
            collect(kind, lambda kind=kind: choose(kind, values.get(kind, {}), manager), choices)
    for key, cls in SECTIONS.items():
        collect(key, lambda key=key, cls=cls: structure(cls, values.get(key, {}), key))
    watching = _watching(values.get("training", {}), manager)
    if watching is not None:
        collect("observers", lambda: _observers(watching, values.get("observer", {}), manager))
        if "training" in parts:
            parts["training"] = attrs.evolve(parts["training"], observers=watching)
    keys = _keys(manager)
    unknown = [
        f"{key:.80}: unknown section{_meant(key, choices | parts, keys)}  (a recipe takes: {', '.join(keys)})"
        for key in values
        if key not in keys
    ]
    if unknown or problems:
        raise RecipeError([problem.removeprefix(".") for problem in (*unknown, *problems)])
    top_level = parts.pop("top")
    return Recipe(name=top_level.name, seed=top_level.seed, choices=choices, **parts)


def _depth(value: Any) -> int:
    """How many tables and lists are in one another."""
    depth, level = 0, [value]
    while level := [inner for outer in level for inner in _inner(outer)]:
        depth += 1
    return depth


def _inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _meant(key: str, parts: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """The section that has an option of this name, or one that is spelt like it."""
    for section, part in parts.items():
        options = part.component.options if isinstance(part, Choice) else type(part)
        if attrs.has(options) and key in {field.name for field in describe(options)}:
            return f"; did you mean {section}.{key}?"
    return did_you_mean(key, keys)


def _watching(training: Any, manager: PluginManager) -> tuple[str, ...] | None:
    """The observers that the section names, whatever else is wrong in it; None where they cannot be read."""
    if not isinstance(training, dict):
        return None
    try:
        named = structure(
            TrainingSection, {key: value for key, value in training.items() if key == "observers"}, "training"
        ).observers
    except RecipeError:
        return None
    if named is not None:
        return named
    return tuple(component.name for component in manager.components("observer") if component.is_default)


def _observers(names: tuple[str, ...], tables: Any, manager: PluginManager) -> tuple[Choice, ...]:
    """The observers of these names, with their options in the tables [observer.NAME]."""
    if not isinstance(tables, dict):
        raise RecipeError([f"observer: expected a table [observer.NAME] for each with options, got {tables!r:.80}"])
    known = f"(it names: {', '.join(names) or 'none'})"
    problems = [
        f"observer.{name}: {OBSERVERS} does not name it{did_you_mean(name, names)}  {known}" for name in tables if name not in names
    ]
    found = []
    for name in names:
        try:
            component = manager.component("observer", name)
            options: Any = structure(component.options, tables.get(name, {}), f"observer.{name}", owner=name)
            found.append(Choice(component, options))
        except RecipeError as error:
            problems += error.problems
        except QuasistaticError as error:
            problems.append(f"{OBSERVERS}: {error}")
    if problems:
        raise RecipeError(problems)
    return tuple(found)


def choose(kind: str, section: Any, manager: PluginManager, where: str = "") -> Choice:
    """The component that a section names, or the default one; `where` is its dotted path, by default the kind."""
    where = where or kind
    if not isinstance(section, dict):
        raise RecipeError([f"{where}: expected a section with use = ..., got {section!r:.80}  (write {where}.use)"])
    use = section.get("use", _default_name(kind, manager))
    if use is None:
        known = ", ".join(component.name for component in manager.components(kind))
        raise RecipeError([f"{where}.use: must be given  (known: {known or 'none'})"])
    if not isinstance(use, str):
        raise RecipeError([f"{where}.use: expected the name of a {kind}, got {use!r:.80}"])
    try:
        component = manager.component(kind, use)
    except QuasistaticError as error:
        raise RecipeError([f"{where}.use: {error}"]) from None
    options = {key: value for key, value in section.items() if key != "use"}
    problems: list[str] = []
    parts: dict[str, Choice] = {}
    if component.joins:
        tables = options.pop("parts", {})
        if not isinstance(tables, dict):
            raise RecipeError([f"{where}.parts: expected a table for each part, got {tables!r:.80}"])
        for name, table in tables.items():
            try:
                parts[name] = choose(kind, table, manager, f"{where}.parts.{name}")
            except RecipeError as error:
                problems += error.problems
    try:
        structured: Any = structure(component.options, options, where, owner=component.name)
    except RecipeError as error:
        raise RecipeError([*error.problems, *problems]) from None
    if problems:
        raise RecipeError(problems)
    return Choice(component, structured, parts)
