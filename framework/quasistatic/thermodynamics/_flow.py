"""The probability flow as a deterministic sampler, and how far each of its steps is off."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import in_blocks
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.grid import Steps
from quasistatic._process.sampler import AbstractSampler, Info
from quasistatic.thermodynamics._levels import denoised, log_levels


class Flow(AbstractSampler):
    """Equilibrium, led back by the steps of DDIM, then E[x given z]: one call of the network a step, and no noise.

    Euler steps of the probability flow in the ratio of noise to signal (Song, Meng & Ermon 2021, eq. 12 and 13). Its samples are
    those of another model than the chain's. Raises TypeError for another than Gaussian noise, or noise in a basis.
    """

    def init(self, diffusion: Diffusion, *, key: Key) -> State:
        return diffusion.kernel.equilibrium().sample(key)

    def step(self, diffusion: Diffusion, state: State, s: Time, t: Time, *, key: Key) -> tuple[State, Info]:
        return _ddim(diffusion, state, s, t), {}

    def finish(self, diffusion: Diffusion, state: State, t: Time, *, key: Key) -> State:
        return denoised(diffusion, state, t)


def _ddim(diffusion: Diffusion, z: jax.Array, s: Time, t: Time) -> jax.Array:
    """E[x given z] at the signal of s, and what z has of noise at the noise of s."""
    mean = denoised(diffusion, z, t)
    (early, early_noise), (late, late_noise) = (log_levels(diffusion.kernel, at) for at in (s, t))
    return jnp.exp(early) * mean + jnp.exp(0.5 * (early_noise - late_noise)) * (z - jnp.exp(late) * mean)


def flow_errors(diffusion: Diffusion, xs: State, *, key: Key, steps: Steps = None, side: State | None = None) -> np.ndarray:
    """How far one step of `Flow` ends from two half steps, for every step and event, (N, T - 1), in units of the data.

    Quadratic in the step, as what a step dissipates, so `optimise_grid` serves for it too. Raises TypeError for another than
    Gaussian noise.
    """
    check_arithmetic()
    times = diffusion.times(steps)

    def measure(block: State, side_block: State | None, numbers: jax.Array) -> jax.Array:
        return _errors(diffusion, block, side_block, times, key, numbers)

    return in_blocks("steps of the flow", measure, diffusion, xs, side)


@eqx.filter_jit
def _errors(diffusion: Diffusion, xs: State, side: State | None, times: jax.Array, key: Key, numbers: jax.Array) -> jax.Array:
    def one(x: State, side_one: State | None, number: jax.Array) -> jax.Array:
        given = diffusion.given(side_one)

        def step(at: tuple[Time, Time, Key]) -> jax.Array:
            s, t, key_step = at
            z, m = given.kernel.marginal(x, t).sample(key_step), 0.5 * (s + t)
            away = _ddim(given, z, s, t) - _ddim(given, _ddim(given, z, m, t), s, m)
            return jnp.sqrt(jnp.sum((away * jnp.exp(-log_levels(given.kernel, s)[0])) ** 2))

        return jax.lax.map(step, (times[:-1], times[1:], jr.split(jr.fold_in(key, number), len(times) - 1)))

    return jax.vmap(one)(xs, side, numbers)
