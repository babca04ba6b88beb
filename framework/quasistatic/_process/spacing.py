"""Where the few times of a sampler lie: even in time, in the log-SNR, or in a power of the noise."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.gaussian import AbstractGaussianPath

Spacing = Literal["natural", "log-snr", "karras"]
LEAST = -12.0  # log-SNR, below which there is nothing to learn about unit data: 3e-6 nats an element
HALVINGS = 60


def spaced(
    kernel: AbstractGaussianPath, steps: int, spacing: Spacing, *, first: float | None = None, rho: float = 7.0
) -> Float[Array, " T"]:
    """T = `steps` increasing times from `first`, by default that of the kernel's own chain, to 1.

    natural: as the kernel has them. log-snr: even in the log signal-to-noise ratio. karras: even in (d / a)^(1 / rho), the noise in
    units of the data (Karras et al. 2022, eq. 5). Where the ratio differs between elements its mean counts. Raises ValueError for
    fewer than one step, and a `first` time without noise.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    natural = np.asarray(kernel.times(steps), np.float64)
    if spacing == "natural" or steps == 1:
        return jnp.asarray(natural, jnp.result_type(float))
    start = float(natural[0]) if first is None else first
    top, bottom = (float(each) for each in _log_snrs(kernel, np.array([start, 1.0])))
    if not np.isfinite(top):
        raise ValueError(f"first: expected a time with noise, got {start}")
    bottom = max(bottom, min(LEAST, top - 1.0))
    levels = np.linspace(top, bottom, steps)
    if spacing == "karras":
        first_root, last_root = (math.exp(-0.5 * level / rho) for level in (top, bottom))
        levels = -2.0 * rho * np.log(np.linspace(first_root, last_root, steps))
    inner = _inverted(functools.partial(_log_snrs, kernel), levels[1:-1], start)
    return jnp.asarray(np.concatenate([[start], inner, [1.0]]), jnp.result_type(float))


def _inverted(falling: Callable[[np.ndarray], np.ndarray], values: np.ndarray, start: float) -> np.ndarray:
    """Times (M,) in [start, 1] at which a falling function has these values, by halving."""
    low, high = np.full(len(values), start), np.ones(len(values))
    for _ in range(HALVINGS if len(values) else 0):
        middle = 0.5 * (low + high)
        above = falling(middle) > values
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


def _log_snrs(kernel: AbstractGaussianPath, times: np.ndarray) -> np.ndarray:
    """The log-SNR at times (M,), the mean over elements."""
    return np.asarray(_means(kernel, jnp.asarray(times, jnp.result_type(float))), np.float64)


@eqx.filter_jit
def _means(kernel: AbstractGaussianPath, times: Float[Array, " M"]) -> Float[Array, " M"]:
    return jax.vmap(lambda t: jnp.mean(kernel.log_snr(t)))(times)
