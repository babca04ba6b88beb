"""What a run was made with, and how that differs from what is here now."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from quasistatic._plugins.installed import OURS
from quasistatic._plugins.loading import PluginStatus
from quasistatic._recipes.recipe import Recipe, load_kept_recipe
from quasistatic._storage.folder import RunFolder
from quasistatic.errors import QuasistaticError, RecipeError

if TYPE_CHECKING:
    from quasistatic._plugins.manager import PluginManager

PACKAGES = (OURS, "jax", "jaxlib", "equinox", "optax", "numpy")


def about(recipe: Recipe, manager: PluginManager) -> dict[str, Any]:
    """Versions that a run depends on, for its folder: of Python, packages, and the plugins whose components it uses."""
    used = {status.qualified: status for status in _used(recipe, manager)}
    names = [status.name for status in used.values()]
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "plugins": {
            status.name if names.count(status.name) == 1 else key: {
                "distribution": status.distribution,
                "version": status.version,
            }
            for key, status in sorted(used.items())
        },
    }


def kept_recipe(folder: RunFolder, manager: PluginManager) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of a run, and what a person should know of it: one line where it was made with other versions.

    Observers that are gone are left out: they change nothing. Raises RecipeError where anything else is gone.
    """
    changed = list(_differences(folder.read_about(), manager))
    try:
        recipe, gone = load_kept_recipe(folder.read_recipe(), folder.recipe, manager)
    except RecipeError as error:
        raise RecipeError([*error.problems, *_note(changed)]) from None
    changed += [f"observer {name!r} is not here and is left out" for name in gone]
    return recipe, _note(changed)


def _note(changed: list[str]) -> tuple[str, ...]:
    return (f"the run was made with other versions: {'; '.join(changed)}",) if changed else ()


def _used(recipe: Recipe, manager: PluginManager) -> Iterator[PluginStatus]:
    """The plugins whose components a recipe names."""
    chosen = [*recipe.choices.items()]
    chosen += [("observer", choice) for choice in recipe.observers]
    chosen += [("kernel", part) for part in recipe.choices["kernel"].parts.values()]
    for kind, choice in chosen:
        with contextlib.suppress(QuasistaticError):  # a component made by hand has no owner
            yield manager.owner(kind, choice.component.name)


def _differences(then: Mapping[str, Any], manager: PluginManager) -> Iterator[str]:
    """'jax: 0.9 then, 0.10 now', for every package and plugin that a run depends on."""
    for name, version in _table(then, "packages").items():
        if (now := _version(name)) != version:
            yield f"{name}: {version} then, {now} now"
    plugins = _table(then, "plugins")
    for key in plugins:
        made, name = _table(plugins, key), key.rpartition(":")[2]
        distribution, version = (str(made.get(part, "")) for part in ("distribution", "version"))
        status = _here(name, distribution, manager)
        if status is not None and status.usable and status.is_built_in and distribution == OURS:
            continue  # it is among the packages
        now = "gone" if status is None else status.state if not status.usable else _source(status.distribution, status.version)
        if now != _source(distribution, version):
            yield f"plugin {name!r}: {_source(distribution, version)} then, {now} now"


def _here(name: str, distribution: str, manager: PluginManager) -> PluginStatus | None:
    """The plugin of this name, that of the same distribution where there are several."""
    found = [status for status in manager.statuses() if status.name == name]
    return next((status for status in found if status.distribution == distribution), found[0] if found else None)


def _source(distribution: str, version: str) -> str:
    return f"{distribution} {version}".strip() or "a module"


def _table(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table inside of another; empty where the file is spoilt."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "gone"
