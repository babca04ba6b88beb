"""quasistatic thermo, schedule and landscape"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    from quasistatic_plugins.thermodynamics.lines import Line

CAPTION = (
    "What each step adds to -K, and how much of that is dissipated. Log-weights of forward paths and of the model's own, which "
    "cross at log p. What a state has of its event. The entropy of each step back, above the least that the data "
    "allow. Bands around lines are two standard errors on each side."
)
MODES = "Modes of noisy data, and how they merge as the noise rises"


@click.command()
@parts.run_argument
@parts.number_option(256, "Test events, and as many of the model.", least=2, name="--events")
@click.option(
    "--paths",
    type=parts.WholeNumber(2),
    help="Forward paths of each event; by default 128, and 8 of events of more than 32 elements.",
)
@parts.steps_option()
@parts.seed_option
@parts.json_option
@parts.out_option(parts.PICTURES, "Where the picture goes; by default it and thermodynamics.html go to the run.")
@click.pass_obj
def thermo(
    manager: qs.PluginManager,
    folder: Path,
    events: int,
    paths: int | None,
    steps: int | None,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Work, dissipation and entropy production of a finished RUN, as a table and a picture.

    Every value has its unit, samples and standard error; one that the samples cannot support is refused, with the reason.
    """
    from quasistatic_plugins.thermodynamics import drawing, observatory, pages

    run = qs.open_run(folder, manager)
    found = observatory.observe(run, steps=steps, events=events, paths=paths, seed=seed)
    drawn = drawing.panels(found, run.source.event.size)
    kept = pages.kept(run, folder, "thermodynamics", "Work and dissipation", drawn, found.lines, [CAPTION, *found.notes], out)
    about = {"run": str(folder), "trajectory_steps": found.steps, "notes": found.notes, **kept}
    _show(about, found.lines, (*found.notes, *_places(kept)), as_json)


@click.command()
@parts.run_argument
@parts.steps_option(2)
@click.option(
    "--objective",
    type=click.Choice(["bound", "ancestral", "ode", "entropic"]),
    default="bound",
    show_default=True,
    help="Quantity to equalise over the steps: loss in K (bound), sampling error (ancestral), ODE error (ode) or information "
    "(entropic).",
)
@parts.number_option(512, "Validation events, and test events.", least=2, name="--events")
@click.option("--rounds", type=parts.WholeNumber(1), default=6, show_default=True, help="How often the steps are moved, at most.")
@parts.seed_option
@parts.json_option
@parts.out_option([".json"], "The grid, for `sample --grid` and `evaluate --grid`.", required=True)
@click.pass_obj
def schedule(
    manager: qs.PluginManager,
    folder: Path,
    steps: int | None,
    objective: Literal["bound", "ancestral", "ode", "entropic"],
    events: int,
    rounds: int,
    seed: int,
    as_json: bool,
    out: Path,
) -> None:
    """Move the steps of a finished RUN's chain to where all dissipate the same, at fixed T and fixed ends.

    Measured on validation events, and compared on test events. No grid is best for everything: the table shows what the new
    one does to the other objectives too.
    """
    from quasistatic_plugins.thermodynamics import drawing, pages, schedules

    run = qs.open_run(folder, manager)
    found = schedules.improve(run, steps=steps, objective=objective, events=events, rounds=rounds, seed=seed)
    name = f"{objective}-{len(found.after)}"
    qs.grids.write_grid(out, name, found.after, objective=objective, run=str(folder), rounds=found.rounds)
    drawn = drawing.steps(found, name, run.source.event.size)
    kept = pages.kept(run, folder, "schedule", "Better steps", drawn, found.lines, [f"Grid {name}: {out}"])
    about = {"run": str(folder), "name": name, "grid": str(out), **kept}
    _show(about, found.lines, (f"grid {name}: {out}", *_places(kept)), as_json)


@click.command()
@parts.run_argument
@parts.number_option(64, "Test events that ascend to modes.", least=2, name="--events")
@click.option(
    "--smallest",
    type=click.FloatRange(0, min_open=True),
    default=0.3,
    show_default=True,
    help="Deviation of the noise, in model units, at which modes are first looked for.",
)
@parts.seed_option
@parts.json_option
@parts.out_option(parts.PICTURES, "Where the picture goes; by default it and landscape.html go to the run.")
@click.pass_obj
def landscape(
    manager: qs.PluginManager, folder: Path, events: int, smallest: float, seed: int, as_json: bool, out: Path | None
) -> None:
    """The energy landscape of a finished RUN: whether its field has an energy, its modes, and how they merge as noise rises.

    For Gaussian noise. Modes are tracked, not counted: in more than one dimension noise can also make new ones.
    """
    if not math.isfinite(smallest):
        raise click.UsageError(f"--smallest: expected a finite number, got {smallest}")
    from quasistatic_plugins.thermodynamics import landscape as survey
    from quasistatic_plugins.thermodynamics import pages

    run = qs.open_run(folder, manager)
    found = survey.survey(run, events=events, smallest=smallest, seed=seed)
    drawn = survey.panels(found, qs.pictures.customary_unit(run.source.event.size))
    kept = pages.kept(run, folder, "landscape", "The energy landscape", drawn, found.lines, [MODES], out)
    _show({"run": str(folder), **kept}, found.lines, _places(kept), as_json)


def _places(kept: Mapping[str, str]) -> Iterable[str]:
    return (f"{what}: {place}" for what, place in kept.items())


def _show(about: Mapping[str, Any], lines: Iterable[Line], ending: Iterable[str], as_json: bool) -> None:
    """Lines for people with an ending, or one JSON object with what it is about."""
    if as_json:
        values = {line.name: line.to_dict() for line in lines}
        parts.echo_json({**about, "values": values})
        return
    for text in (*map(_row, lines), *ending):
        parts.echo(text)


def _row(line: Line) -> str:
    if line.doubt is not None:
        return f"{line.label:48} refused: {line.doubt}"
    return f"{line.label:48} {line.shown():28} per {line.per}; {line.samples}"
