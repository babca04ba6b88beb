"""r(x) = exp(strength * sum of all elements)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.conditioning import LinearOptions


class Linear(qs.AbstractElementwise):
    """Shifts the mean of normal elements by strength * variance; discrete ones are reweighed."""

    strength: jax.Array

    def log_factors(self, x: jax.Array) -> jax.Array:
        return self.strength * x

    def tilt_normal(self, data: qs.Normal) -> tuple[qs.Normal, jax.Array]:
        log_means = self.strength * data.loc + 0.5 * self.strength**2 * data.variance
        return qs.Normal(data.loc + self.strength * data.variance, data.variance), log_means

    def power(self, exponent: jax.Array) -> Linear:
        return Linear(self.strength * exponent)


def build(options: LinearOptions, event: qs.AbstractField) -> Linear:
    """Raises ValueError for categories, whose numbers are names, and for events of several parts."""
    if not isinstance(event, qs.Real | qs.Levels | qs.Binary):
        raise ValueError(f"it takes numbers or bits, got {event.describe()}")
    return Linear(jnp.asarray(options.strength))
