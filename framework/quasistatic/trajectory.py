"""Whole paths z_1 .. z_T: drawn forwards, or backwards by a sampler, and weighed."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key, State
from quasistatic._kernel import AbstractKernel
from quasistatic._sampler import AbstractSampler


class Path(NamedTuple):
    """Data and the noisy states at T times, first to last."""

    x: State
    zs: State  # leading axis T


def forward(kernel: AbstractKernel, x: State, times: jax.Array, key: Key) -> Path:
    """A path of the forward process from data x, step by step through the T times."""
    keys = jr.split(key, len(times))
    first = kernel.marginal(x, times[0]).sample(keys[0])

    def step(z: State, at: tuple[jax.Array, jax.Array, Key]) -> tuple[State, State]:
        s, t, key_step = at
        z = kernel.transition(z, s, t).sample(key_step)
        return z, z

    _, rest = jax.lax.scan(step, first, (times[:-1], times[1:], keys[1:]))
    return Path(x, jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, rest))


def reverse(
    sampler: AbstractSampler, diffusion: Diffusion, times: jax.Array, key: Key, given: jax.Array | None = None
) -> Path:
    """A path of the reverse process: from t = 1 through the T times back to data. The one loop of all samplers."""
    key_start, key_data, key_steps = jr.split(key, 3)
    start = sampler.init(diffusion, key_start)

    def step(z: State, at: tuple[jax.Array, jax.Array, Key]) -> tuple[State, State]:
        s, t, key_step = at
        earlier = sampler.step(diffusion, z, s, t, key_step, given)
        return earlier, earlier

    backwards = (times[:-1], times[1:], jr.split(key_steps, len(times) - 1))
    first, zs = jax.lax.scan(step, start, backwards, reverse=True)
    x = sampler.finish(diffusion, first, times[0], key_data, given)
    return Path(x, jax.tree.map(lambda more, last: jnp.concatenate([more, last[None]]), zs, start))


def work(diffusion: Diffusion, path: Path, times: jax.Array, given: jax.Array | None = None) -> jax.Array:
    """The log-weight of a path, log p(x, z) - log q(z given x), as its T + 1 terms in nats, shape (T + 1,).

    Order: first step, the T - 1 steps, equilibrium. Each term compares the reverse step with the forward posterior, so
    none is of the size of the whole path. The mean of the sum over forward paths is K(x), the mean of its exponential
    is p(x) (Sohl-Dickstein et al. 2015, eq. 9; Jarzynski 1997).
    """
    kernel, (x, zs) = diffusion.kernel, path
    at_first, at_last = (jax.tree.map(lambda leaf, i=i: leaf[i], zs) for i in (0, -1))
    first = diffusion.decode(diffusion.params(at_first, times[0], given), at_first, times[0]).log_prob(x)
    last = kernel.equilibrium().log_prob(at_last) - kernel.marginal(x, times[-1]).log_prob(at_last)

    def step(at: tuple[State, State, jax.Array, jax.Array]) -> jax.Array:
        earlier, z, s, t = at
        learned = kernel.reverse(diffusion.params(z, t, given), z, s, t)
        return learned.log_prob(earlier) - kernel.posterior(x, z, s, t).log_prob(earlier)

    earlier, later = (jax.tree.map(lambda leaf, cut=cut: leaf[cut], zs) for cut in (slice(None, -1), slice(1, None)))
    steps = jax.lax.map(step, (earlier, later, times[:-1], times[1:]))
    return jnp.concatenate([first[None], steps, last[None]])
