"""What a recipe will take in memory, counted before any of it is built."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from quasistatic._process.event import AbstractEvent
from quasistatic._recipes.recipe import Recipe
from quasistatic._storage.files import LIMIT, limit
from quasistatic.errors import IncompatibleError

WEIGHTS = 4  # copies of a weight in training: itself, its average over updates, two moments of its gradient
ACTIVATIONS, NUMBER = 16, 4  # numbers that an element of an event becomes on its way through a network, at least; bytes of one


def refuse_costly(recipe: Recipe, event: AbstractEvent, build: Callable[[Any], Any], key: Any) -> None:
    """Raises IncompatibleError where batch, samples or the weights of the network that `build(key)` gives have no room."""
    batch = recipe.training.batch // recipe.training.accumulate
    _refuse(f"training.batch: {batch} events of {event.size} elements at a time", ACTIVATIONS * batch * event.size)
    samples = recipe.evaluation.samples
    _refuse(f"evaluation.samples: {samples} events of {event.size} elements", samples * event.size)
    arrays = arrays_of(build, key)
    if arrays is None:
        return
    weights = sum(each.size for each in arrays)
    _refuse(f"model {recipe.choices['model'].component.name!r}: {weights} weights to train", WEIGHTS * weights)


def arrays_of(build: Callable[[Any], Any], key: Any) -> list[jax.ShapeDtypeStruct] | None:
    """Shapes and dtypes of the arrays of the network that `build(key)` gives, without one of them.

    None for a network that cannot be built of shapes alone, as one that draws its weights with numpy.
    """
    try:
        shapes = eqx.filter_eval_shape(build, key)
    except Exception:  # what is wrong with a network is an error when it is built
        return None
    return [leaf for leaf in jax.tree.leaves(shapes) if isinstance(leaf, jax.ShapeDtypeStruct)]


def _refuse(what: str, numbers: int) -> None:
    size, room = NUMBER * numbers, max(limit(), _memory())
    if size > room:
        raise IncompatibleError(
            f"{what} take at least {size / 1e9:.3g} GB, and there are {room / 1e9:.3g} GB; make it smaller, or set {LIMIT}=N"
        )


def _memory() -> int:
    """Bytes of memory of this machine, or 0 where the system does not say."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0
