"""The one value that kernels return: a distribution of one event, in nats, summed over the event."""

import math
from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

LOWEST = np.nextafter(np.float32(-1.0), np.float32(0.0))  # the even number next to -1, where a normal one is not infinite

Key = jax.Array
State = Any  # a pytree of arrays: one event, one noisy state
Scalar = Float[Array, ""]
Time = Float[Array, ""]


class AbstractDistribution(eqx.Module):
    """A distribution that can be sampled and evaluated.

    `kl` and `entropy` have honest one-sample defaults (unbiased, not exact); families override them in closed form.
    """

    @property
    @abstractmethod
    def is_reparametrised(self) -> bool:
        """Whether `sample` is differentiable in the distribution's own parameters; mostly a ClassVar."""

    @abstractmethod
    def sample(self, key: Key) -> State:
        """One event."""

    @abstractmethod
    def log_prob(self, x: State) -> Scalar:
        """log p(x) in nats, a scalar."""

    def kl(self, other: "AbstractDistribution", *, key: Key) -> Scalar:
        """KL(self || other) in nats; by default an unbiased estimate from one sample."""
        x = self.sample(key)
        return self.log_prob(x) - other.log_prob(x)

    def log_prob_by_part(self, x: State) -> dict[str, Scalar]:
        """log p(x) in nats, split over the parts of an event; a field alone has the name ''."""
        return {"": self.log_prob(x)}

    def kl_by_part(self, other: "AbstractDistribution", *, key: Key) -> dict[str, Scalar]:
        """KL(self || other) in nats, split over the parts of an event."""
        return {"": self.kl(other, key=key)}

    def entropy(self, key: Key) -> Scalar:
        """Entropy in nats; by default an unbiased estimate from one sample."""
        return -self.log_prob(self.sample(key))

    def pair(self, key: Key) -> tuple[State, State]:
        """Two samples, each exact; families couple them antithetically, by default they are independent."""
        first, second = jr.split(key)
        return self.sample(first), self.sample(second)

    def score(self, x: State) -> Scalar:
        """log p(x) of a drawn x, of those elements whose draw has no derivative; zero where `sample` has one.

        A mean over draws is differentiated through this, where it cannot be through the draw (the score estimator).
        """
        return jnp.zeros(()) if self.is_reparametrised else self.log_prob(jax.lax.stop_gradient(x))


class AbstractElementwiseDistribution(AbstractDistribution):
    """Independent elements, one array, each of which has values of its own: what sums over some of the elements is made of.

    `kls` and `entropies` have honest one-sample defaults, as the sums have.
    """

    @abstractmethod
    def log_probs(self, x: Float[Array, "*event"]) -> Float[Array, "*event"]:
        """log p of each element of x, in nats."""

    def kls(self, other: "AbstractElementwiseDistribution", *, key: Key) -> Float[Array, "*event"]:
        """KL(self || other) of each element, in nats; by default an unbiased estimate from one sample."""
        x = self.sample(key)
        return self.log_probs(x) - other.log_probs(x)

    def entropies(self, key: Key) -> Float[Array, "*event"]:
        """Entropy of each element, in nats; by default an unbiased estimate from one sample."""
        return -self.log_probs(self.sample(key))

    def log_prob(self, x: State) -> Scalar:
        return jnp.sum(self.log_probs(x))


class AbstractWithMean(AbstractDistribution):
    """A distribution whose mean is known."""

    @abstractmethod
    def mean(self) -> State:
        """The mean, of the shape of an event; for symbols the probabilities of the states, (*event, n)."""


class AbstractIntegrable(AbstractDistribution):
    """A distribution whose expectations are finite sums.

    `nodes` is exact for every function on a finite space, and for polynomials up to degree 3 for a normal distribution:
    enough for every term of a ledger whose reverse steps are linear.
    """

    @abstractmethod
    def nodes(self) -> tuple[State, Float[Array, " nodes"]]:
        """Points (M, *event) and weights (M,) that sum to one."""


class AbstractDiscrete(AbstractDistribution):
    """Independent elements, each with one of n values: any factor on single elements reweighs them, exactly."""

    @abstractmethod
    def values(self) -> Float[Array, " n"]:
        """The values that an element can have, as events hold them."""

    @abstractmethod
    def log_probabilities(self) -> Float[Array, "*event n"]:
        """log of the probability of each value at each element, floored, normalised."""

    @abstractmethod
    def with_log_probabilities(self, log_probs: Float[Array, "*event n"]) -> "AbstractDiscrete":
        """The same with other probabilities, which are normalised."""


def normal_noise(like: Float[Array, "*event"], *, key: Key) -> Float[Array, "*event"]:
    """Standard normal numbers of this shape and dtype; a key gives the same ones, up to rounding, with x64 and without.

    The even numbers behind them are drawn in float32, as `jax.random.normal` draws them there. What follows is computed in the
    dtype at hand: the compiler may compute a draw twice, and each time round it in another way.
    """
    even = jr.uniform(key, like.shape, jnp.float32, LOWEST, 1.0).astype(jnp.promote_types(like.dtype, jnp.float32))
    return (jnp.asarray(math.sqrt(2.0), even.dtype) * jax.lax.erf_inv(even)).astype(like.dtype)


def uniform(shape: tuple[int, ...], *, key: Key) -> Float[Array, "..."]:
    """Uniform numbers on (0, 1) with 32 random bits and full relative precision near zero.

    `jax.random.uniform` has 23 bits: a comparison with a probability of 1e-4 would then be off by up to 1e-3 of it.
    """
    bits = jr.bits(key, shape, jnp.uint32)
    return (bits.astype(jnp.result_type(float)) + 0.5) * 2.0**-32
