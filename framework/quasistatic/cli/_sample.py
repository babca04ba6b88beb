"""quasistatic sample"""

from __future__ import annotations

import io
from pathlib import Path

import click

from quasistatic.cli._common import manager_of
from quasistatic.errors import InputError

PICTURES = (".png", ".svg", ".pdf")


def _checked(_ctx: click.Context, _parameter: click.Parameter, out: Path) -> Path:
    if out.suffix.lower() not in (".npz", *PICTURES):
        raise click.BadParameter(f"{out}: expected a name that ends with .npz, {', '.join(PICTURES)}")
    return out


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-n", "--number", type=click.IntRange(1), default=64, show_default=True, help="Number of samples.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the samples.")
@click.option("--steps", type=click.IntRange(1), help="T of the chain; by default that of training.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    callback=_checked,
    metavar="FILE",
    help=".npz, or a picture.",
)
@click.pass_context
def sample(ctx: click.Context, folder: Path, number: int, seed: int, steps: int | None, out: Path) -> None:
    """Draw samples from a trained run, as an .npz file (array `x`, in the units of the data) or as a picture.

    Sample i depends on the seed and on i alone, not on the number of samples.
    """
    from quasistatic._files import write_durably
    from quasistatic._run import open_run
    from quasistatic.cli._jax import configure_jax

    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} does not exist")
    configure_jax()
    run = open_run(folder, manager_of(ctx))
    for note in run.notes:
        click.echo(f"note: {note}", err=True)
    xs = run.sample(number, seed, steps)
    if out.suffix.lower() == ".npz":
        import numpy as np

        buffer = io.BytesIO()
        np.savez(buffer, x=xs)
        write_durably(out, buffer.getvalue())
    else:
        from quasistatic.pictures import encode, samples

        write_durably(
            out, encode(samples(run.wired.source, run.wired.source.units.to_model(xs)), out.suffix[1:].lower())
        )
    click.echo(f"{number} samples: {out}")
