"""quasistatic parzen"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

import quasistatic as qs

if TYPE_CHECKING:
    import numpy as np

FLAW = (
    "legacy: it depends on the bandwidth, and ranks copies of training pictures above good models; K is the measure to compare by"
)


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-n", "--number", type=click.IntRange(2), default=10_000, show_default=True, help="Number of samples.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the samples.")
@click.option("--steps", type=click.IntRange(1), help="T of the chain; by default that of training.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def parzen(manager: qs.PluginManager, folder: Path, number: int, seed: int, steps: int | None, as_json: bool) -> None:
    """Parzen-window log-likelihood of the test pictures of a finished RUN under its samples, by the protocol of 2014.

    A normal density around each sample, pixels from 0 to 1, its deviation chosen on validation pictures; beside it the same
    of training pictures in the place of samples.
    """
    from quasistatic_plugins.parzen import window

    run = qs.open_run(folder, manager)
    validation, test = (_unit(run.source, run.source.split(name).x) for name in ("validation", "test"))
    drawn = {
        "samples": run.sample(number, seed=seed, steps=steps, model_units=True),
        "training pictures": run.source.split("train", number).x,
    }
    found = {name: window.parzen(_unit(run.source, xs), validation, test) for name, xs in drawn.items()}
    if as_json:
        click.echo(json.dumps({name: attrs.asdict(each) for name, each in found.items()}, indent=2))
        return
    for name, each in found.items():
        bits = [value / math.log(2.0) for value in (each.nats, each.standard_error)]
        click.echo(
            f"{each.samples} {name}: {each.nats:.2f} +- {each.standard_error:.2f} nats per event "
            f"({bits[0]:.2f} +- {bits[1]:.2f} bits), bandwidth {each.bandwidth:.3g}, {each.events} test pictures"
        )
    click.echo(FLAW)


def _unit(source: qs.AbstractSource, xs: np.ndarray) -> np.ndarray:
    """Pictures (N, size) with pixels from 0 to 1. Raises InputError where these have no lowest and highest level."""
    import numpy as np

    field = source.event
    low, high = (0.0, 1.0) if isinstance(field, qs.Binary) else (getattr(field, name, None) for name in ("low", "high"))
    if qs.sources.capability(source, qs.sources.AbstractPictures) is None or low is None or high is None:
        raise qs.InputError(f"parzen: expected pictures with a lowest and a highest level, these are {field.describe()}")
    return (np.reshape(xs, (len(xs), -1)).astype(np.float64) - low) / (high - low)
