"""Multistep samplers in the log-SNR: `ddim`, `dpm` and `sde` are one method, of another order and with other noise.

With l = log a / d the flow is d(z / d) = exp(l) E[x given z] dl. A step takes E[x given z], as a function of l, for the polynomial
through the last predictions, and integrates it exactly: it adds to the last prediction what the polynomial's average over the step,
weighted by exp(l), differs from it by.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.gaussian_samplers import DdimOptions, DpmOptions, SdeOptions
from quasistatic_plugins.gaussian_samplers.base import AbstractGaussianSampler, gap, gaussian, half_log_snr


class Memory(eqx.Module):
    """z, and the last predictions (M, *event) in coordinates with log a / d where they were made (M, ...), newest first.

    One that was not yet made counts as made without signal, at -inf, from where a polynomial is constant.
    """

    z: jax.Array
    means: jax.Array
    levels: jax.Array


class Multistep(AbstractGaussianSampler):
    """A step by the last `order` predictions; `eta` is the share of the posterior's noise that it draws."""

    options: DdimOptions | DpmOptions | SdeOptions = eqx.field(static=True)

    @property
    def most(self) -> int:
        """How many predictions a step uses, once they are there."""
        return 1 if isinstance(self.options, DdimOptions) else self.options.order

    @property
    def order(self) -> int:
        """With noise it is 1, whatever the polynomial."""
        return self.most if self.options.eta == 0 else 1

    def init(self, diffusion: qs.Diffusion, *, key: jax.Array) -> Memory:
        z, kernel = super().init(diffusion, key=key), gaussian(diffusion)
        level = half_log_snr(kernel, jnp.ones(()))
        held = self.most - 1
        return Memory(z, jnp.zeros((held, *z.shape), z.dtype), jnp.full((held, *level.shape), -jnp.inf, level.dtype))

    def position(self, state: Memory) -> jax.Array:
        return state.z

    def step(
        self, diffusion: qs.Diffusion, state: Memory, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[Memory, dict[str, jax.Array]]:
        kernel = gaussian(diffusion)
        level, mean = half_log_snr(kernel, t), kernel.coordinates(self.start_of_step(diffusion, state.z, t))
        means, levels = jnp.concatenate([mean[None], state.means]), jnp.concatenate([level[None], state.levels])
        rise = gap(half_log_snr(kernel, s), level)
        renewed = -(self.options.eta**2) * jnp.expm1(-2.0 * rise)
        average = kernel.elements(_average(means, levels, rise, renewed))
        found = kernel.back(average, state.z, s, t, renewed)
        z = found.loc if self.options.eta == 0 else found.sample(key)
        return Memory(z, means[: self.most - 1], levels[: self.most - 1]), {}


def _average(means: jax.Array, levels: jax.Array, rise: jax.Array, renewed: jax.Array) -> jax.Array:
    """The average over a step of the polynomial through predictions (M, *event) at levels (M, ...), M at most 3."""
    rate = rise - 0.5 * jnp.log1p(-renewed)  # of the weight exp(rate * u), u from 0 to 1 over the step; noise forgets sooner
    constant = -jnp.expm1(-rate)
    linear = 1.0 - constant / rate
    found = means[0]
    if len(means) == 1:
        return found
    slope = _divided(means[0], means[1], levels[0], levels[1])
    change = slope
    if len(means) == 3:
        bend = _divided(slope, _divided(means[1], means[2], levels[1], levels[2]), levels[0], levels[2])
        change = slope + bend * _finite(levels[0] - levels[1])
        found = found + _finite(rise) ** 2 * bend * (1.0 - 2.0 * linear / rate) / constant
    return found + _finite(rise) * change * linear / constant


def _divided(one: jax.Array, other: jax.Array, at: jax.Array, before: jax.Array) -> jax.Array:
    """A divided difference; 0 where the other was made without signal."""
    return jnp.where(jnp.isfinite(before), (one - other) / gap(at, before), 0.0)


def _finite(rise: jax.Array) -> jax.Array:
    """A step from or to an end of time takes its prediction for constant."""
    return jnp.where(jnp.isfinite(rise), rise, 0.0)
