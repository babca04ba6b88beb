"""Normal laws with independent elements, and the same seen through bins."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import log_ndtr

import quasistatic as qs

Key = jax.Array
LOG_TAU = math.log(2 * math.pi)


class Normal(qs.AbstractIntegrable):
    """Independent normal elements; `loc` and `variance` have the event's shape.

    The variance is stored, not its logarithm: a KL then costs one logarithm of a ratio.
    """

    loc: jax.Array
    variance: jax.Array
    reparametrised: ClassVar[bool] = True

    def _noise(self, key: Key) -> jax.Array:
        return jnp.sqrt(self.variance) * jr.normal(key, self.loc.shape, self.loc.dtype)

    def sample(self, key: Key) -> jax.Array:
        return self.loc + self._noise(key)

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        """Mirrored around the mean."""
        noise = self._noise(key)
        return self.loc + noise, self.loc - noise

    def log_prob(self, x: jax.Array) -> jax.Array:
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(self.variance) + LOG_TAU)

    def kl(self, other: qs.AbstractDistribution, key: Key) -> jax.Array:
        if not isinstance(other, Normal):
            return super().kl(other, key)
        ratio = self.variance / other.variance
        return 0.5 * jnp.sum((self.loc - other.loc) ** 2 / other.variance + ratio - 1.0 - jnp.log(ratio))

    def entropy(self, key: Key | None = None) -> jax.Array:
        return 0.5 * jnp.sum(jnp.log(self.variance) + LOG_TAU + 1.0)

    def mean(self) -> jax.Array:
        return self.loc

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        """2 * size points at sqrt(size) deviations along the axes: exact up to degree 3."""
        size = self.loc.size
        axes = math.sqrt(size) * jnp.eye(size).reshape(size, *self.loc.shape)
        points = self.loc + jnp.sqrt(self.variance) * jnp.concatenate([axes, -axes])
        return points, jnp.full((2 * size,), 0.5 / size)


class BinnedNormal(qs.AbstractDistribution):
    """A normal law seen through equally spaced levels: a level has the mass of its bin; the end bins are open."""

    normal: Normal
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    reparametrised: ClassVar[bool] = False

    @property
    def _spacing(self) -> float:
        return (self.high - self.low) / (self.levels - 1)

    def sample(self, key: Key) -> jax.Array:
        level = jnp.round((self.normal.sample(key) - self.low) / self._spacing)
        return self.low + self._spacing * jnp.clip(level, 0, self.levels - 1)

    def log_prob(self, x: jax.Array) -> jax.Array:
        deviation = jnp.sqrt(self.normal.variance)
        centre = (x - self.normal.loc) / deviation
        half = 0.5 * self._spacing / deviation
        first, last = x < self.low + 0.5 * self._spacing, x > self.high - 0.5 * self._spacing
        inside = log_interval(centre - half, centre + half)
        ends = jnp.where(first, log_ndtr(centre + half), log_ndtr(half - centre))
        return jnp.sum(jnp.where(first | last, ends, inside))

    def mean(self) -> jax.Array:
        return self.normal.loc


def log_interval(a: jax.Array, b: jax.Array) -> jax.Array:
    """log(Phi(b) - Phi(a)) for a < b, without cancellation in either tail."""
    flip = a + b > 0
    near, far = jnp.where(flip, -a, b), jnp.where(flip, -b, a)
    top, bottom = log_ndtr(near), log_ndtr(far)
    return top + jnp.log(-jnp.expm1(jnp.minimum(bottom - top, -1e-12)))
