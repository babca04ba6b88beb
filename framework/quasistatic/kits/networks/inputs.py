"""Side information and time as vectors that a network reads."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import quasistatic as qs


def side_size(event: qs.AbstractEvent | None) -> int:
    """The length of `ravel_side`."""
    parts = {} if event is None else event.parts()
    return sum(field.size * (field.categories if isinstance(field, qs.Categorical) else 1) for field in parts.values())


def ravel_side(event: qs.AbstractEvent | None, side: qs.Side | None) -> Float[Array, " numbers"]:
    """Side information as one vector: symbols are one-hot, numbers as they are, zeros where it is absent."""
    if event is None or side is None:
        return jnp.zeros(side_size(event))
    vectors = [_numbers(field, event.part_of(side.value, name)) for name, field in event.parts().items()]
    return jnp.where(side.present, jnp.concatenate(vectors), 0.0)


def _numbers(field: Any, array: jax.Array) -> jax.Array:
    if isinstance(field, qs.Categorical):
        array = jax.nn.one_hot(array, field.categories)
    return jnp.ravel(array).astype(jnp.result_type(float))


def bumps(t: jax.Array | float, count: int, width: float = 1.0) -> Float[Array, " count"]:
    """Normalised Gaussian bumps of time, shape (count,), that sum to one: weights of readouts that change with time.

    Centres are evenly spaced on [0, 1], both ends included; `width` is in units of their spacing: 1 in the paper, 1/2
    in its code (Sohl-Dickstein et al. 2015, eq. 62 and 63).
    """
    if count == 1:
        return jnp.ones(1)
    place = t * (count - 1)
    return jax.nn.softmax(-0.5 * ((place - jnp.arange(count)) / width) ** 2)
