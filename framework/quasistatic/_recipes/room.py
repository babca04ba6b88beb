"""What a recipe that is read from a run asks for, against the checkpoint that came with it: before anything so large is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import equinox as eqx
import jax
import numpy as np

from quasistatic._process.event import AbstractEvent
from quasistatic._process.model import Ports
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


def refuse_larger(model: Choice, ports: Ports, room: Room) -> None:
    """Raises CheckpointError for a network of more numbers, or more arrays, than the largest checkpoint of its run can hold."""
    for name, value in _whole_numbers(model.options):
        is_count = name.rpartition(".")[2].rpartition("_")[2] in COUNTS
        if value > (room.arrays if is_count else room.size):
            held = f"{room.arrays} arrays" if is_count else f"{room.size} bytes"
            raise CheckpointError(f"recipe.toml: model.{name} = {value}, where the checkpoints of the run hold {held} at most")
    needed = _bytes_of(model, ports)
    if needed is not None and COPIES * needed > room.size:
        raise CheckpointError(
            f"recipe.toml: its network takes {needed} bytes, which is kept {COPIES} times, and the checkpoints of the run hold "
            f"{room.size} at most: they are of another one"
        )


def _bytes_of(model: Choice, ports: Ports) -> int | None:
    """How many bytes of weights a network has, without one of them; None where that cannot be found."""
    try:
        key = jax.eval_shape(lambda: jax.random.key(0))
        built = eqx.filter_eval_shape(lambda key: model.component.load()(model.options, ports, key=key), key)
    except Exception:  # one that draws its weights with numpy, or that cannot be built at all, which is an error later
        return None
    leaves = [leaf for leaf in jax.tree.leaves(built) if isinstance(leaf, jax.ShapeDtypeStruct)]
    return sum(leaf.size * np.dtype(leaf.dtype).itemsize for leaf in leaves if jax.numpy.issubdtype(leaf.dtype, np.inexact))


def _whole_numbers(options: Any) -> Iterator[tuple[str, int]]:
    """Every whole number among options, by its dotted name."""
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        if attrs.has(type(value)):
            yield from ((f"{field.name}.{name}", number) for name, number in _whole_numbers(value))
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int):
                yield field.name, each
