"""From a path to the recipe that opens it: recipes are tried one after another, and the first that accepts is taken."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from quasistatic._plugins.component import NamedRecipe
from quasistatic._plugins.manager import PluginManager
from quasistatic._recipes.overrides import as_override
from quasistatic._storage.files import kind_of
from quasistatic.errors import DataError, QuasistaticError, RecipeError, one_line


@attrs.frozen
class Opening:
    """A path and the recipe that opens it, with the `settings` that its look has found to fit, and the others that would too."""

    path: str
    recipe: NamedRecipe
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    others: tuple[Opening, ...] = ()
    is_chosen: bool = False

    @property
    def name(self) -> str:
        """What of the path can name a run."""
        path = Path(self.path)
        last = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
        return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:60] or self.recipe.name

    def pairs(self, given: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """All settings, the last of one path being the one that holds: the path, what the look has found, what is given."""
        # what was found is for the recipe's own source
        chosen = {path.removesuffix("use") for path, _ in given if path.endswith(".use")}
        found = [(path, value) for path, value in self.settings.items() if not path.startswith(tuple(chosen))]
        return [(self.recipe.path_option, self.path), *found, *given]

    def command(self, settings: Sequence[str] = ()) -> str:
        """The command that trains on the path, with these settings besides."""
        if not self.is_chosen:
            return _command(self.path, settings)
        own = [as_override(path, value) for path, value in (*self.settings.items(), (self.recipe.path_option, self.path))]
        return _command(self.recipe.name, [*own, *settings])

    def note(self) -> str:
        """One line on choices that the user did not make: settings that were found, and other recipes that open the path."""
        found = ", ".join(as_override(path, value) for path, value in self.settings.items())
        too = [f"{each.recipe.name!r} opens it too: {each.command()}" for each in self.others]
        if not (found or too):
            return ""
        return "; ".join([f"{self.path}: opened by recipe {self.recipe.name!r}{f' with {found}' if found else ''}", *too])


def opening_of(recipe: str | os.PathLike[str], manager: PluginManager) -> Opening | None:
    """How the data at a path are opened; None of the name of a recipe, and of the path of one, which ends in .toml.

    Raises as `open_path`, also for a file that is not there but is called as data are.
    """
    text, path = os.fspath(recipe), Path(recipe).expanduser()
    is_word = isinstance(recipe, str) and os.sep not in text
    if path.suffix == ".toml" or (is_word and text in {named.name for named in manager.recipes()}):
        return None
    return open_path(text, manager) if path.exists() or any(named.may_open(path) for named in manager.openers()) else None


def open_path(text: str, manager: PluginManager, name: str | None = None) -> Opening:
    """How the data at a path are opened, by the first recipe that accepts them, or by that of this name.

    Raises DataError where there is nothing, or nothing that a recipe opens; RecipeError for the folder of a run.
    """
    path = Path(text).expanduser()
    if not path.exists():
        raise DataError(f"{text}: there is no such file in {path.parent if path.is_absolute() else Path.cwd()}")
    if (path / "seal.json").exists():
        raise RecipeError([f"{text}: is the folder of a run, which goes on with: quasistatic resume {text}"])
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{text}: is {kind_of(path)}, expected a file or a folder")
    tried = [named for named in manager.openers() if named.may_open(path)] if name is None else [manager.recipe(name)]
    answers = [(named, _look(named, path, manager)) for named in tried]
    accepted = [Opening(text, named, found, (), True) for named, found in answers if not isinstance(found, str)]
    if accepted:
        first, *others = accepted
        return first if name is not None else attrs.evolve(first, others=tuple(others), is_chosen=False)
    raise DataError(f"{text}: {_refusal(path, [(named, str(why)) for named, why in answers], manager)}")


def _look(named: NamedRecipe, path: Path, manager: PluginManager) -> Mapping[str, Any] | str:
    """The settings with which a recipe opens what is at a path, or why it does not."""
    try:
        look = named.load_accepts()
        answer = True if look is None else look(path)
    except (QuasistaticError, OSError) as error:
        return one_line(error).partition(": ")[2] or one_line(error)
    except (Exception, SystemExit) as error:
        return f"its look inside failed, a defect of plugin {manager.owner('recipe', named.name).owner}: {one_line(error)}"
    if isinstance(answer, Mapping):
        return dict(answer)
    if answer is True:
        return {}
    return answer if isinstance(answer, str) and answer else "it is for other data"


def _refusal(path: Path, answers: Sequence[tuple[NamedRecipe, str]], manager: PluginManager) -> str:
    if answers:
        return "; ".join(f"recipe {named.name!r} does not open it: {why}" for named, why in answers)
    endings = sorted({ending for named in manager.openers() for ending in named.opens if not ending.endswith(".gz")})
    if path.is_dir():
        return "is a folder, and no recipe opens any"
    known = f"no recipe opens it, expected a file that ends in {', '.join(endings)}, or .toml"
    from quasistatic._data.reading import conversion  # numpy is not needed before

    return f"{known}{conversion(path)}  (quasistatic recipes says which recipe opens what)"


def _command(target: str, settings: Sequence[str]) -> str:
    target = f"./{target}" if target.startswith("-") else target
    return shlex.join(["quasistatic", "run", target, *(word for each in settings for word in ("--set", each))])
