"""Potentials: a factor r(x) on data, which turns p(x) into p(x) r(x) / Z.

r may be a likelihood (then p(x) r(x) / Z is a posterior and Z the evidence), a preference, or the certainty that some
elements have some values. It is a statement about data, so it tilts what a network says the data are (`decode`), and the
steps back follow from that (Sohl-Dickstein et al. 2015, section 2.5, multiplies the steps themselves).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from quasistatic._process.distribution import AbstractDiscrete, AbstractDistribution, Scalar, State
from quasistatic._process.finite import FLOOR, log_normalise
from quasistatic._process.held import Phases, Point
from quasistatic._process.normal import LOG_TAU, BinnedNormal, MeasuredNormal, Normal
from quasistatic._process.product import AbstractProduct

Tilted = tuple[AbstractDistribution, Scalar]
ROUNDING = 1e-6  # of float32 numbers that are the same but for the way they were computed in, relative; or near 0, absolute


class Twist(NamedTuple):
    """What leads particles under a potential r: data(x) r(x) = `data`(x) exp(`log_mean` + `left`(x)) for every x.

    `left` is 0 where the product is known in closed form. `log_mean` is a guess at the logarithm of the mean of r where it is not.
    """

    data: AbstractDistribution
    log_mean: Scalar
    left: Callable[[State], Scalar]


class AbstractPotential(eqx.Module):
    """A factor r(x) on one event. `one * other` is the product of two.

    Only `log_factor` has to be written. A factor whose product with data is not known in closed form, such as a classifier, has no
    `tilt`: then weighted particles draw under it, and nothing else does. They are led by its gradient where it
    `is_differentiable`.
    """

    is_differentiable: ClassVar[bool] = False

    @abstractmethod
    def log_factor(self, x: State) -> Scalar:
        """log r(x) in nats."""

    def tilt(self, data: AbstractDistribution) -> Tilted:
        """data(x) r(x) / Z within the family of `data`, and log Z, the logarithm of the mean of r under `data`.

        Raises TypeError for a family in which it is not known.
        """
        raise TypeError(
            f"{type(self).__name__}.tilt: has no closed form for a {type(data).__name__}; draw with the sampler `particles`"
        )

    def power(self, exponent: Float[Array, ""]) -> AbstractPotential:
        """r(x) to a power above 0."""
        return Power(self, exponent)

    def twist(self, data: AbstractDistribution) -> Twist:
        """The closed form where there is one. Else the value of r alone, which particles read off data at the end.

        A potential that `is_differentiable` takes log r of normal data as linear around their mean, as Wu et al. 2023 do.
        """
        try:
            return Twist(*self.tilt(data), lambda x: jnp.zeros(()))
        except TypeError:
            if not (self.is_differentiable and isinstance(data, Normal) and data.basis is None):
                return Twist(data, jnp.zeros(()), self.log_factor)
        value, slope = jax.value_and_grad(self.log_factor)(data.loc)
        moved = Normal(data.loc + slope * data.variance, data.variance)

        def left(x: State) -> Scalar:
            return self.log_factor(x) - value - jnp.sum(slope * (x - data.loc) - 0.5 * slope**2 * data.variance)

        # the value at the mean: the mean of what is linear may be far above any value of r
        return Twist(moved, value, left)

    def __mul__(self, other: AbstractPotential) -> AllOf:
        return AllOf((self, other))


class Power(AbstractPotential):
    """A factor to a power above 0, where nothing more is known of it."""

    factor: AbstractPotential
    exponent: Float[Array, ""]

    @property
    def is_differentiable(self) -> bool:  # type: ignore[override]
        return self.factor.is_differentiable

    def log_factor(self, x: State) -> Scalar:
        return self.exponent * self.factor.log_factor(x)


class AllOf(AbstractPotential):
    """The product of several factors."""

    factors: tuple[AbstractPotential, ...]

    def log_factor(self, x: State) -> Scalar:
        return sum((factor.log_factor(x) for factor in self.factors), start=jnp.zeros(()))

    def tilt(self, data: AbstractDistribution) -> Tilted:
        log_mean = jnp.zeros(())
        for factor in self.factors:
            data, one = factor.tilt(data)
            log_mean += one
        return data, log_mean

    def twist(self, data: AbstractDistribution) -> Twist:
        """One factor after the other, each on what those before it have left of `data`."""
        twists: list[Twist] = []
        for factor in self.factors:
            twists.append(factor.twist(twists[-1].data if twists else data))

        def left(x: State) -> Scalar:
            return sum((twist.left(x) for twist in twists), start=jnp.zeros(()))

        log_mean = sum((twist.log_mean for twist in twists), start=jnp.zeros(()))
        return Twist(twists[-1].data if twists else data, log_mean, left)

    def power(self, exponent: Float[Array, ""]) -> AllOf:
        return AllOf(tuple(factor.power(exponent) for factor in self.factors))


class OnPart(AbstractPotential):
    """A factor on one part of an event of several."""

    factor: AbstractPotential
    name: str = eqx.field(static=True)

    def log_factor(self, x: State) -> Scalar:
        return self.factor.log_factor(x[self.name])

    def tilt(self, data: AbstractDistribution) -> Tilted:
        if not isinstance(data, AbstractProduct):
            raise TypeError(f"OnPart.tilt: expected a distribution of several parts, got a {type(data).__name__}")
        if self.name not in data.parts:
            raise ValueError(f"OnPart: there is no part {self.name!r}  (there is: {', '.join(data.parts)})")
        tilted, log_mean = _tilted(self.factor, data.parts[self.name])
        return data.with_parts({self.name: tilted}), log_mean

    def twist(self, data: AbstractDistribution) -> Twist:
        if not isinstance(data, AbstractProduct) or isinstance(data.parts.get(self.name), Point | Phases):
            return super().twist(data)
        if self.name not in data.parts:
            raise ValueError(f"OnPart: there is no part {self.name!r}  (there is: {', '.join(data.parts)})")
        part = self.factor.twist(data.parts[self.name])
        return Twist(data.with_parts({self.name: part.data}), part.log_mean, lambda x: part.left(x[self.name]))

    def power(self, exponent: Float[Array, ""]) -> OnPart:
        return OnPart(self.factor.power(exponent), self.name)


def _tilted(factor: AbstractPotential, data: AbstractDistribution) -> Tilted:
    """The same where a part of an event is certain, or in one of several phases."""
    if isinstance(data, Point):
        return data, factor.log_factor(data.value)
    if isinstance(data, Phases):
        phases, log_means = zip(*(_tilted(factor, phase) for phase in data.phases), strict=True)
        return Phases(phases, data.number), data.chosen(list(log_means))
    return factor.tilt(data)


class AbstractElementwise(AbstractPotential):
    """A factor on each element by itself: exact for every discrete distribution of independent elements.

    A subclass that also knows its product with a normal distribution overrides `tilt_normal`.
    """

    @abstractmethod
    def log_factors(self, x: Float[Array, "*event"]) -> Float[Array, "*event"]:
        """log r of each element; x may also be one number for all of them."""

    def tilt_normal(self, data: Normal) -> tuple[Normal, Float[Array, "*event"]]:
        """The product with independent normal elements, and log Z of each."""
        raise TypeError(f"{type(self).__name__}.tilt: not known for a Normal")

    def log_factor(self, x: State) -> Scalar:
        return jnp.sum(self.log_factors(x))

    def tilt(self, data: AbstractDistribution) -> Tilted:
        if isinstance(data, Normal) and data.basis is None:
            tilted, log_means = self.tilt_normal(data)
            return tilted, jnp.sum(log_means)
        data = data.by_level() if isinstance(data, BinnedNormal) else data
        if not isinstance(data, AbstractDiscrete):
            raise TypeError(f"{type(self).__name__}.tilt: not known for a {type(data).__name__}")
        return _reweighed(data, self.log_factors)


def _reweighed(data: AbstractDiscrete, log_factors: Callable[[jax.Array], jax.Array]) -> Tilted:
    """The product with a factor whose logarithm is known for each element (*event) at one value of all, and log Z."""
    weights = data.log_probabilities() + jax.vmap(log_factors, out_axes=-1)(data.values())
    log_means = jax.nn.logsumexp(jnp.maximum(weights, FLOOR), axis=-1)
    return data.with_log_probabilities(log_normalise(weights)), jnp.sum(log_means)


class Known(AbstractElementwise):
    """Elements where `mask` holds have the values `x`, for certain: in-painting.

    Of a discrete distribution that is the one value nearer than half the smallest distance of two. For real data Z is the
    density of these values, and r has no finite `log_factor`.
    """

    x: Float[Array, "*event"]
    mask: Bool[Array, "*event"]

    def log_factors(self, x: jax.Array) -> jax.Array:
        return self._within(x, ROUNDING * jnp.maximum(1.0, jnp.abs(self.x)))

    def _within(self, x: jax.Array, distance: jax.Array) -> jax.Array:
        return jnp.where(self.mask & ~(jnp.abs(x - self.x) < distance), FLOOR, 0.0)

    def __check_init__(self) -> None:
        if jnp.shape(self.x) != jnp.shape(self.mask):
            raise ValueError(f"Known: expected x and mask of one shape, got {jnp.shape(self.x)} and {jnp.shape(self.mask)}")

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError for values of another shape than an event's, such as one event's where a stack of many is wanted."""
        if jnp.shape(self.x) != shape:
            raise ValueError(f"Known: expected x of shape {shape}, as an event has, got {jnp.shape(self.x)}; many are a stack")

    def tilt_normal(self, data: Normal) -> tuple[Normal, jax.Array]:
        self._check(data.loc.shape)
        log_means = _log_normal(self.x - data.loc, data.variance)
        tilted = Normal(jnp.where(self.mask, self.x, data.loc), jnp.where(self.mask, 0.0, data.variance))
        return tilted, jnp.where(self.mask, log_means, 0.0)

    def tilt(self, data: AbstractDistribution) -> Tilted:
        if isinstance(data, AbstractDiscrete):
            self._check(data.log_probabilities().shape[:-1])
            distances = jnp.diff(jnp.sort(data.values().astype(float)))
            half = 0.5 * jnp.min(distances, initial=jnp.inf)
            return _reweighed(data, lambda value: self._within(value, half))
        if not isinstance(data, BinnedNormal | MeasuredNormal):
            return super().tilt(data)
        self._check(data.normal.loc.shape)
        # no other level than those that are known has to be looked at
        return data.known(self.x, self.mask), jnp.sum(jnp.where(self.mask, data.log_probs(self.x), 0.0))

    def power(self, exponent: Float[Array, ""]) -> Known:
        return self


class Observed(AbstractElementwise):
    """The likelihood of `y`, which is x with normal noise of this `variance` (a number, or one for each element): denoising."""

    y: Float[Array, "*event"]
    variance: Float[Array, ...]
    exponent: Float[Array, ""] | None = None  # of a `power`; None is 1, and no leaf that stacks of potentials would need

    def log_factors(self, x: jax.Array) -> jax.Array:
        return _or_one(self.exponent) * _log_normal(self.y - x, self.variance)

    def tilt_normal(self, data: Normal) -> tuple[Normal, jax.Array]:
        exponent = _or_one(self.exponent)
        noise = self.variance / exponent
        total = data.variance + noise
        loc = (data.loc * noise + self.y * data.variance) / total
        constant = exponent * _log_normal(0.0, self.variance) - _log_normal(0.0, noise)
        return Normal(loc, data.variance * noise / total), _log_normal(self.y - data.loc, total) + constant

    def power(self, exponent: Float[Array, ""]) -> Observed:
        return Observed(self.y, self.variance, _or_one(self.exponent) * exponent)


class Flipped(AbstractElementwise):
    """The likelihood of bits `y`, each of which is the bit of x, or its opposite with this `probability`: denoising of bits."""

    y: Float[Array, "*event"]
    probability: Float[Array, ...]
    exponent: Float[Array, ""] | None = None  # of a `power`; None is 1, and no leaf that stacks of potentials would need

    def log_factors(self, x: jax.Array) -> jax.Array:
        is_same = jnp.abs(x - self.y) < 0.5
        return _or_one(self.exponent) * jnp.where(is_same, jnp.log1p(-self.probability), jnp.log(self.probability))

    def power(self, exponent: Float[Array, ""]) -> Flipped:
        return Flipped(self.y, self.probability, _or_one(self.exponent) * exponent)


def _or_one(exponent: jax.Array | None) -> jax.Array | float:
    return 1.0 if exponent is None else exponent


def _log_normal(away: jax.Array | float, variance: jax.Array) -> jax.Array:
    """log density of normal elements this far from their mean."""
    return -0.5 * (away**2 / variance + jnp.log(variance) + LOG_TAU)
