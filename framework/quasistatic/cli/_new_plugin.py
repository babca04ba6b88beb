"""quasistatic new-plugin: a small plugin project that works, from the templates in `_skeleton`.

Of `_skeleton`, the folder `project` is written for every kind, `component` for every kind but a command, and then the kind's
own. What ends with .in becomes a file: its text is a string.Template, and MODULE and NAME in its path are filled in too. The
words that differ between kinds are in `words.toml`, those of one kind in its folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Template

import click

from quasistatic._plugins.commands import BUILT_IN
from quasistatic._plugins.kind import KINDS
from quasistatic._plugins.manager import PluginManager
from quasistatic._storage.files import UNTOUCHED, committed, explained, write_synced
from quasistatic.cli._common import manager_of
from quasistatic.cli.parts import echo
from quasistatic.errors import InputError

SKELETON = Path(__file__).parents[1] / "_skeleton"
VALID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "quasistatic-"  # of every distribution


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice([*KINDS, "command"]), required=True, help="What the plugin provides.")
@click.option(
    "--into", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder of the project; by default quasistatic-NAME."
)
@click.pass_context
def new_plugin(ctx: click.Context, name: str, kind: str, into: Path | None) -> None:
    """Write a small plugin project that works, with its tests.

    The project is a complete distribution: the component or command NAME as an example to change, a recipe to try it, tests
    of the laws that hold for it, and what is needed to publish it.
    """
    _check_name(name, kind, manager_of(ctx))
    folder = into or Path(PREFIX + name)
    _check_folder(folder)
    from quasistatic import __version__

    files = project_files(name, kind, __version__)
    _write(folder, files)
    echo(f"{kind} {name!r} in {folder}: {len(files)} files; it works as it is\n\nWhat comes next:")
    for line in commands(name, kind, str(folder if folder.is_absolute() else os.path.join(".", folder))):
        echo(f"  {line}")
    echo(f"\nMake it yours: comments in {folder / _module(name) / kind}.py show where; pytest {folder} runs its tests.")


def project_files(name: str, kind: str, version: str) -> dict[str, str]:
    """The text of every file by its path, for a plugin of this kind that works with this version of quasistatic."""
    layers = ("project", kind) if kind == "command" else ("project", "component", kind)
    words = _words(name, kind, version)
    return {
        _path(template.relative_to(SKELETON / layer), words): Template(template.read_text(encoding="utf-8")).substitute(words)
        for layer in layers
        for template in sorted((SKELETON / layer).rglob("*.in"))
    }


def commands(name: str, kind: str, folder: str) -> list[str]:
    """What a person types next."""
    install = f'pip install -e "{folder}[test]"'  # the quotes are for shells in which brackets mean something
    if kind == "command":
        train = f"quasistatic run swiss-roll --set training.updates=500 --out runs/{name}"
        return [install, train, f"quasistatic {name} runs/{name}"]
    steps = [install, f"quasistatic check {name}", f"quasistatic run {name}"]
    if kind == "potential":
        steps[-1] += f" --out runs/{name}"
        steps.append(f"quasistatic condition runs/{name} {name} -o {name}.png")
    return steps


def version_range(version: str) -> str:
    """The versions that promise what `version` does: '>=0.1,<0.2' for 0.1.3, '>=2.1,<3' for 2.1.0."""
    public = version.partition("+")[0]
    major, minor = (int(number) for number in re.findall(r"\d+", public)[:2])
    least = f"{major}.{minor}" if re.fullmatch(r"[\d.]+", public) else public  # 0.1 does not take its own 0.1.0rc1
    return f">={least},<{major + 1}" if major else f">={least},<0.{minor + 1}"


def _words(name: str, kind: str, version: str) -> dict[str, str]:
    """What the templates leave open."""
    stem = "".join(part.capitalize() for part in name.split("-"))
    words = {
        "name": name,
        "snake": name.replace("-", "_"),
        "kind": kind,
        "module": _module(name),
        "distribution": PREFIX + name,
        "versions": version_range(version),
        "kind_class": stem.removesuffix(kind.capitalize()) + kind.capitalize(),
        "options_class": f"{stem}Options",
        "commands": "\n".join(f"$ {line}" for line in commands(name, kind, ".")),
    }
    for file in (SKELETON / "words.toml", SKELETON / kind / "words.toml"):
        for key, text in tomllib.loads(file.read_text(encoding="utf-8")).items():
            words[key] = Template(text).substitute(words)
    return words


def _module(name: str) -> str:
    return (PREFIX + name).replace("-", "_")


def _path(template: Path, words: dict[str, str]) -> str:
    return template.as_posix().removesuffix(".in").replace("MODULE", words["module"]).replace("NAME", words["snake"])


def _check_name(name: str, kind: str, manager: PluginManager) -> None:
    if not VALID.fullmatch(name) or name.startswith(PREFIX):
        slug = "-".join(re.findall(r"[a-z0-9]+", name.lower())).removeprefix(PREFIX)
        example = slug if VALID.fullmatch(slug) else "my-" + kind
        raise InputError(
            f"NAME: expected small letters, digits and single hyphens, a letter first, got {name!r}; "
            f"for example {example!r}  (its package will be called {PREFIX}{example})"
        )
    for reason in _taken(name, kind, manager):
        raise InputError(f"NAME: {name!r} is taken: {reason}; choose another name  (quasistatic plugins lists all)")


def _taken(name: str, kind: str, manager: PluginManager) -> Iterator[str]:
    if kind == "command" and name in BUILT_IN:
        yield f"command {name!r} is built in"
    for status in manager.statuses():
        for what in (kind, "recipe"):
            if f"{what} {name}" in status.provides:
                yield f"plugin {status.owner} has a {what} of this name"
        if status.name == name:
            yield f"there is a plugin {status.owner}"
    if importlib.util.find_spec(_module(name)):
        yield f"there is a package {_module(name)}"


def _write(folder: Path, files: dict[str, str]) -> None:
    """A new folder appears with all files in it; one that is there stays as it is, as it may be in use."""
    if not folder.is_dir():
        with explained(folder, UNTOUCHED):
            folder.parent.mkdir(parents=True, exist_ok=True)
        _commit(folder, files)
        return
    entries: dict[str, dict[str, str]] = {}
    for path, text in files.items():
        entry, _, below = path.partition("/")
        entries.setdefault(entry, {})[below] = text
    for entry, texts in entries.items():
        _commit(folder / entry, texts)


def _commit(path: Path, texts: dict[str, str]) -> None:
    """Texts by their paths below `path`, all or nothing; the empty path is `path` itself."""
    with committed(path) as draft:
        for below, text in texts.items():
            (draft / below).parent.mkdir(parents=True, exist_ok=True)
            write_synced(draft / below, text.encode())


def _check_folder(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if os.path.lexists(folder):
        found = "a folder that is not empty" if folder.is_dir() else "not a folder"
        raise InputError(f"--into: expected a new or empty folder, but {folder} is {found}; choose another with --into FOLDER")
