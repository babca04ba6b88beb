"""quasistatic parzen"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    import numpy as np

FLAW = (
    "legacy: it depends on the bandwidth, and ranks copies of training pictures above good models; K is the measure to compare by"
)


@click.command()
@parts.run_argument
@parts.number_option(10_000, "Number of samples.", least=2)
@parts.seed_option
@parts.steps_option()
@parts.json_option
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
        parts.echo_json({name: attrs.asdict(each) for name, each in found.items()})
        return
    for name, each in found.items():
        bits = [value / math.log(2.0) for value in (each.nats, each.standard_error)]
        parts.echo(
            f"{each.samples} {name}: {each.nats:.2f} +- {each.standard_error:.2f} nats per event "
            f"({bits[0]:.2f} +- {bits[1]:.2f} bits), bandwidth {each.bandwidth:.3g}, {each.events} test pictures"
        )
    parts.echo(FLAW)


def _unit(source: qs.AbstractSource, xs: np.ndarray) -> np.ndarray:
    """Pictures (N, size) with pixels from 0 to 1. Raises InputError where these have no lowest and highest level."""
    import numpy as np

    field = source.event
    low, high = (0.0, 1.0) if isinstance(field, qs.Binary) else (getattr(field, name, None) for name in ("low", "high"))
    if qs.sources.capability(source, qs.sources.AbstractPictures) is None or low is None or high is None:
        raise qs.InputError(f"parzen: expected pictures with a lowest and a highest level, these are {field.describe()}")
    return (np.reshape(xs, (len(xs), -1)).astype(np.float64) - low) / (high - low)
