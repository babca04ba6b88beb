"""quasistatic sample"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quasistatic.cli._common import manager_of
from quasistatic.cli.parts import (
    PICTURES,
    chain_of,
    echo,
    grid_option,
    number_option,
    refuse_both,
    run_argument,
    run_folder,
    seed_option,
    steps_option,
)
from quasistatic.errors import InputError

if TYPE_CHECKING:
    from quasistatic._process.grid import Steps
    from quasistatic._runs.run import Run

FILMS = (".gif", ".webp")


@click.command()
@run_argument
@number_option(64, "Number of samples.")
@seed_option
@steps_option()
@grid_option
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help=".npz, .csv for a table, a picture, .gif or .webp for an animation of pictures, or a format of the source's own, "
    "such as .txt for text.",
)
@click.pass_context
def sample(ctx: click.Context, folder: Path, number: int, seed: int, steps: int | None, grid: Path | None, out: Path) -> None:
    """Draw samples from a trained run, in the units of the data: as an .npz file (an array `x`, or one for each
    part of an event, and `columns`, the names in the header of the data), as a table (.csv, with that header), as a
    picture, as a file of the source's own kind, or, where events are pictures, as an animation of their way out of the noise.

    Sample i depends on the seed and on i alone, not on the number of samples.
    """
    from quasistatic._storage.files import try_out, write_durably

    refuse_both(steps, grid)
    run_folder(folder)
    try_out(out)
    from quasistatic._data.source import AbstractWriting, capability
    from quasistatic._runs.run import open_run
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    run = open_run(folder, manager_of(ctx))
    for note in run.notes:
        echo(f"note: {note}", err=True)
    chain = chain_of(run, steps, grid)
    kind, writing = out.suffix.lower(), capability(run.source, AbstractWriting)
    own = () if writing is None else writing.endings
    if kind not in (known := dict.fromkeys((*own, ".npz", ".csv", *PICTURES, *FILMS))):
        raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(known)}", param_hint="--out")
    if kind in FILMS:
        write_durably(out, _film(run, number, seed, chain, kind[1:]))
        echo(f"{number} samples: {out}")
        return
    xs = run.sample(number, seed=seed, steps=chain, model_units=kind in (*own, *PICTURES))
    if writing is not None and kind in own:
        write_durably(out, writing.write_events(xs, kind))
    elif kind == ".npz":
        write_durably(out, _arrays(run, xs))
    elif kind == ".csv":
        write_durably(out, _table(run, xs))
    else:
        from quasistatic._report.pictures import encode, samples

        write_durably(out, encode(samples(run.source, xs), kind[1:]))
    echo(f"{number} samples: {out}")


def _film(run: Run, number: int, seed: int, steps: Steps, form: str) -> bytes:
    """Raises InputError where events are no pictures."""
    from quasistatic._data.source import AbstractPictures, capability
    from quasistatic._report.film import FRAMES, Filmed, animation, spread

    if capability(run.source, AbstractPictures) is None:
        raise InputError(f"--out: only pictures are animated, these events are {run.source.event.describe()}; .png draws them")
    count = len(run.diffusion.times(steps))
    sampler = Filmed(run.sampler, spread(count, FRAMES), count)
    xs, film = run.sample(number, seed=seed, steps=steps, model_units=True, sampler=sampler)
    return animation(run.source, film, xs, form)


def _arrays(run: Run, xs: Any) -> bytes:
    import numpy as np

    names = getattr(run.source, "columns", None)
    buffer = io.BytesIO()
    arrays: Any = {**(xs if isinstance(xs, dict) else {"x": xs}), **({"columns": np.array(names)} if names else {})}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _table(run: Run, xs: Any) -> bytes:
    """A row for each event; without a header the elements of a part are named 'part', or 'part.0', 'part.1' and so on."""
    from quasistatic._storage.files import csv_bytes

    event, header, columns = run.source.event, getattr(run.source, "columns", None), []
    names: list[str] = []
    for name, field in event.parts().items():
        part = event.part_of(xs, name)
        columns += part.reshape(len(part), -1).T.tolist()
        names += [f"{name or 'x'}.{number}" for number in range(field.size)] if field.size > 1 else [name or "x"]
    return csv_bytes(header or names, columns)
