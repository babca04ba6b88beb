"""What samples of a run are to be like: their side information, a class in it, guidance, and conditions on rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import equinox as eqx

from quasistatic._data.classes import Classes
from quasistatic._data.gaps import AbstractGapped
from quasistatic._data.source import AbstractFramed, AbstractSource, capability, judging_split
from quasistatic._plugins.manager import plugins
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.grid import Steps
from quasistatic._process.model import AbstractModel
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.sample import SampleInfo, sample
from quasistatic._process.sampler import AbstractSampler, AbstractWeighted
from quasistatic._process.tree import count_of, take
from quasistatic._process.weighted import FEW, weighted_draws
from quasistatic._recipes.samplers import fitting_samplers, sampler_for
from quasistatic._storage.folder import RunFolder
from quasistatic._training.engine import initial_state, trained_part
from quasistatic._training.keys import Role, role_key
from quasistatic._training.store import Store
from quasistatic._training.task import Task
from quasistatic.errors import InputError

if TYPE_CHECKING:
    from quasistatic._runs.run import Run

FIRST, MOST = 256, 2_048  # particles that try how seldom conditions are met, and where they run out
LEAST = -100.0  # log-probability of what is drawn under conditions: below, it is nothing that the model has learned


@attrs.frozen
class Wanted:
    """Conditions on samples, as `Run.sample` takes them."""

    side: State | None
    label: str | int | None
    guidance: float
    negative: str | int | None
    interval: tuple[float, float] | None
    guide_from: int | None
    where: str | Sequence[str]


def draw(
    run: Run, wanted: Wanted, count: int, seed: int, *, sampler: AbstractSampler | str | None, as_frame: bool, **chain: Any
) -> tuple[Any, SampleInfo]:
    """Events in model units, or as a frame; see `Run.sample`."""
    framed = capability(run.source, AbstractFramed)
    if as_frame and framed is None:
        raise InputError(f"sample: as_frame is for the rows of a table, these events are {run.source.event.describe()}")
    side = side_of(run.source, count, wanted.side, wanted.label)
    earlier = None if wanted.guide_from is None else network_after(run.folder, run.task, wanted.guide_from)
    diffusion = guided(run.diffusion, run.source, wanted.guidance, side, wanted.negative, wanted.interval, earlier)
    potential = None
    if wanted.where:
        potential, sampler = of_rows(run.source, diffusion, wanted.where, sampler, chain["steps"])
    elif isinstance(sampler, str):
        sampler = sampler_for(diffusion, plugins(), sampler)
    chain |= {"sampler": sampler or run.sampler, "side": side, "potential": potential}
    xs, info = sample(diffusion, count, key=role_key(seed, Role.SAMPLE), return_info=True, **chain)
    return (framed.to_frame(xs) if as_frame and framed is not None else xs), info


def side_of(source: AbstractSource, count: int, side: State | None, label: str | int | None) -> State | None:
    """Side information (rows, ...), by default that of the split that the run is judged by, with this class in it if one is given.

    Raises InputError for what is not a class, or where the network reads none.
    """
    if side is None and source.side is not None:
        side = source.split(judging_split(source), count).side
    return side if label is None else _with_class(source, side, label)


def guided(
    diffusion: Diffusion,
    source: AbstractSource,
    weight: float,
    side: State | None,
    negative: str | int | None,
    interval: tuple[float, float] | None,
    earlier: AbstractModel | None = None,
) -> Diffusion:
    """The pair guided with this weight, away from the class `negative`, an `earlier` network, or from no side information.

    Raises InputError for what is not a class, and where the pair cannot be guided.
    """
    if weight == 0:
        return diffusion
    away = None if negative is None else take(_with_class(source, side, negative), 0)
    try:
        return diffusion.guided(weight, earlier, negative=away, interval=interval)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None


def network_after(folder: Path | None, task: Task, update: int) -> AbstractModel:
    """The network of a run with its averaged weights after so many updates, from a checkpoint that was kept (`training.keep`).

    Raises CheckpointError for an update without one, InputError for a run in memory.
    """
    if folder is None:
        raise InputError("guide_from: this run is in memory, and keeps no checkpoints; train it with `out`")
    store, (_, rest) = Store(RunFolder.open(folder).checkpoints), trained_part(task.diffusion)
    weights = store.averaged(initial_state(task.diffusion, task.options), update)
    diffusion: Diffusion = eqx.combine(weights, rest)
    return diffusion.model


def _with_class(source: AbstractSource, side: State | None, label: str | int) -> State:
    classes = Classes.of(source)
    return classes.with_class(side, classes.number(label), 1 if side is None else count_of(side))


def of_rows(
    source: AbstractSource, diffusion: Diffusion, where: str | Sequence[str], sampler: AbstractSampler | str | None, steps: Steps
) -> tuple[AbstractPotential, AbstractWeighted]:
    """The factor (1, ...) of events of which all conditions hold, and the sampler that draws under it.

    A first system of particles says how many each event needs. Raises InputError for conditions that cannot be met, or too seldom,
    or where another sampler is wanted.
    """
    if sampler is not None:
        raise InputError("sample: where and sampler exclude one another, as conditions need weighted particles")
    gapped = capability(source, AbstractGapped)
    if gapped is None:
        raise InputError(f"where: conditions are on the columns of a table, these events are {source.event.describe()}")
    limits = gapped.where([where] if isinstance(where, str) else where)
    potential, weighted = limits.potential(source.event), weighted_sampler(diffusion)
    first = weighted_draws(
        weighted.of_size(FIRST), diffusion, potential, key=role_key(0, Role.SAMPLE), draws=1, steps=steps, most=MOST
    )
    log_z, needed = float(first.log_evidence[0]), 2.0 * FEW * first.particles[0] / first.effective[0]
    if first.is_few[0] or not log_z > LEAST:
        raise InputError(
            f"where: the model makes such rows too seldom: {first.particles[0]} particles run out, and the logarithm of their "
            f"probability is about {log_z:.3g}"
        )
    return potential, weighted.of_size(max(weighted.states, 2 ** math.ceil(math.log2(needed))))


def weighted_sampler(diffusion: Diffusion) -> AbstractWeighted:
    """The installed sampler of weighted particles. Raises InputError where there is none."""
    found = next((each for each in fitting_samplers(diffusion, plugins()).values() if isinstance(each, AbstractWeighted)), None)
    if found is None:
        raise InputError("draws under a condition need a sampler of weighted particles, and no plugin that provides one is loaded")
    return found
