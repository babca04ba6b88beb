"""What a diffusion with Gaussian noise knows at a level of noise, and values of events at many levels.

The coordinate is the log signal-to-noise ratio ln u, in which kernels and schedules compare.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import in_blocks
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.gaussian import AbstractGaussianPath, Levels
from quasistatic._process.kernel import AbstractKernel

SAME = 1e-3  # of ln u: elements whose noise is the same


def log_snr(kernel: AbstractKernel, times: np.ndarray | jax.Array) -> np.ndarray:
    """ln u at times (M,), where z_t = a x + d eps and u = a^2 / d^2.

    Raises TypeError for another than Gaussian noise, and where u is not the same for all elements.
    """
    found = np.asarray(_log_snrs(kernel, jnp.asarray(times, jnp.result_type(float))), np.float64).reshape(len(times), -1)
    with np.errstate(invalid="ignore"):  # without noise all are infinite
        apart = np.abs(found - found[:, :1]).max(initial=0.0)
    if apart > SAME:
        raise TypeError(f"expected the same noise in all elements, of {type(kernel).__name__} their ln u are {apart:.3g} apart")
    return found[:, 0]


def log_levels(kernel: AbstractKernel, t: Time) -> Levels:
    """ln a and ln d^2 of z_t = a x + d eps, scalars or (*event). Raises TypeError for another than such noise, in each element."""
    if not isinstance(kernel, AbstractGaussianPath):
        raise TypeError(f"expected Gaussian noise, a kernel that is an AbstractGaussianPath, got {type(kernel).__name__}")
    if kernel.basis is not None:
        raise TypeError(f"expected noise that is independent in each element, {type(kernel).__name__} has a basis")
    return kernel.levels(t)


@eqx.filter_jit
def _log_snrs(kernel: AbstractKernel, times: jax.Array) -> jax.Array:
    return jax.vmap(lambda t: log_snr_at(kernel, t))(times)


def log_snr_at(kernel: AbstractKernel, t: Time) -> jax.Array:
    log_a, log_noise = log_levels(kernel, t)
    return 2.0 * log_a - log_noise


@eqx.filter_jit
def _values(
    at: Callable[..., jax.Array],
    diffusion: Diffusion,
    xs: State,
    side: State | None,
    times: jax.Array,
    key: Key,
    numbers: jax.Array,
) -> jax.Array:
    def one(x: State, side_one: State | None, number: jax.Array) -> jax.Array:
        given, keys = diffusion.given(side_one), jr.split(jr.fold_in(key, number), len(times))
        return jax.lax.map(lambda point: at(given, x, *point), (times, keys))

    return jax.vmap(one)(xs, side, numbers)


def per_level(
    at: Callable[..., jax.Array], diffusion: Diffusion, xs: State, key: Key, times: np.ndarray, side: State | None
) -> np.ndarray:
    """at(diffusion, x, t, key) of each event and time, (N, M, ...)."""
    check_arithmetic()
    levels = jnp.asarray(times, jnp.result_type(float))

    def measure(block: State, side_block: State | None, numbers: jax.Array) -> jax.Array:
        return _values(at, diffusion, block, side_block, levels, key, numbers)

    return in_blocks("levels of noise", measure, diffusion, xs, side)
