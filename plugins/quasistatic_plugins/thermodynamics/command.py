"""quasistatic thermo and schedule"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

import quasistatic as qs

if TYPE_CHECKING:
    from quasistatic_plugins.thermodynamics.observatory import Line

PICTURES = (".png", ".svg", ".pdf")


def _checked(out: Path, endings: tuple[str, ...]) -> Path:
    if out.suffix.lower() not in endings:
        raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(endings)}")
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"{out}: the folder {out.parent} does not exist")
    return out


def _picture(_ctx: click.Context, _parameter: click.Parameter, out: Path | None) -> Path | None:
    return None if out is None else _checked(out, PICTURES)


def _grid(_ctx: click.Context, _parameter: click.Parameter, out: Path) -> Path:
    return _checked(out, (".json",))


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "-n", "--events", type=click.IntRange(2), default=256, show_default=True, help="Test events, and as many of the model."
)
@click.option("--paths", type=click.IntRange(2), default=128, show_default=True, help="Forward paths of each event.")
@click.option("--steps", type=click.IntRange(1), help="T of the chain; by default that of training.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all noise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--out", type=click.Path(path_type=Path), callback=_picture, metavar="FILE",
              help="Where the picture goes; by default pictures/thermodynamics.png of the run.")  # fmt: skip
@click.pass_obj
def thermo(
    manager: qs.PluginManager, folder: Path, events: int, paths: int, steps: int | None, seed: int, as_json: bool, out: Path | None
) -> None:
    """Work, dissipation and entropy production of a finished RUN, as a table and a picture.

    Every value has its unit, samples and standard error; one that the samples cannot support is refused, with the reason.
    """
    from quasistatic_plugins.thermodynamics import drawing, observatory

    run = qs.open_run(folder, manager)
    found = observatory.observe(run, steps=steps, events=events, paths=paths, seed=seed)
    if out is None:
        out = folder / "pictures" / "thermodynamics.png"
        out.parent.mkdir(exist_ok=True)
    figure = drawing.page(found, run.source.event.size)
    qs.write_durably(out, qs.pictures.encode(figure, out.suffix.lower()[1:]))
    if as_json:
        lines = {line.name: line.to_dict() for line in found.lines}
        values = {"run": str(folder), "trajectory_steps": found.steps, "values": lines, "notes": found.notes, "picture": str(out)}
        click.echo(json.dumps(_finite(values), indent=2))
        return
    for line in found.lines:
        click.echo(_row(line))
    for note in found.notes:
        click.echo(note)
    click.echo(f"picture: {out}")


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(2), help="T of the chain; by default that of training.")
@click.option(
    "--objective",
    type=click.Choice(["bound", "ancestral"]),
    default="bound",
    show_default=True,
    help="What all steps are to dissipate alike: of K, or of the samples that the chain draws.",
)
@click.option("-n", "--events", type=click.IntRange(2), default=512, show_default=True, help="Validation events, and test events.")
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True, help="How often the steps are moved, at most.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all noise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, callback=_grid, metavar="FILE.json",
              help="The grid, for `sample --grid` and `evaluate --grid`.")  # fmt: skip
@click.pass_obj
def schedule(
    manager: qs.PluginManager,
    folder: Path,
    steps: int | None,
    objective: Literal["bound", "ancestral"],
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
    from quasistatic_plugins.thermodynamics import schedules

    run = qs.open_run(folder, manager)
    found = schedules.improve(run, steps=steps, objective=objective, events=events, rounds=rounds, seed=seed)
    name = f"{objective}-{len(found.after)}"
    qs.write_grid(out, name, found.after, objective=objective, run=str(folder), rounds=found.rounds)
    if as_json:
        lines = {line.name: line.to_dict() for line in found.lines}
        click.echo(json.dumps(_finite({"run": str(folder), "name": name, "grid": str(out), "values": lines}), indent=2))
        return
    for line in found.lines:
        click.echo(_row(line))
    click.echo(f"grid {name}: {out}")


def _row(line: Line) -> str:
    if line.doubt is not None:
        return f"{line.label:48} refused: {line.doubt}"
    error = "" if math.isnan(line.standard_error) else f" +- {line.standard_error:.4f}"
    return f"{line.label:48} {f'{line.value:.4f}{error} {line.unit}'.rstrip():28} per {line.per}; {line.samples}"


def _finite(value: object) -> object:
    """JSON has no number for what is not finite: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
