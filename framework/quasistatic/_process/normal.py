"""Normal distributions, with independent elements or in a basis, and the same seen through bins."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from quasistatic._process.distribution import (
    AbstractDistribution,
    AbstractElementwiseDistribution,
    AbstractIntegrable,
    AbstractWithMean,
    Key,
    Scalar,
    normal_noise,
)
from quasistatic._process.finite import Finite, Leveled, log_normalise

LOG_TAU = math.log(2 * math.pi)
NARROW = 1e-3  # deviation of a level that is known, in spacings
NARROW_BIN = 0.05  # half of a bin, in deviations


class AbstractBasis(eqx.Module):
    """An orthonormal change of coordinates of one event: lengths stay what they are."""

    @abstractmethod
    def to_basis(self, x: Float[Array, "*event"]) -> Float[Array, "*event"]:
        """Coordinates of x."""

    @abstractmethod
    def from_basis(self, c: Float[Array, "*event"]) -> Float[Array, "*event"]:
        """The point with these coordinates."""


class Normal(AbstractElementwiseDistribution, AbstractIntegrable, AbstractWithMean):
    """Normal elements; `loc` and `variance` have the event's shape. The elements are independent in `basis`, if one is given.

    With a basis `variance` is that of the coordinates, so are values of elements, and two normals are compared in one basis:
    correlated noise is a kernel of a few lines. The variance is stored, not its logarithm: a KL then costs one logarithm of a
    ratio.
    """

    loc: Float[Array, "*event"]
    variance: Float[Array, "*event"]
    basis: AbstractBasis | None = None
    is_reparametrised: ClassVar[bool] = True

    def _in_basis(self, x: jax.Array) -> jax.Array:
        return x if self.basis is None else self.basis.to_basis(x)

    def _noise(self, key: Key) -> jax.Array:
        noise = jnp.sqrt(self.variance) * normal_noise(self.loc, key=key)
        return noise if self.basis is None else self.basis.from_basis(noise)

    def sample(self, key: Key) -> jax.Array:
        return self.loc + self._noise(key)

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        """Mirrored around the mean."""
        noise = self._noise(key)
        return self.loc + noise, self.loc - noise

    def log_probs(self, x: jax.Array) -> jax.Array:
        return -0.5 * (self._in_basis(x - self.loc) ** 2 / self.variance + jnp.log(self.variance) + LOG_TAU)

    def kl(self, other: AbstractDistribution, *, key: Key) -> Scalar:
        """Exact between normals of the same class of basis, which must be the same basis."""
        if not isinstance(other, Normal) or type(other.basis) is not type(self.basis):
            return super().kl(other, key=key)
        return jnp.sum(self.kls(other, key=key))

    def kls(self, other: AbstractElementwiseDistribution, *, key: Key) -> jax.Array:
        if not isinstance(other, Normal):
            return super().kls(other, key=key)
        ratio = self.variance / other.variance
        distance = self._in_basis(self.loc - other.loc) ** 2
        return 0.5 * (distance / other.variance + ratio - 1.0 - jnp.log(ratio))

    def entropy(self, key: Key | None = None) -> Scalar:
        return jnp.sum(self.entropies())

    def entropies(self, key: Key | None = None) -> jax.Array:
        return 0.5 * (jnp.log(self.variance) + LOG_TAU + 1.0)

    def mean(self) -> jax.Array:
        return self.loc

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        """2 * size points at sqrt(size) deviations along the axes: exact up to degree 3."""
        size = self.loc.size
        axes = math.sqrt(size) * jnp.eye(size).reshape(size, *self.loc.shape)
        steps = jnp.sqrt(self.variance) * jnp.concatenate([axes, -axes])
        if self.basis is not None:
            steps = jax.vmap(self.basis.from_basis)(steps)
        return self.loc + steps, jnp.full((2 * size,), 0.5 / size)


class BinnedNormal(AbstractElementwiseDistribution):
    """A normal distribution seen through equally spaced levels: a level has the mass of its bin; the end bins are open."""

    normal: Normal
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    is_reparametrised: ClassVar[bool] = False

    @property
    def spacing(self) -> float:
        """The distance of two levels."""
        return (self.high - self.low) / (self.levels - 1)

    def sample(self, key: Key) -> jax.Array:
        level = jnp.round((self.normal.sample(key) - self.low) / self.spacing)
        return self.low + self.spacing * jnp.clip(level, 0, self.levels - 1)

    def by_level(self) -> Leveled:
        """The same with the probability of every level written out."""
        edges = self.low + self.spacing * (jnp.arange(self.levels - 1) + 0.5)
        scaled = (edges - self.normal.loc[..., None]) / jnp.sqrt(self.normal.variance)[..., None]
        below, above = log_ndtr(scaled), log_ndtr(-scaled)
        right = scaled[..., 1:] + scaled[..., :-1] > 0  # from the nearer tail, as in `log_interval`
        inner = jnp.where(right, _log_less(above[..., :-1], above[..., 1:]), _log_less(below[..., 1:], below[..., :-1]))
        by_level = jnp.concatenate([below[..., :1], inner, above[..., -1:]], axis=-1)
        return Leveled(Finite(log_normalise(by_level)), self.low, self.spacing)

    def log_probs(self, x: jax.Array) -> jax.Array:
        """log p of each element of x (*event), or of one level at each element."""
        return _log_bins(x, self.normal.loc, jnp.sqrt(self.normal.variance), self.low, self.high, self.spacing)

    def known(self, x: jax.Array, mask: jax.Array) -> BinnedNormal:
        """The same with elements where `mask` holds certain to be x: a normal distribution much narrower than its bin."""
        loc = jnp.where(mask, x, self.normal.loc)
        variance = jnp.where(mask, (NARROW * self.spacing) ** 2, self.normal.variance)
        return BinnedNormal(Normal(loc, variance), self.low, self.high, self.levels)


class MeasuredNormal(AbstractElementwiseDistribution):
    """Normal elements, some of which are seen through the bins of a lattice of their own, where they are blurred as well.

    `low`, `high` and `spacing` (*event) are those of the lattices, `spacing` 0 where there is none. On a lattice an element is the
    normal one plus noise of variance `blur` (*event), rounded: `normal` may be that of a lattice whose values were blurred.
    """

    normal: Normal
    blur: Float[Array, "*event"]
    low: Float[Array, "*event"]
    high: Float[Array, "*event"]
    spacing: Float[Array, "*event"]
    is_reparametrised: ClassVar[bool] = False

    def _deviation(self) -> jax.Array:
        return jnp.sqrt(self.normal.variance + self.blur)

    def sample(self, key: Key) -> jax.Array:
        drawn = self.normal.loc + self._deviation() * normal_noise(self.normal.loc, key=key)
        spacing, low = jnp.where(self.spacing > 0, self.spacing, 1.0), jnp.where(self.spacing > 0, self.low, 0.0)
        last = jnp.where(self.spacing > 0, jnp.round((self.high - low) / spacing), 0.0)
        on_lattice = low + spacing * jnp.clip(jnp.round((drawn - low) / spacing), 0, last)
        return jnp.where(self.spacing > 0, on_lattice, drawn)

    def log_probs(self, x: jax.Array) -> jax.Array:
        """log p of each element of x: of one on a lattice a probability, of another a density."""
        loc, deviation, is_lattice = self.normal.loc, self._deviation(), self.spacing > 0
        density = -0.5 * (((x - loc) / deviation) ** 2 + LOG_TAU) - jnp.log(deviation)
        spacing = jnp.where(is_lattice, self.spacing, 1.0)
        return jnp.where(is_lattice, _log_bins(x, loc, deviation, self.low, self.high, spacing), density)

    def known(self, x: jax.Array, mask: jax.Array) -> MeasuredNormal:
        """The same with elements where `mask` holds certain to be x."""
        loc = jnp.where(mask, x, self.normal.loc)
        variance = jnp.where(mask, (NARROW * self.spacing) ** 2, self.normal.variance)
        return MeasuredNormal(Normal(loc, variance), jnp.where(mask, 0.0, self.blur), self.low, self.high, self.spacing)


def mean_of(data: AbstractDistribution) -> Float[Array, "*event"]:
    """The mean of a distribution of data; of binned normals that of the normals. Raises TypeError where there is none."""
    if isinstance(data, BinnedNormal | MeasuredNormal):
        data = data.normal
    if not isinstance(data, AbstractWithMean):
        raise TypeError(f"expected a distribution of data with a mean, got a {type(data).__name__}")
    return data.mean()


def _log_bins(
    x: jax.Array, loc: jax.Array, deviation: jax.Array, low: jax.Array | float, high: jax.Array | float, spacing: jax.Array | float
) -> jax.Array:
    """log of the mass of the bin around each x, `spacing` wide; those around `low` and `high` are open."""
    centre, half = (x - loc) / deviation, 0.5 * spacing / deviation
    first, last = x < low + 0.5 * spacing, x > high - 0.5 * spacing
    # of a narrow bin the two ends are too close for the difference of their masses: its middle is as good
    is_narrow = half * jnp.maximum(jnp.abs(centre), 1.0) < NARROW_BIN
    narrow, wide = jnp.where(is_narrow, half, NARROW_BIN), jnp.where(is_narrow, NARROW_BIN, half)
    square = jnp.where(is_narrow, centre, 0.0) ** 2
    middle = jnp.log(2.0 * narrow) - 0.5 * (square + LOG_TAU) + narrow**2 / 6.0 * (square - 1.0)
    inside = jnp.where(is_narrow, middle, log_interval(centre - wide, centre + wide))
    ends = jnp.where(first, log_ndtr(centre + half), log_ndtr(half - centre))
    return jnp.where(first | last, ends, inside)


def log_interval(a: jax.Array, b: jax.Array) -> jax.Array:
    """log(Phi(b) - Phi(a)) for a < b, without cancellation in either tail."""
    flip = a + b > 0
    near, far = jnp.where(flip, -a, b), jnp.where(flip, -b, a)
    return _log_less(log_ndtr(near), log_ndtr(far))


def _log_less(top: jax.Array, bottom: jax.Array) -> jax.Array:
    """log(exp(top) - exp(bottom))."""
    return top + jnp.log(-jnp.expm1(jnp.minimum(bottom - top, -1e-12)))
