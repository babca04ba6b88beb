"""What samples of a run are to be like: their side information, a class in it, and guidance."""

from __future__ import annotations

from pathlib import Path

import equinox as eqx

from quasistatic._data.classes import Classes
from quasistatic._data.source import AbstractSource, judging_split
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.model import AbstractModel
from quasistatic._process.tree import count_of, take
from quasistatic._storage.folder import RunFolder
from quasistatic._training.engine import initial_state, trained_part
from quasistatic._training.store import Store
from quasistatic._training.task import Task
from quasistatic.errors import InputError


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
