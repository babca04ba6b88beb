"""What holds still for some of the time: points, and distributions of which time chooses one."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State
from quasistatic._process.finite import FLOOR


class Point(AbstractDistribution):
    """One value for certain. Its log-probability is 0, also where another distribution of the same thing has a density."""

    value: Array
    is_reparametrised: ClassVar[bool] = True

    def sample(self, key: Key) -> State:
        return self.value

    def pair(self, key: Key) -> tuple[State, State]:
        return self.value, self.value

    def log_prob(self, x: State) -> Scalar:
        return jnp.sum(jnp.where(x == self.value, 0.0, FLOOR))

    def kl(self, other: AbstractDistribution, *, key: Key) -> Scalar:
        return -other.log_prob(self.value)

    def entropy(self, key: Key | None = None) -> Scalar:
        return jnp.zeros(())


class Phases(AbstractDistribution):
    """One of several distributions of the same arrays, that of this `number`, which may be traced.

    All of them are evaluated, so all need to be finite. Draws have the type of those of the first.
    """

    phases: tuple[AbstractDistribution, ...]
    number: Int[Array, ""]

    @property
    def is_reparametrised(self) -> bool:
        return all(phase.is_reparametrised for phase in self.phases)

    def chosen(self, values: list[Array]) -> Array:
        """Of a value of each phase that of the one that counts."""
        first = jnp.asarray(values[0])
        return jax.lax.select_n(self.number, first, *(jnp.asarray(value, first.dtype) for value in values[1:]))

    def _keyed(self, key: Key) -> list[tuple[AbstractDistribution, Key]]:
        return list(zip(self.phases, jr.split(key, len(self.phases)), strict=True))

    def sample(self, key: Key) -> State:
        return self.chosen([phase.sample(one) for phase, one in self._keyed(key)])

    def pair(self, key: Key) -> tuple[State, State]:
        pairs = [phase.pair(one) for phase, one in self._keyed(key)]
        return self.chosen([pair[0] for pair in pairs]), self.chosen([pair[1] for pair in pairs])

    def log_prob(self, x: State) -> Scalar:
        return self.chosen([phase.log_prob(x) for phase in self.phases])

    def kl(self, other: AbstractDistribution, *, key: Key) -> Scalar:
        """Phase by phase, where `other` has phases too: of the same step."""
        others = other.phases if isinstance(other, Phases) else (other,) * len(self.phases)
        return self.chosen([phase.kl(each, key=one) for (phase, one), each in zip(self._keyed(key), others, strict=True)])

    def entropy(self, key: Key) -> Scalar:
        return self.chosen([phase.entropy(one) for phase, one in self._keyed(key)])

    def score(self, x: State) -> Scalar:
        return self.chosen([phase.score(x) for phase in self.phases])
