"""quasistatic thermo, schedule and landscape"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import quasistatic as qs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quasistatic_plugins.thermodynamics.lines import Line

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
    out = _kept(drawing.page(found, run.source.event.size), out, folder, "thermodynamics")
    about = {"run": str(folder), "trajectory_steps": found.steps, "notes": found.notes, "picture": str(out)}
    _told(about, found.lines, (*found.notes, f"picture: {out}"), as_json)


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(2), help="T of the chain; by default that of training.")
@click.option(
    "--objective",
    type=click.Choice(["bound", "ancestral", "ode", "entropic"]),
    default="bound",
    show_default=True,
    help="What all steps are to have alike: cost in K, in the samples of the chain, or of the probability flow; or information.",
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
    from quasistatic_plugins.thermodynamics import schedules

    run = qs.open_run(folder, manager)
    found = schedules.improve(run, steps=steps, objective=objective, events=events, rounds=rounds, seed=seed)
    name = f"{objective}-{len(found.after)}"
    qs.write_grid(out, name, found.after, objective=objective, run=str(folder), rounds=found.rounds)
    _told({"run": str(folder), "name": name, "grid": str(out)}, found.lines, (f"grid {name}: {out}",), as_json)


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-n", "--events", type=click.IntRange(2), default=64, show_default=True, help="Test events that ascend to modes.")
@click.option(
    "--smallest",
    type=click.FloatRange(0, min_open=True),
    default=0.3,
    show_default=True,
    help="Deviation of the noise, in model units, at which modes are first looked for.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all noise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--out", type=click.Path(path_type=Path), callback=_picture, metavar="FILE",
              help="Where the picture goes; by default pictures/landscape.png of the run.")  # fmt: skip
@click.pass_obj
def landscape(
    manager: qs.PluginManager, folder: Path, events: int, smallest: float, seed: int, as_json: bool, out: Path | None
) -> None:
    """The energy landscape of a finished RUN: whether its field has an energy, its modes, and how they merge as noise rises.

    For Gaussian noise. Modes are tracked, not counted: in more than one dimension noise can also make new ones.
    """
    from quasistatic_plugins.thermodynamics import landscape as survey

    run = qs.open_run(folder, manager)
    found = survey.survey(run, events=events, smallest=smallest, seed=seed)
    out = _kept(survey.page(found, qs.pictures.customary_unit(run.source.event.size)), out, folder, "landscape")
    _told({"run": str(folder), "picture": str(out)}, found.lines, (f"picture: {out}",), as_json)


def _kept(figure: Figure, out: Path | None, folder: Path, name: str) -> Path:
    """The picture's place, where it now is: among the run's pictures unless said otherwise."""
    if out is None:
        out = folder / "pictures" / f"{name}.png"
        out.parent.mkdir(exist_ok=True)
    qs.write_durably(out, qs.pictures.encode(figure, out.suffix.lower()[1:]))
    return out


def _told(about: Mapping[str, Any], lines: Iterable[Line], ending: Iterable[str], as_json: bool) -> None:
    """Lines for people with an ending, or one JSON object with what it is about."""
    if as_json:
        values = {line.name: line.to_dict() for line in lines}
        click.echo(json.dumps(_finite({**about, "values": values}), indent=2))
        return
    for text in (*map(_row, lines), *ending):
        click.echo(text)


def _row(line: Line) -> str:
    if line.doubt is not None:
        return f"{line.label:48} refused: {line.doubt}"
    value = f"{line.value:.4f}" if abs(line.value) < 1e5 else f"{line.value:.4g}"
    error = "" if math.isnan(line.standard_error) else f" +- {line.standard_error:.4f}"
    return f"{line.label:48} {f'{value}{error} {line.unit}'.rstrip():28} per {line.per}; {line.samples}"


def _finite(value: object) -> object:
    """JSON has no number for what is not finite: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
