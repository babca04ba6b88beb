"""Heun's method, for what is left of the probability flow when the noise is integrated exactly."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.gaussian_samplers import HeunOptions
from quasistatic_plugins.gaussian_samplers.base import AbstractGaussianSampler, gap, gaussian, half_log_snr


class Heun(AbstractGaussianSampler):
    """The prediction changes linearly in log a / d over a step, from that at z_t to that at where `ddim` would end."""

    options: HeunOptions = eqx.field(static=True)

    @property
    def order(self) -> int:
        """With churn it is 1."""
        return 2 if self.options.churn == 0 else 1

    @property
    def calls_per_step(self) -> int:
        return 2

    def step(
        self, diffusion: qs.Diffusion, state: jax.Array, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        kernel, z = gaussian(diffusion), state
        if self.options.churn > 0:
            z, t = _churned(kernel, z, t, jnp.minimum(t + self.options.churn * (t - s), 1.0), key)
        start = self.start_of_step(diffusion, z, t)
        end = diffusion.mean(kernel.back(start, z, s, t).loc, s)
        rise = gap(half_log_snr(kernel, s), half_log_snr(kernel, t))
        constant = -jnp.expm1(-rise)
        # the average of the way from 0 to 1 over the step, weighted by exp(rise * u)
        share = jnp.broadcast_to((1.0 - constant / rise) / constant, z.shape)
        average = kernel.coordinates(start) + share * kernel.coordinates(end - start)
        return kernel.back(kernel.elements(average), z, s, t).loc, {}


def _churned(
    kernel: qs.AbstractGaussianPath, z: jax.Array, t: jax.Array, later: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """z led forward into the noise of a later time, and that time."""
    moved = kernel.transition(z, t, later).sample(key)
    return jnp.where(later > t, moved, z), later
