"""The one value that kernels return: a law of one event, in nats, summed over the event."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

Key = jax.Array
State = Any  # a pytree of arrays: one event, one noisy state


class AbstractDistribution(eqx.Module):
    """A law that can be sampled and evaluated.

    `kl` and `entropy` have honest one-sample defaults (unbiased, not exact); families override them in closed form.
    `reparametrised` says whether `sample` is differentiable in the law's own parameters.
    """

    reparametrised: eqx.AbstractClassVar[bool]

    @abstractmethod
    def sample(self, key: Key) -> State:
        """One event."""

    @abstractmethod
    def log_prob(self, x: State) -> jax.Array:
        """log p(x) in nats, a scalar."""

    def kl(self, other: "AbstractDistribution", key: Key) -> jax.Array:
        """KL(self || other) in nats; by default an unbiased estimate from one sample."""
        x = self.sample(key)
        return self.log_prob(x) - other.log_prob(x)

    def entropy(self, key: Key) -> jax.Array:
        """Entropy in nats; by default an unbiased estimate from one sample."""
        return -self.log_prob(self.sample(key))

    def pair(self, key: Key) -> tuple[State, State]:
        """Two samples, each exact; families couple them antithetically, by default they are independent."""
        first, second = jr.split(key)
        return self.sample(first), self.sample(second)

    def mean(self) -> State:
        """The mean, where the family has one."""
        raise TypeError(f"{type(self).__name__} has no mean")


class AbstractIntegrable(AbstractDistribution):
    """A law whose expectations are finite sums.

    `nodes` is exact for every function on a finite space, and for polynomials up to degree 3 for a normal law: enough
    for every term of a ledger whose reverse steps are linear.
    """

    @abstractmethod
    def nodes(self) -> tuple[State, jax.Array]:
        """Points (M, *event) and weights (M,) that sum to one."""


def uniform(key: Key, shape: tuple[int, ...]) -> jax.Array:
    """Uniform numbers on (0, 1) with 32 random bits and full relative precision near zero.

    `jax.random.uniform` has 23 bits: a comparison with a probability of 1e-4 would then be off by up to 1e-3 of it.
    """
    bits = jr.bits(key, shape, jnp.uint32)
    return (bits.astype(jnp.result_type(float)) + 0.5) * 2.0**-32
