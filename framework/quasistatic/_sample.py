"""Many events from a diffusion."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic import trajectory
from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key
from quasistatic._sampler import AbstractSampler

CHUNK = 256


@eqx.filter_jit
def _chunk(
    sampler: AbstractSampler,
    diffusion: Diffusion,
    times: jax.Array,
    key: Key,
    numbers: jax.Array,
    given: jax.Array | None,
) -> jax.Array:
    def one(number: jax.Array, given_one: jax.Array | None) -> jax.Array:
        return trajectory.reverse(sampler, diffusion, times, jr.fold_in(key, number), given_one).x

    return jax.vmap(one)(numbers, given)


def sample(
    sampler: AbstractSampler,
    diffusion: Diffusion,
    count: int,
    key: Key,
    steps: int | None = None,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """`count` events (count, *event) in model units, by a chain of T = `steps` (default: that of training).

    Event i is a function of `key`, i and its own row of `given` (rows, given), which is repeated as needed, and of
    nothing else: chunks have one size, so not even rounding depends on `count`.
    """
    times = diffusion.times(steps)
    parts = []
    for start in range(0, count, CHUNK):
        numbers = np.arange(start, start + CHUNK)
        rows = None if given is None else jnp.asarray(given[numbers % len(given)])
        parts.append(np.asarray(_chunk(sampler, diffusion, times, key, jnp.asarray(numbers), rows)))
    return np.concatenate(parts)[:count]
