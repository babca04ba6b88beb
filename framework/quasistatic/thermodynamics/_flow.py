"""How far each step of the probability flow is off, of the deterministic sampler `ddim`."""

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
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.grid import Steps
from quasistatic.thermodynamics._levels import log_levels


def _ddim(diffusion: Diffusion, z: jax.Array, s: Time, t: Time) -> jax.Array:
    """A step of the probability flow with one call of the network."""
    kernel = diffusion.kernel
    assert isinstance(kernel, AbstractGaussianPath)
    return kernel.back(diffusion.mean(z, t), z, s, t).loc


def flow_errors(diffusion: Diffusion, xs: State, *, key: Key, steps: Steps = None, side: State | None = None) -> np.ndarray:
    """How far one step of the sampler `ddim` ends from two half steps, for every step and event, (N, T - 1), in units of the data.

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
            log_signal, _ = log_levels(given.kernel, s)
            z, m = given.kernel.marginal(x, t).sample(key_step), 0.5 * (s + t)
            away = _ddim(given, z, s, t) - _ddim(given, _ddim(given, z, m, t), s, m)
            return jnp.sqrt(jnp.sum((away * jnp.exp(-log_signal)) ** 2))

        return jax.lax.map(step, (times[:-1], times[1:], jr.split(jr.fold_in(key, number), len(times) - 1)))

    return jax.vmap(one)(xs, side, numbers)
