"""quasistatic inspect"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quasistatic.cli._common import manager_of, set_option
from quasistatic.cli.parts import PICTURES, echo, echo_json, echo_table, json_option

if TYPE_CHECKING:
    from quasistatic._data.source import AbstractSource
    from quasistatic._plugins.inspection import Inspection
    from quasistatic._plugins.manager import PluginManager
    from quasistatic._recipes.opening import Opening
    from quasistatic._recipes.recipe import Recipe


@click.command()
@click.argument("path", metavar="PATH")
@set_option
@click.option("--recipe", "name", metavar="NAME", help="The recipe for which to look; by default the one that opens the path.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="PICTURE", help="Also draw some of it: .png, .svg or .pdf.")
@json_option
@click.pass_context
def inspect(ctx: click.Context, path: str, overrides: tuple[str, ...], name: str | None, out: Path | None, as_json: bool) -> None:
    """Preview how a file or folder of data would be read, and which options it needs; nothing is trained.

    PATH is what a recipe opens: a table, an array, sequences, molecules, text, a folder of pictures and what plugins add
    (`quasistatic recipes` lists all). The last line is the command that trains on it, or why none can, with exit code 2.
    """
    if out is not None and out.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(PICTURES)}", param_hint="--out")
    from quasistatic._recipes.opening import open_path
    from quasistatic._recipes.recipe import load_opened
    from quasistatic._storage.files import try_out
    from quasistatic.errors import InputError

    if out is not None:
        try_out(out)
    manager = manager_of(ctx)
    opening = open_path(path, manager, name)
    if note := opening.note():
        echo(note, err=True)
    recipe = load_opened(opening, overrides, manager)
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    found = _inspected(opening, recipe, manager)
    options = {**found.options, **_fitting_kernel(recipe, found.source, manager)}
    settings, command = _settings(options), opening.command([*_kept(overrides, options), *_settings(options)])
    if as_json:
        echo_json(_json(opening, found, options, None if found.problem else command))
    else:
        if found.rows:
            echo_table(found.header, found.rows)
            echo("")
        for line in (found.what, *(f"  {note}" for note in found.notes), *(f"suggested: --set {each}" for each in settings)):
            echo(line)
        echo(f"this cannot be used yet: {found.problem}" if found.problem else f"next: {command}")
    if out is not None and found.source is not None:
        _draw(found.source, out)
        echo(f"picture: {out}", err=as_json)
    if found.problem:
        ctx.exit(InputError.exit_code)


def _inspected(opening: Opening, recipe: Recipe, manager: PluginManager) -> Inspection:
    """What the recipe says of the path, or else its source, which is built."""
    from quasistatic._plugins.inspection import Inspection
    from quasistatic._recipes.recipe import load_opened
    from quasistatic._recipes.wire import build_source
    from quasistatic.errors import PluginError, QuasistaticError, one_line

    own = load_opened(opening, (), manager).choices["source"].component
    look = opening.recipe.load_inspects() if own == recipe.choices["source"].component else None
    if look is None:
        return _built(build_source(recipe, manager))
    owner = f"recipe {opening.recipe.name!r} of plugin {manager.owner('recipe', opening.recipe.name).owner}"
    try:
        found = look(opening.path, recipe.choices["source"].options)
    except (QuasistaticError, OSError):
        raise
    except Exception as error:
        raise PluginError(f"{owner} cannot inspect {opening.path}: {one_line(error)}") from error
    if not isinstance(found, Inspection):
        raise PluginError(f"{owner}: its `inspects` gave a {type(found).__name__}, expected an Inspection")
    return found


def _built(source: AbstractSource) -> Inspection:
    """What any source says of itself."""
    from quasistatic._data.source import SPLITS
    from quasistatic._plugins.inspection import Inspection

    sizes = {name: len(source.split(name)) for name in SPLITS}
    notes = dict.fromkeys((*source.notes, "splits: " + ", ".join(f"{size} {name}" for name, size in sizes.items())))
    return Inspection(f"events: {source.event.describe()}", tuple(notes), details={"splits": sizes}, source=source)


def _fitting_kernel(recipe: Recipe, source: AbstractSource | None, manager: PluginManager) -> dict[str, Any]:
    """The setting of another kernel where the recipe's does not take such events."""
    if source is None or recipe.choices["kernel"].component.takes(source.event):
        return {}
    from quasistatic._recipes.wire import fitting_kernels

    fitting = fitting_kernels(source.event, manager)
    return {"kernel.use": fitting[0]} if fitting else {}


def _kept(overrides: tuple[str, ...], options: dict[str, Any]) -> list[str]:
    """What the user has set and nothing that is suggested takes the place of."""
    return [each for each in overrides if each.partition("=")[0].strip() not in options]


def _settings(options: dict[str, Any]) -> list[str]:
    from quasistatic._recipes.overrides import as_override

    return [as_override(path, value) for path, value in options.items()]


def _json(opening: Opening, found: Inspection, options: dict[str, Any], command: str | None) -> dict[str, Any]:
    return {
        "path": opening.path,
        "recipe": opening.recipe.name,
        "what": found.what,
        "event": None if found.source is None else found.source.event.describe(),
        **found.details,
        "options": options,
        "notes": list(found.notes),
        "problem": found.problem,
        "command": command,
    }


def _draw(source: AbstractSource, out: Path) -> None:
    """The overview of a source that has one, else some events."""
    from quasistatic._data.source import capability
    from quasistatic._process.tree import take
    from quasistatic._report.pictures import encode, samples
    from quasistatic._report.reporting import AbstractOverview
    from quasistatic._storage.files import write_durably

    xs, looking = source.split("train").x, capability(source, AbstractOverview)
    drawn = None if looking is None else looking.overview(xs)
    figure = samples(source, take(xs, slice(25))) if drawn is None else drawn
    write_durably(out, encode(figure, out.suffix.lower()[1:]))
