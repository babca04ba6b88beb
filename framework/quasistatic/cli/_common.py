"""What the commands share: their options, and how they print."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from quasistatic._plugins.manager import PluginManager
from quasistatic.errors import DataError, QuasistaticError, printable

if TYPE_CHECKING:
    from quasistatic._process.estimate import Estimate
    from quasistatic._process.grid import Steps
    from quasistatic._recipes.recipe import Recipe
    from quasistatic._runs.run import Run
    from quasistatic._storage.folder import RunFolder

F = TypeVar("F", bound=Callable[..., Any])


class WholeNumber(click.IntRange):
    """A whole number from `min` to `max`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            int(value)
        except ValueError:
            self.fail(f"expected a whole number, got {value!r:.80}", param, ctx)
        return super().convert(value, param, ctx)


def manager_of(ctx: click.Context) -> PluginManager:
    """The plugins of this call, as its -p, --no-plugin and --only-plugin want them; loaded when first asked for."""
    root = ctx.find_root()
    if root.obj is None:
        modules = root.params.get("modules") or ()
        if modules and os.getcwd() not in sys.path:  # last, so that nothing here hides what is installed
            sys.path.append(os.getcwd())
        root.obj = PluginManager(modules, root.params.get("blocked") or (), root.params.get("only") or ())
    return root.obj


def completer(function: Callable[..., list[CompletionItem]]) -> Callable[..., list[CompletionItem]]:
    """What completes a word; where that fails nothing is offered, as a shell has no place for a message."""

    @functools.wraps(function)
    def complete(*args: Any, **kwargs: Any) -> list[CompletionItem]:
        try:
            return function(*args, **kwargs)
        except QuasistaticError:
            return []

    return complete


@completer
def _complete_recipe(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    found = [CompletionItem(named.name, help=named.summary) for named in manager_of(ctx).recipes()]
    return [item for item in found if item.value.startswith(start)] or [CompletionItem(start, type="file")]


@completer
def _complete_override(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from quasistatic._recipes.recipe import load_recipe

    # click has not come to the arguments when the last option still lacks its value
    names = [name for name in (ctx.params.get("recipe"), *ctx.args) if name]
    recipe = load_recipe(names[0], (), manager_of(ctx)).to_dict() if names else {}
    paths = dict.fromkeys(["seed", *_paths(recipe)])
    return [CompletionItem(f"{path}=") for path in paths if path.startswith(start)]


def _paths(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted paths of all values in nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield prefix + key


recipe_argument = click.argument("recipe", shell_complete=_complete_recipe)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override an option of the recipe, such as training.updates=3000. May be repeated.",
    shell_complete=_complete_override,
)
folder_argument = click.argument("folder", type=click.Path(path_type=Path))
grid_option = click.option(
    "--grid",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The times of the chain, from `quasistatic schedule`, in the place of --steps.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def shape_of(text: str) -> tuple[int, ...] | None:
    """(8, 8, 3) of '8x8x3'; None of what is no shape."""
    return tuple(map(int, text.split("x"))) if re.fullmatch(r"\d{1,5}(x\d{1,5})*", text) else None


def chain_of(run: Run, steps: int | None, grid: Path | None) -> Steps:
    """What --steps or --grid say of the chain. Raises InputError for a file that is no grid for this run."""
    from quasistatic._runs.grids import read_grid

    return steps if grid is None else read_grid(grid, run.diffusion.kernel)


def refuse_both(steps: int | None, grid: Path | None) -> None:
    """--steps and --grid are two ways to say one thing."""
    if grid is not None:
        if steps is not None:
            raise click.UsageError("--steps and --grid exclude one another: a grid has its own number of steps")
        refuse_absent(grid)


def recipe_of(ctx: click.Context, name: str, overrides: Sequence[str] = ()) -> Recipe:
    """The resolved recipe that RECIPE and --set name; of data, how they were opened is printed on stderr, but not with --quiet."""
    from quasistatic._recipes.opening import opening_of
    from quasistatic._recipes.recipe import load_opened, load_recipe

    manager = manager_of(ctx)
    opening = opening_of(name, manager)
    if opening is None:
        return load_recipe(name, overrides, manager)
    if (note := opening.note()) and not ctx.params.get("quiet"):
        echo(note, err=True)
    return load_opened(opening, overrides, manager)


def run_folder(path: Path) -> RunFolder:
    """The run in a folder. What is wrong with it is known before anything heavy is imported. Raises RunError."""
    from quasistatic._storage.folder import RunFolder

    return RunFolder.open(path)


def refuse_absent(path: str | Path) -> None:
    """A file of data that is not there is known at once, where jax takes a while. Raises DataError."""
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such file in {path.parent if path.is_absolute() else Path.cwd()}")


def echo(text: str, err: bool = False, nl: bool = True) -> None:
    """Print, without what a terminal would obey: names of plugins and columns come from files."""
    click.echo(printable(text), err=err, nl=nl)


def echo_json(value: Any) -> None:
    """One JSON value on stdout; numbers that are not finite become null."""
    echo(json.dumps(_finite(value), indent=2))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


def echo_values(rows: Iterable[tuple[str, Estimate]]) -> None:
    """Labels and their values on stdout, in the units that people read."""
    from quasistatic._report.summary import in_units

    shown = [(label, *in_units(value)) for label, value in rows]
    echo_table([""] * max(map(len, shown)), shown)


def echo_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout: folded to the width of a terminal, never folded in a pipe."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=None, show_header=any(headers), pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        echo(line.rstrip())
