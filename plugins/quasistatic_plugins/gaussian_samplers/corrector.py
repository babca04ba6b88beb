"""Predictor and corrector: a step back, and Langevin steps that undo what it did wrong."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs
from quasistatic_plugins.gaussian_samplers import CorrectorOptions
from quasistatic_plugins.gaussian_samplers.base import AbstractGaussianSampler, gap, gaussian, half_log_snr


class Corrector(AbstractGaussianSampler):
    """A step with the score (a E[x given z_t] - z_t) / d^2, in which E[x given z_t] is constant, so that no step is too long."""

    options: CorrectorOptions = eqx.field(static=True)

    @property
    def calls_per_step(self) -> int:
        return 1 + self.options.corrections

    def step(
        self, diffusion: qs.Diffusion, state: jax.Array, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        kernel, options = gaussian(diffusion), self.options
        key_step, key_corrections = jr.split(key)
        renewed = -(options.eta**2) * jnp.expm1(-2.0 * gap(half_log_snr(kernel, s), half_log_snr(kernel, t)))
        z = kernel.back(self.start_of_step(diffusion, state, t), state, s, t, renewed).sample(key_step)

        def correct(z: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            return kernel.back(diffusion.mean(z, s), z, s, s, options.renewed).sample(key), None

        return jax.lax.scan(correct, z, jr.split(key_corrections, options.corrections))[0], {}
