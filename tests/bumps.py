"""1/2 N(-2, 1/4) + 1/2 N(2, 1/4) with its exact denoiser, on a chain that is even in ln u from 100 to 0.01."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import MixtureKernel
from quasistatic_plugins.gaussian.mixture import NormalMixture

M, S2 = 2.0, 0.25
OPTIONS = GaussianOptions(first_noise=1.0 / 101.0, last_survival=0.01 / 1.01, mean="data", variance="forward")


class Silent(qs.AbstractModel):
    """The reference is all there is."""

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        return jnp.zeros((*features.shape[:-1], 1))


def mixture(a: float = 1.0, noise: float = 0.0) -> NormalMixture:
    """Of the data, or of a z that is a x + noise."""
    return NormalMixture(
        jnp.log(jnp.full(2, 0.5)), a * jnp.array([[-M], [M]]), jnp.ones((2, 1, 1)), jnp.full((2, 1), a**2 * S2 + noise), (1,)
    )


def two_bumps() -> qs.Diffusion:
    return qs.Diffusion(MixtureKernel(OPTIONS, qs.Real((1,)), mixture()), Silent(), 60)


def times_of(snr: list[float] | np.ndarray) -> np.ndarray:
    return (math.log(100.0) - np.log(np.asarray(snr))) / math.log(1e4)
