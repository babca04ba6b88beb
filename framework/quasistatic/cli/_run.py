"""quasistatic run, train and resume"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quasistatic.cli._common import (
    echo_json,
    echo_table,
    json_option,
    manager_of,
    recipe_argument,
    recipe_of,
    set_option,
)

if TYPE_CHECKING:
    from quasistatic._folder import RunFolder
    from quasistatic._observe import AbstractObserver
    from quasistatic._plugins import PluginManager
    from quasistatic._recipe import Recipe
    from quasistatic._run import Run

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of the run; by default runs/RECIPE-001, -002 and so on.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of the run; by default the recipe's."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")


@click.command()
@recipe_argument
@out_option
@seed_option
@set_option
@quiet_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    recipe: str,
    out: Path | None,
    seed: int | None,
    overrides: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Train, evaluate, draw samples and write a report.

    RECIPE is a name that `quasistatic recipes` lists, or a path to a TOML file. The folder of the run gets report.html.
    """
    folder = _start(ctx, recipe, out, seed, overrides)
    _conclude(_train(ctx, folder, quiet or as_json), folder, quiet, as_json)


@click.command()
@recipe_argument
@out_option
@seed_option
@set_option
@quiet_option
@click.pass_context
def train(
    ctx: click.Context, recipe: str, out: Path | None, seed: int | None, overrides: tuple[str, ...], quiet: bool
) -> None:
    """Train a recipe in a new run folder, and no more.

    RECIPE is a name that `quasistatic recipes` lists, or a path to a TOML file.
    """
    folder = _start(ctx, recipe, out, seed, overrides)
    _train(ctx, folder, quiet)
    if not quiet:
        click.echo(f"trained: {folder.path}  (quasistatic evaluate {folder.path})")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@quiet_option
@json_option
@click.pass_context
def resume(ctx: click.Context, folder: Path, quiet: bool, as_json: bool) -> None:
    """Go on with a run that was stopped, bit for bit as if it had not been, then evaluate it and write its report."""
    from quasistatic._folder import RunFolder

    opened = RunFolder.open(folder)
    _conclude(_train(ctx, opened, quiet or as_json), opened, quiet, as_json)


def _start(ctx: click.Context, name: str, out: Path | None, seed: int | None, overrides: tuple[str, ...]) -> RunFolder:
    """A new run folder for the resolved recipe."""
    if seed is not None:
        overrides = (*overrides, f"seed={seed}")
    recipe, manager = recipe_of(ctx, name, overrides), manager_of(ctx)
    from quasistatic._folder import RunFolder, default_path
    from quasistatic._provenance import about
    from quasistatic._wire import wire
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    wire(recipe, manager)  # whatever does not fit is said before a folder is made
    return RunFolder.create(out or default_path(recipe.name), recipe.to_toml(), about(recipe, manager))


def _train(ctx: click.Context, folder: RunFolder, quiet: bool) -> Run:
    """Train in the folder until the recipe's end; a signal saves, says how to go on, and exits."""
    from quasistatic._provenance import kept_recipe
    from quasistatic._run import train_wired
    from quasistatic._store import Store
    from quasistatic._wire import wire
    from quasistatic.cli._jax import configure_jax
    from quasistatic.cli._stop import stop_on_signals

    configure_jax()
    manager = manager_of(ctx)
    recipe, changed = kept_recipe(folder, manager)
    for note in changed:
        click.echo(f"note: {note}", err=True)
    wired = wire(recipe, manager)
    with folder.lock(), stop_on_signals() as stop:
        observers = _observers(recipe, manager, folder, quiet)
        if not quiet:
            _announce(wired, folder)
        trained = train_wired(wired, observers, Store(folder.checkpoints, recipe.training.keep), stop)
        for note in trained.notes:
            click.echo(f"note: {note}", err=True)
        if stop() and trained.steps_done < recipe.training.steps:
            click.echo(
                f"stopped after step {trained.steps_done}, all saved; 'quasistatic resume {folder.path}' goes on",
                err=True,
            )
            sys.exit(stop.exit_code)
    return trained


def _observers(recipe: Recipe, manager: PluginManager, folder: RunFolder, quiet: bool) -> list[AbstractObserver]:
    from quasistatic._wire import wire_observer

    def report(message: str) -> None:
        click.echo(f"warning: {message}", err=True)

    wanted = [choice for choice in recipe.observers if not (quiet and choice.component.name == "progress")]
    return [wire_observer(choice, manager, folder.path, report) for choice in wanted]


def _announce(wired: Any, folder: RunFolder) -> None:
    """What is going to happen, before it does."""
    from quasistatic._engine import count_bytes, count_parameters, initial_state, make_optimiser

    recipe = wired.recipe
    state = initial_state(wired.diffusion, make_optimiser(recipe.training))
    chosen = ", ".join(
        f"{kind} {getattr(recipe, kind).component.name}" for kind in ("source", "kernel", "model", "objective")
    )
    for line in (
        f"{recipe.name}: {chosen}",
        f"  {wired.source.event.describe()} per event; T = {recipe.trajectory.steps}; "
        f"{recipe.training.steps} updates of {recipe.training.batch} events; seed {recipe.seed}",
        f"  {count_parameters(state)} parameters, {count_bytes(state) / 2**20:.1f} MiB of state",
        *(f"  {note}" for note in wired.source.notes),
        f"  in {folder.path}",
    ):
        click.echo(line, err=True)


def _conclude(trained: Run, folder: RunFolder, quiet: bool, as_json: bool) -> None:
    """Evaluate, write the report, and print what was found."""
    from quasistatic._files import write_durably
    from quasistatic._run_report import run_report
    from quasistatic._summary import summarise, table

    summary = summarise(trained)
    with folder.lock():
        write_durably(folder.report, run_report(summary, folder).encode())
    if as_json:
        echo_json({"folder": str(folder.path), "report": str(folder.report), **summary.to_dict()})
    elif not quiet:
        echo_table(("", ""), list(table(summary)))
        click.echo(f"report: {folder.report}")
