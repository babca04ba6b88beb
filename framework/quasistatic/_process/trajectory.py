"""Whole paths z_1 .. z_T: drawn forwards, or backwards by a sampler, and weighed."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import logsumexp
from jaxtyping import Array, Float

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time, uniform
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.sampler import AbstractSampler, Info, SamplerState
from quasistatic._process.sampler import AbstractWeighted as AbstractWeighted
from quasistatic._process.sampler import Posterior as Posterior
from quasistatic._process.tree import take


class Path(NamedTuple):
    """Data x and the noisy states at T times, first to last; None where they were not kept.

    `info` is what the T - 1 steps of a sampler reported, first to last.
    """

    x: State
    zs: State | None  # leading axis T
    info: Info | None = None


def forward(kernel: AbstractKernel, x: State, times: Float[Array, " T"], *, key: Key) -> Path:
    """A path of the forward process from data x, step by step through the T times."""
    keys = jr.split(key, len(times))
    first = kernel.marginal(x, times[0]).sample(keys[0])

    def step(z: State, at: tuple[Time, Time, Key]) -> tuple[State, State]:
        s, t, key_step = at
        z = kernel.transition(z, s, t).sample(key_step)
        return z, z

    _, rest = jax.lax.scan(step, first, (times[:-1], times[1:], keys[1:]))
    return Path(x, jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, rest))


def reverse(sampler: AbstractSampler, diffusion: Diffusion, times: Float[Array, " T"], *, key: Key, keep: bool = True) -> Path:
    """A path of the reverse process: from t = 1 through the T times back to data.

    The noisy states are kept, T of them, only if `keep` says so: for images that is nearly all the memory.
    """
    key_walk, key_data = jr.split(key)
    state, zs, info = walk_back(sampler, diffusion, times, key=key_walk, keep=keep)
    return Path(sampler.finish(diffusion, state, times[0], key=key_data), zs, info)


def walk_back(
    sampler: AbstractSampler, diffusion: Diffusion, times: Float[Array, " T"], *, key: Key, keep: bool = False
) -> tuple[SamplerState, State | None, Info]:
    """The sampler's state at the first time, the noisy states (or None), and what its steps reported: the loop of all samplers."""
    key_start, key_steps = jr.split(key)
    start = sampler.init(diffusion, key=key_start)

    def step(state: SamplerState, at: tuple[Time, Time, Key]) -> tuple[SamplerState, tuple[State | None, Info]]:
        s, t, key_step = at
        earlier, info = sampler.step(diffusion, state, s, t, key=key_step)
        return earlier, (sampler.position(earlier) if keep else None, info)

    backwards = (times[:-1], times[1:], jr.split(key_steps, len(times) - 1))
    first, (zs, info) = jax.lax.scan(step, start, backwards, reverse=True)
    if keep:
        last = sampler.position(start)
        zs = jax.tree.map(lambda more, one: jnp.concatenate([more, one[None]]), zs, last)
    return first, zs, info


def posterior(
    sampler: AbstractWeighted, diffusion: Diffusion, times: Float[Array, " T"], *, key: Key
) -> tuple[Posterior, Float[Array, ""]]:
    """One whole system of particles at data, and the least effective share of them on the way and at the end."""
    key_back, key_data = jr.split(key)
    state, _, info = walk_back(sampler, diffusion, times, key=key_back)
    found = sampler.posterior(diffusion, state, times[0], key=key_data)
    return found, jnp.min(info["ess"], initial=effective_share(found.log_weights))


def effective_share(log_weights: Float[Array, " P"]) -> Float[Array, ""]:
    """(sum w)^2 / (P sum w^2), between 1/P and 1 (Kong, Liu & Wong 1994)."""
    return jnp.exp(2.0 * logsumexp(log_weights) - logsumexp(2.0 * log_weights)) / len(log_weights)


def systematic(log_weights: Float[Array, " P"], count: int, *, key: Key) -> Array:
    """Numbers (count,) of particles, each as often as its weight says, up to one time more or less (Kitagawa 1996)."""
    reached = jnp.cumsum(jax.nn.softmax(log_weights))
    places = (jnp.arange(count) + uniform((), key=key)) / count
    return jnp.minimum(jnp.searchsorted(reached, places), len(log_weights) - 1)


def log_weight(diffusion: Diffusion, path: Path, times: Float[Array, " T"]) -> Float[Array, " T+1"]:
    """The log-weight of a path, log p(x, z) - log q(z given x), as its T + 1 terms in nats, shape (T + 1,).

    Order: first step, the T - 1 steps, equilibrium. Each term compares the reverse step with the forward posterior, so
    none is of the size of the whole path. The mean of the sum over forward paths is K(x), the mean of its exponential
    is p(x) (Sohl-Dickstein et al. 2015, eq. 9; Jarzynski 1997). Minus it is the work of thermodynamics.
    """
    kernel, x, zs = diffusion.kernel, path.x, path.zs
    at_first, at_last = take(zs, 0), take(zs, -1)
    first = diffusion.decode(diffusion.params(at_first, times[0]), at_first, times[0]).log_prob(x)
    last = kernel.equilibrium().log_prob(at_last) - kernel.marginal(x, times[-1]).log_prob(at_last)

    def step(at: tuple[State, State, Time, Time]) -> jax.Array:
        earlier, z, s, t = at
        learned = diffusion.reverse(diffusion.params(z, t), z, s, t)
        return learned.log_prob(earlier) - kernel.posterior(x, z, s, t).log_prob(earlier)

    steps = jax.lax.map(step, (take(zs, slice(None, -1)), take(zs, slice(1, None)), times[:-1], times[1:]))
    return jnp.concatenate([first[None], steps, last[None]])
