"""quasistatic archive"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    import numpy as np


@click.command()
@parts.run_argument
@click.argument("out", type=click.Path(path_type=Path))
@parts.number_option(64, "Number of samples.")
@parts.seed_option
@parts.steps_option()
@click.pass_obj
def archive(manager: qs.PluginManager, folder: Path, out: Path, number: int, seed: int, steps: int | None) -> None:
    """Write samples of a finished RUN, in the units of its data, to OUT: .npy, or .csv with a row per event.

    OUT.json beside it describes them: recipe, seed, T, number, units, and K of the run on its test split.
    """
    if out.suffix not in (".npy", ".csv"):
        raise qs.InputError(f"{out}: expected a name that ends with .npy or .csv")
    if not out.absolute().parent.is_dir():
        raise qs.InputError(f"{out}: the folder {out.parent} does not exist")
    run = qs.open_run(folder, manager)
    if not isinstance(run.source.event, qs.AbstractField):
        raise qs.InputError(f"{folder}: its events have several parts; `quasistatic sample` writes them as .npz")
    write(out, run.sample(number, seed=seed, steps=steps))
    beside = out.with_name(f"{out.name}.json")
    qs.files.write_durably(beside, json.dumps(describe(run, number, seed, steps), indent=2).encode())
    parts.echo(f"{number} samples: {out}, described in {beside}")


def write(out: Path, xs: np.ndarray) -> None:
    """Events (N, *event); a .csv has a column for each element, with a name, and as many digits as float32 holds."""
    import numpy as np

    file = io.BytesIO()
    if out.suffix == ".npy":
        np.save(file, xs)
    else:
        names = ("x" + "_".join(map(str, index)) for index in np.ndindex(xs.shape[1:]))
        np.savetxt(file, xs.reshape(len(xs), -1), "%.9g", ",", header=",".join(names), comments="")
    qs.files.write_durably(out, file.getvalue())


def describe(run: qs.Run, number: int, seed: int, steps: int | None) -> dict[str, Any]:
    """What the samples are, as JSON values; K is that of the events' model units."""
    import numpy as np

    source, measured = run.source, run.evaluate("test", steps=steps).to_dict()
    scale, shift = (np.asarray(each).tolist() for each in (source.units.scale, source.units.shift))
    return {
        "recipe": run.recipe.name,
        "number": number,
        "seed": seed,
        "trajectory_steps": measured["bound"]["trajectory_steps"],
        "event": source.event.describe(),
        "units": {"user": "scale * model + shift", "scale": scale, "shift": shift},
        "bound": measured["bound"],
        "bound_in_user_units": measured["bound_in_user_units"],
    }
