"""Leaps: all places move at once, and what the network says of one does not yet depend on where the others have gone.

A prediction D of the data at z_t, with places independent, leads back to any earlier time exactly: the posterior averaged over D.
What is approximate is that D stays what it was. A leap holds it over a whole step, so that two places of which one decides the
other go wrong together. With a second prediction D' at the middle of the step, where the leap has led to, and D~ for what D has
become there by the leap alone (Bayes), the rest of the step goes by 2 D' - D~, cut off at 0.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs
from quasistatic_plugins.symbol_samplers import TauLeapingOptions, TrapezoidalOptions
from quasistatic_plugins.symbol_samplers.base import AbstractSymbolSampler, finite


class TauLeaping(AbstractSymbolSampler):
    """One leap a step. At temperature 1 it is `ancestral`."""

    options: TauLeapingOptions = eqx.field(static=True)

    def back(self, diffusion: qs.Diffusion, z: Any, s: jax.Array, t: jax.Array) -> qs.AbstractDistribution:
        """The distribution of z_s given z_t = z."""
        return finite(diffusion).bridge(self.data(diffusion, z, t), z, s, t)

    def step(
        self, diffusion: qs.Diffusion, state: Any, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[Any, dict[str, jax.Array]]:
        return self.back(diffusion, state, s, t).sample(key), {}


class Trapezoidal(AbstractSymbolSampler):
    """Two leaps a step. Where a jump of one place more than halves the rate of another, the cut makes it of order 1 there."""

    options: TrapezoidalOptions = eqx.field(static=True)

    @property
    def order(self) -> int:
        return 2

    @property
    def calls_per_step(self) -> int:
        return 2

    def leap(self, diffusion: qs.Diffusion, z: Any, s: jax.Array, t: jax.Array) -> tuple[qs.Finite, qs.AbstractDistribution]:
        """The prediction at z_t = z, and the distribution of the state in the middle of the step."""
        data = self.data(diffusion, z, t)
        return data, finite(diffusion).bridge(data, z, 0.5 * (s + t), t)

    def rest(
        self, diffusion: qs.Diffusion, data: qs.Finite, z: Any, middle: Any, s: jax.Array, t: jax.Array
    ) -> qs.AbstractDistribution:
        """The distribution of z_s, for a prediction at z_t = z and a state in the middle of the step."""
        kernel, half = finite(diffusion), 0.5 * (s + t)
        become = _updated(kernel, data, z, t, middle, half)
        new = self.data(diffusion, middle, half)
        ahead = qs.numerics.floored_log(jnp.maximum(2.0 * jnp.exp(new.log_probs) - jnp.exp(become), 0.0))
        return kernel.bridge(qs.Finite(qs.numerics.log_normalise(ahead), new.dtype), middle, s, half)

    def step(
        self, diffusion: qs.Diffusion, state: Any, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[Any, dict[str, jax.Array]]:
        key_leap, key_rest = jr.split(key)
        data, leap = self.leap(diffusion, state, s, t)
        return self.rest(diffusion, data, state, leap.sample(key_leap), s, t).sample(key_rest), {}


def _updated(kernel: qs.FiniteKernel, data: qs.Finite, z: Any, t: jax.Array, middle: Any, half: jax.Array) -> jax.Array:
    """log-probabilities of a prediction at z_t = z once an earlier state is known: q(middle given z, x) is its likelihood."""

    def log_likelihoods(z: Any, t: jax.Array) -> jax.Array:
        """log q(z_t given x) of all x, but for what is the same at all times."""
        found = kernel.decode(kernel.zero_params(), z, t)
        assert isinstance(found, qs.distributions.AbstractDiscrete)
        return found.log_probabilities()

    is_possible = data.log_probs > 0.5 * qs.numerics.FLOOR
    found = data.log_probs + log_likelihoods(middle, half) - log_likelihoods(z, t)
    return qs.numerics.log_normalise(jnp.where(is_possible, found, qs.numerics.FLOOR))
