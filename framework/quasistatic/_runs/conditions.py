"""What samples of a run are to be like: their side information, a class in it, and guidance."""

from __future__ import annotations

from quasistatic._data.classes import Classes
from quasistatic._data.source import AbstractSource, judging_split
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.tree import count_of, take
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
) -> Diffusion:
    """The pair guided with this weight, away from the class `negative` or from no side information.

    Raises InputError for what is not a class, and where the pair cannot be guided.
    """
    if weight == 0:
        return diffusion
    away = None if negative is None else take(_with_class(source, side, negative), 0)
    try:
        return diffusion.guided(weight, negative=away, interval=interval)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None


def _with_class(source: AbstractSource, side: State | None, label: str | int) -> State:
    classes = Classes.of(source)
    return classes.with_class(side, classes.number(label), 1 if side is None else count_of(side))
