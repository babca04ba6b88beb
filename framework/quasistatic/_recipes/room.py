"""What a recipe that is read from a run needs, beside the checkpoint that came with it: before anything so large is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import jax
import numpy as np

from quasistatic._process.event import AbstractEvent
from quasistatic._recipes.budget import arrays_of
from quasistatic._recipes.recipe import Choice
from quasistatic._storage.checkpoint import Room
from quasistatic._storage.files import limit
from quasistatic.errors import CheckpointError, DataError

COUNTS = ("depth", "layers", "blocks", "scales")  # options of which each has arrays of its own
COPIES = 2  # of the weights in every checkpoint, at least: the last and the averaged
EVENTS = 64  # as many events, at least, are in memory at once


def refuse_large_events(event: AbstractEvent) -> None:
    """Raises DataError for events of which few fill the memory that one thing may take."""
    states = max((getattr(field, "categories", 1) for field in event.parts().values()), default=1)
    needed = 4 * EVENTS * event.size * states
    if needed > limit():
        raise DataError(
            f"run.json: its events are {event.describe():.80}, of which {EVENTS} take {needed / 1e9:.3g} GB, above the limit of "
            f"{limit() / 1e9:.3g} GB; QUASISTATIC_LIMIT_GB=N allows N GB"
        )


def refuse_larger(model: Choice, build: Callable[[Any], Any], key: Any, room: Room) -> None:
    """Raises CheckpointError where the network of `build(key)` has more than the largest checkpoint of its run can hold."""
    for name, value in _whole_numbers(model.options):
        is_count = name.rpartition(".")[2].rpartition("_")[2] in COUNTS
        if value > (room.arrays if is_count else room.size):
            held = f"{room.arrays} arrays" if is_count else f"{room.size} bytes"
            raise CheckpointError(f"recipe.toml: model.{name} = {value}, where the checkpoints of the run hold {held} at most")
    arrays = arrays_of(build, key) or ()
    weights = [each for each in arrays if jax.numpy.issubdtype(each.dtype, np.inexact)]
    needed = sum(each.size * np.dtype(each.dtype).itemsize for each in weights)
    if COPIES * needed > room.size:
        raise CheckpointError(
            f"recipe.toml: its network takes {needed} bytes, which is kept {COPIES} times, and the checkpoints of the run hold "
            f"{room.size} at most: they are of another one"
        )


def _whole_numbers(options: Any) -> Iterator[tuple[str, int]]:
    """Every whole number among options, by its dotted name."""
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        if attrs.has(type(value)):
            yield from ((f"{field.name}.{name}", number) for name, number in _whole_numbers(value))
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int):
                yield field.name, each
