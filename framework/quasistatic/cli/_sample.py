"""quasistatic sample"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quasistatic.cli._common import manager_of
from quasistatic.cli._compare import compare as compare_samplers
from quasistatic.cli.parts import (
    PICTURES,
    WholeNumber,
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
    from quasistatic._plugins.manager import PluginManager
    from quasistatic._process.sample import SampleInfo
    from quasistatic._process.sampler import AbstractSampler
    from quasistatic._runs.run import Run

FILMS = (".gif", ".webp")


@click.command()
@run_argument
@number_option(None, "Number of samples; 64, or 1024 to compare samplers.")
@seed_option
@steps_option()
@grid_option
@click.option("--calls", type=WholeNumber(1), help="Network calls for an event, in the place of --steps.")
@click.option("--sampler", "name", metavar="NAME", help="A sampler in the place of the run's own, such as dpm.")
@click.option("--set", "overrides", multiple=True, metavar="sampler.KEY=VALUE", help="Set an option of --sampler. May be repeated.")
@click.option("--label", metavar="CLASS", help="Draw this class alone, by name or number; the network must read it.")
@click.option("--where", multiple=True, metavar="CONDITION",
              help="Draw rows of which this holds, such as vote=Dole or age>60. May be repeated.")  # fmt: skip
@click.option("--guidance", type=float, default=0.0, show_default=True, help="Weight of classifier-free guidance.")
@click.option("--negative", metavar="CLASS", help="Guide away from this class, not from no class at all.")
@click.option("--guide-from", type=WholeNumber(0), metavar="UPDATE", help="Guide away from the network after so many updates.")
@click.option("--interval", type=float, nargs=2, metavar="LOW HIGH", help="Log-SNR between which to guide; by default everywhere.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=".npz, .csv for a table, a picture, .gif or .webp for an animation of pictures, or a format of the source's own, "
    "such as .txt for text.",
)
@click.option("--compare", is_flag=True, help="Draw by every sampler that fits, and print which to use; -o is a picture of it.")
@click.pass_context
def sample(
    ctx: click.Context,
    /,
    folder: Path,
    number: int | None,
    seed: int,
    steps: int | None,
    grid: Path | None,
    calls: int | None,
    name: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    compare: bool,
    **conditions: Any,
) -> None:
    """Draw samples from a trained run, in the units of the data: as an .npz file (an array `x`, or one for each
    part of an event, and `columns`, the names in the header of the data), as a table (.csv, with that header), as a
    picture, as a file of the source's own kind, or, where events are pictures, as an animation of their way out of the noise.

    With --compare no file of samples is written: the distance of samples to the data, by how many calls of the network they take,
    is printed for every sampler that takes the run.

    Sample i depends on the seed and on i alone, not on the number of samples.
    """
    from quasistatic._storage.files import try_out, write_durably

    refuse_both(steps, grid)
    if calls is not None and not (steps is None and grid is None):
        raise click.UsageError("--calls excludes --steps and --grid: either gives the number of times")
    if overrides and name is None:
        raise click.UsageError("--set needs --sampler: it sets an option of that sampler")
    if conditions["guidance"] == 0 and any(conditions[name] is not None for name in ("negative", "interval", "guide_from")):
        raise click.UsageError("--negative, --interval and --guide-from need --guidance, a weight other than 0")
    if conditions["where"] and name is not None:
        raise click.UsageError("--where and --sampler exclude one another: conditions need weighted particles")
    run_folder(folder)
    if out is None and not compare:
        raise click.UsageError("Missing option '-o' / '--out': where the samples go")
    if out is not None:
        try_out(out)
    if compare and out is not None and out.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(PICTURES)}", param_hint="--out")
    from quasistatic._data.source import AbstractWriting, capability
    from quasistatic._runs.job import open_run
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    run = open_run(folder, manager_of(ctx))
    for note in run.notes:
        echo(f"note: {note}", err=True)
    if compare:
        compare_samplers(run, manager_of(ctx), number or 1024, seed, out, chain_of(run, steps, grid))
        return
    assert out is not None
    number = number or 64
    sampler = None if name is None else _sampler(run, manager_of(ctx), name, overrides)
    chain: dict[str, Any] = {"steps": chain_of(run, steps, grid), "seed": seed, "calls": calls, "sampler": sampler, **conditions}
    kind, writing = out.suffix.lower(), capability(run.source, AbstractWriting)
    own = () if writing is None else writing.endings
    if kind not in (known := dict.fromkeys((*own, ".npz", ".csv", *PICTURES, *FILMS))):
        raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(known)}", param_hint="--out")
    if kind in FILMS:
        film, info = _film(run, number, chain, kind[1:])
        write_durably(out, film)
        echo(f"{number} samples: {out}  ({info})")
        return
    xs, info = run.sample(number, model_units=kind in (*own, *PICTURES), return_info=True, **chain)
    if writing is not None and kind in own:
        write_durably(out, writing.write_events(xs, kind))
    elif kind == ".npz":
        write_durably(out, _arrays(run, xs))
    elif kind == ".csv":
        write_durably(out, _table(run, xs))
    else:
        from quasistatic._report.pictures import encode, samples

        write_durably(out, encode(samples(run.source, xs), kind[1:]))
    echo(f"{number} samples: {out}  ({info})")


def _sampler(run: Run, manager: PluginManager, name: str, overrides: tuple[str, ...]) -> AbstractSampler:
    from quasistatic._recipes.overrides import override_pairs
    from quasistatic._recipes.samplers import sampler_for

    return sampler_for(run.diffusion, manager, name, override_pairs(overrides))


def _film(run: Run, number: int, chain: dict[str, Any], form: str) -> tuple[bytes, SampleInfo]:
    """Raises InputError where events are no pictures."""
    from quasistatic._data.source import AbstractPictures, capability
    from quasistatic._report.film import FRAMES, Filmed, animation, spread

    if capability(run.source, AbstractPictures) is None:
        raise InputError(f"--out: only pictures are animated, these events are {run.source.event.describe()}; .png draws them")
    if chain["where"]:
        raise InputError("--where: rows of a table are not animated")
    sampler, steps = chain["sampler"] or run.sampler, chain["steps"]
    if chain["calls"] is not None:
        steps = sampler.steps_within(chain["calls"] // (1 if chain["guidance"] == 0 else 2))
    count = len(sampler.times(run.diffusion, steps))
    filmed = Filmed(sampler, spread(count, FRAMES), count)
    (xs, film), info = run.sample(number, model_units=True, return_info=True, **{**chain, "sampler": filmed})
    return animation(run.source, film, xs, form), info


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
