"""Parts of commands, for those of plugins too, so that all look and behave the same: options, chains, what is printed, pictures.

    from quasistatic.cli import parts

    @click.command()
    @parts.run_argument
    @parts.number_option(64, "Number of events.")
    @parts.seed_option
    @parts.json_option
    @click.pass_obj
    def count(manager, folder, number, seed, as_json): ...

Nothing here imports jax before a command computes. Progress needs no part: every command shows how far long computations are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from quasistatic._training.options import MOST_STEPS
from quasistatic.errors import DataError, printable

if TYPE_CHECKING:
    from quasistatic._process.estimate import Estimate
    from quasistatic._process.grid import Steps
    from quasistatic._runs.run import Run
    from quasistatic._storage.folder import RunFolder

F = TypeVar("F", bound=Callable[..., Any])

PICTURES = (".png", ".svg", ".pdf")  # endings of a picture that `pictures.encode` can draw
SEEDS = (0, 2**32 - 1)


class WholeNumber(click.IntRange):
    """A whole number from `min` to `max`, called NUMBER in a help."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            int(value)
        except ValueError:
            self.fail(f"expected a whole number, got {value!r:.80}", param, ctx)
        return super().convert(value, param, ctx)


run_argument = click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
grid_option = click.option(
    "--grid",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use the times in this file (from `quasistatic schedule`) instead of --steps.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
data_option = click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="Events of a file instead of those of the run's own source."
)
per_event_option = click.option(
    "--per-event", type=click.Path(path_type=Path), metavar="OUT.csv", help="Also write a table with a line for every record."
)
seed_option = click.option("--seed", type=WholeNumber(*SEEDS), default=0, show_default=True, help="Seed of all noise.")


def steps_option(least: int = 1) -> Callable[[F], F]:
    """--steps, T of the chain: an argument `steps`, None where it is that of training."""
    return click.option("--steps", type=WholeNumber(least, MOST_STEPS), help="T of the chain; by default that of training.")


def number_option(default: int | None, help: str, least: int = 1, name: str = "--number") -> Callable[[F], F]:
    """-n, how many events: an argument `number`, or what `name` is called."""
    return click.option("-n", name, type=WholeNumber(least), default=default, show_default=default is not None, help=help)


def out_option(endings: Sequence[str], help: str, required: bool = False) -> Callable[[F], F]:
    """-o, where a file goes: an argument `out`, a path with one of these endings in a folder that exists."""

    def checked(_ctx: click.Context, _parameter: click.Parameter, out: Path | None) -> Path | None:
        if out is not None and out.suffix.lower() not in endings:
            raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(endings)}")
        if out is not None and not out.absolute().parent.is_dir():
            raise click.BadParameter(f"{out}: the folder {out.parent} does not exist")
        return out

    path = click.Path(path_type=Path)
    return click.option("-o", "--out", type=path, required=required, callback=checked, metavar="FILE", help=help)


def chain_of(run: Run, steps: int | None, grid: Path | None) -> Steps:
    """The chain of --steps or --grid. Raises InputError for a file that is not a grid for this run."""
    from quasistatic._runs.grids import read_grid

    return steps if grid is None else read_grid(grid, run.diffusion.kernel)


def refuse_both(steps: int | None, grid: Path | None) -> None:
    """--steps and --grid exclude one another. Raises UsageError, and DataError for a grid that is not there."""
    if grid is not None:
        if steps is not None:
            raise click.UsageError("--steps and --grid exclude one another: a grid has its own number of steps")
        refuse_absent(grid)


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
    if isinstance(value, Mapping):
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
