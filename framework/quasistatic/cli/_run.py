"""quasistatic run, train and resume"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quasistatic._process.progress import listening
from quasistatic.cli._common import manager_of, recipe_argument, recipe_of, set_option
from quasistatic.cli._programs import traced
from quasistatic.cli.parts import (
    SEEDS,
    WholeNumber,
    echo,
    echo_json,
    echo_values,
    json_option,
    refuse_absent,
    run_argument,
    run_folder,
)

if TYPE_CHECKING:
    from quasistatic._runs.job import Job
    from quasistatic._runs.run import Run

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of the run; by default runs/RECIPE-001, -002 and so on.",
)
start_option = click.option(
    "--from",
    "start_from",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Begin with the weights of the run in this folder, which has the same event, kernel and network.",
)
seed_option = click.option("--seed", type=WholeNumber(*SEEDS), help="Seed of the run; by default the recipe's.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")


@click.command()
@recipe_argument
@out_option
@start_option
@seed_option
@set_option
@quiet_option
@json_option
@click.option("--trace-programs", "trace", is_flag=True, help="List on stderr which programs jax compiled, and for which shapes.")
@click.pass_context
def run(
    ctx: click.Context,
    recipe: str,
    out: Path | None,
    start_from: Path | None,
    seed: int | None,
    overrides: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    trace: bool,
) -> None:
    """Train, evaluate, draw samples and write a report.

    RECIPE is a name that `quasistatic recipes` lists, a path to a TOML file, or a path to your own data, such as my.csv or a
    folder of pictures (`quasistatic inspect my.csv` looks at them first). The folder of the run gets report.html.
    """
    with traced(trace):
        job = _start(ctx, recipe, out, start_from, seed, overrides)
        _conclude(_train(job, quiet or as_json), job, quiet, as_json)


@click.command()
@recipe_argument
@out_option
@start_option
@seed_option
@set_option
@quiet_option
@click.pass_context
def train(
    ctx: click.Context,
    recipe: str,
    out: Path | None,
    start_from: Path | None,
    seed: int | None,
    overrides: tuple[str, ...],
    quiet: bool,
) -> None:
    """Train a recipe in a new run folder, and no more.

    RECIPE is a name that `quasistatic recipes` lists, a path to a TOML file, or a path to your own data.
    """
    job = _start(ctx, recipe, out, start_from, seed, overrides)
    trained = _train(job, quiet)
    if not quiet:
        from quasistatic._report.summary import kept_lines

        for line in kept_lines(trained):
            echo(line)
        echo(f"trained: {_path(job)}  (quasistatic evaluate {_path(job)})")


@click.command()
@run_argument
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Where the data of the run are, for one of someone else's, or where they were moved; later commands know it.",
)
@quiet_option
@json_option
@click.pass_context
def resume(ctx: click.Context, folder: Path, data: tuple[Path, ...], quiet: bool, as_json: bool) -> None:
    """Go on with a run that was stopped, bit for bit as if it had not been, then evaluate it and write its report.

    Data are looked for where you named them when you started the run, or with --data, and must be the same to the byte.
    """
    run_folder(folder)
    for place in data:
        refuse_absent(place)
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    from quasistatic._runs.job import reopen
    from quasistatic._runs.naming import name_data

    job = reopen(folder, manager_of(ctx), data)
    if data and job.folder is not None:
        name_data(job.folder, data)
    _conclude(_train(job, quiet or as_json), job, quiet, as_json)


def _start(
    ctx: click.Context, name: str, out: Path | None, start_from: Path | None, seed: int | None, overrides: tuple[str, ...]
) -> Job:
    """A new job in its run folder."""
    if start_from is not None:
        run_folder(start_from)
    if seed is not None:
        overrides = (*overrides, f"seed={seed}")
    recipe = recipe_of(ctx, name, overrides)
    if (path := getattr(recipe.choices["source"].options, "path", None)) and path != "-":  # that is the standard input
        refuse_absent(path)
    if out is not None:
        from quasistatic._storage.folder import RunFolder

        RunFolder(out).refuse_used()
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    from quasistatic._runs.job import start

    return start(recipe, manager_of(ctx), out, start_from)


def _path(job: Job) -> Path:
    assert job.folder is not None
    return job.folder.path


def _train(job: Job, quiet: bool) -> Run:
    """Train until the recipe's end; a signal saves, says how to go on, and exits."""
    from quasistatic.cli._stop import stop_on_signals

    for note in job.notes:
        echo(f"note: {note}", err=True)
    with stop_on_signals() as stop:
        if not quiet:
            _announce(job)
        with listening(None):  # training has a bar of its own
            trained = job.train(stop=stop, report=_warn, quiet=quiet)
        for note in trained.notes[len(job.notes) :]:
            echo(f"note: {note}", err=True)
        if stop() and not trained.is_done:
            with contextlib.suppress(OSError):  # of SIGHUP the terminal is gone
                echo(
                    f"stopped after update {trained.updates_done}, all saved; 'quasistatic resume {_path(job)}' goes on",
                    err=True,
                )
            sys.exit(stop.exit_code)
    return trained


def _warn(message: str) -> None:
    echo(f"warning: {message}", err=True)


def _announce(job: Job) -> None:
    """What is going to happen, before it does."""
    recipe, task = job.recipe, job.task
    parameters, state_bytes = task.sizes()
    most = "up to " if recipe.training.patience < 1 else ""
    chosen = ", ".join(f"{kind} {recipe.choices[kind].component.name}" for kind in ("source", "kernel", "model", "objective"))
    for line in (
        f"{recipe.name}: {chosen}",
        f"  {task.source.event.describe()} per event; T = {recipe.trajectory.steps}; "
        f"{most}{recipe.training.updates} updates of {recipe.training.batch} events; seed {recipe.seed}",
        f"  {parameters} parameters, {state_bytes / 2**20:.1f} MiB of state",
        *([] if job.beginning is None else [f"  begins with the weights of {job.beginning}"]),
        *(f"  {note}" for note in task.source.notes),
        f"  in {_path(job)}",
    ):
        echo(line, err=True)


def _conclude(trained: Run, job: Job, quiet: bool, as_json: bool) -> None:
    """Evaluate, write the report, and print what was found."""
    from quasistatic._report.run_report import run_report
    from quasistatic._report.summary import all_rows, kept_lines, planned_line, summarise
    from quasistatic._storage.files import write_durably

    folder = job.folder
    assert folder is not None
    with listening(None) if quiet else contextlib.nullcontext():
        if not (quiet or as_json):
            echo(planned_line(trained), err=True)
        summary = summarise(trained)
        with folder.lock():
            write_durably(folder.report, run_report(summary, folder, job.manager).encode())
    if not quiet:
        for text in summary.advice():
            _warn(text)
    if as_json:
        echo_json({"folder": str(folder.path), "report": str(folder.report), **summary.to_dict()})
    elif not quiet:
        echo_values(all_rows(summary))
        for line in kept_lines(trained):
            echo(line)
        echo(f"report: {folder.report}")
