"""Finite state spaces: a plugin writes the matrix of a step, all else follows.

Log-probabilities are floored instead of being -inf: a state that cannot be reached then has a finite gradient, and its
probability is still exactly zero in any float type.
"""

import itertools
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.distribution import (
    AbstractDiscrete,
    AbstractDistribution,
    AbstractElementwiseDistribution,
    AbstractIntegrable,
    AbstractWithMean,
    Key,
    Scalar,
    State,
    Time,
    uniform,
)
from quasistatic._process.event import AbstractField
from quasistatic._process.kernel import AbstractBridged

FLOOR = -1e30


def floored_log(p: jax.Array) -> jax.Array:
    """log p with zero mapped to a large negative number, and a finite gradient there."""
    positive = p > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, p, 1.0)), FLOOR)


def log_normalise(weights: jax.Array) -> jax.Array:
    """Log-weights over the last axis made to sum to one, floored."""
    return jnp.maximum(jax.nn.log_softmax(jnp.maximum(weights, FLOOR), axis=-1), FLOOR)


def _expected(log_probs: jax.Array, values: jax.Array) -> jax.Array:
    """E f under log-probabilities, with 0 * anything = 0."""
    p = jnp.exp(log_probs)
    return jnp.sum(jnp.where(p > 0, p * values, 0.0))


class Finite(AbstractDiscrete, AbstractIntegrable, AbstractWithMean):
    """Independent elements, each with n states 0 .. n-1; `log_probs` has shape (*event, n), floored, normalised.

    States come as `dtype`: int32, or what a field declares (bits are floats).
    """

    log_probs: Float[Array, "*event states"]
    dtype: str = eqx.field(static=True, default="int32")
    is_reparametrised: ClassVar[bool] = False

    def values(self) -> jax.Array:
        return jnp.arange(self.log_probs.shape[-1]).astype(self.dtype)

    def log_probabilities(self) -> jax.Array:
        return self.log_probs

    def with_log_probabilities(self, log_probs: jax.Array) -> "Finite":
        return Finite(log_probs, self.dtype)

    def _at(self, u: jax.Array) -> jax.Array:
        # rare states come first, where floats keep full relative precision
        order = jnp.argsort(self.log_probs, axis=-1)
        reached = jnp.cumsum(jnp.exp(jnp.take_along_axis(self.log_probs, order, axis=-1)), axis=-1)[..., :-1]
        index = jnp.sum(u[..., None] >= reached, axis=-1, keepdims=True)
        return jnp.take_along_axis(order, index, axis=-1)[..., 0].astype(self.dtype)

    def sample(self, key: Key) -> jax.Array:
        """By inverse distribution function: float32 Gumbel noise would never draw what is rarer than 1e-7."""
        return self._at(uniform(self.log_probs.shape[:-1], key=key))

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        u = uniform(self.log_probs.shape[:-1], key=key)
        return self._at(u), self._at(1.0 - u)

    def log_prob(self, x: State) -> Scalar:
        return jnp.sum(jnp.take_along_axis(self.log_probs, x.astype(jnp.int32)[..., None], axis=-1))

    def kl(self, other: AbstractDistribution, *, key: Key) -> Scalar:
        if not isinstance(other, Finite):
            return super().kl(other, key=key)
        return _expected(self.log_probs, self.log_probs - other.log_probs)

    def entropy(self, key: Key | None = None) -> Scalar:
        return -_expected(self.log_probs, self.log_probs)

    def mean(self) -> jax.Array:
        """Probabilities of the states, shape (*event, n)."""
        return jnp.exp(self.log_probs)

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        """Every joint state of the elements, n**size of them."""
        *shape, n = self.log_probs.shape
        states = all_states(tuple(shape), n)
        flat = self.log_probs.reshape(-1, n)
        chosen = flat[np.arange(len(flat)), states.reshape(len(states), -1)]
        return states.astype(self.dtype), jnp.exp(jnp.sum(chosen, axis=-1))


class Leveled(AbstractElementwiseDistribution, AbstractDiscrete, AbstractWithMean):
    """Independent elements on equally spaced levels low, low + spacing, ..: real numbers with probabilities.

    `finite` has the probabilities of the levels, (*event, levels).
    """

    finite: Finite
    low: float = eqx.field(static=True)
    spacing: float = eqx.field(static=True)
    is_reparametrised: ClassVar[bool] = False

    def values(self) -> jax.Array:
        return self.low + self.spacing * jnp.arange(self.finite.log_probs.shape[-1])

    def log_probabilities(self) -> jax.Array:
        return self.finite.log_probs

    def with_log_probabilities(self, log_probs: jax.Array) -> "Leveled":
        return Leveled(Finite(log_probs), self.low, self.spacing)

    def sample(self, key: Key) -> jax.Array:
        return self.low + self.spacing * self.finite.sample(key)

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        one, other = self.finite.pair(key)
        return self.low + self.spacing * one, self.low + self.spacing * other

    def log_probs(self, x: jax.Array) -> jax.Array:
        level = jnp.round((x - self.low) / self.spacing).astype(jnp.int32)
        return jnp.take_along_axis(self.finite.log_probs, level[..., None], axis=-1)[..., 0]

    def kl(self, other: AbstractDistribution, *, key: Key) -> Scalar:
        if not isinstance(other, Leveled):
            return super().kl(other, key=key)
        return self.finite.kl(other.finite, key=key)

    def entropy(self, key: Key | None = None) -> Scalar:
        return self.finite.entropy()

    def mean(self) -> jax.Array:
        """The mean level, of the shape of an event."""
        return jnp.exp(self.finite.log_probs) @ self.values()

    def variance(self) -> jax.Array:
        """The variance of each element."""
        away = (self.values() - self.mean()[..., None]) ** 2
        return jnp.sum(jnp.exp(self.finite.log_probs) * away, axis=-1)


def all_states(shape: tuple[int, ...], n: int) -> jax.Array:
    """All n**size events with elements 0 .. n-1, shape (n**size, *shape), int32."""
    size = int(np.prod(shape, dtype=int))
    states = np.array(list(itertools.product(range(n), repeat=size)), np.int32)
    return jnp.asarray(states.reshape(-1, *shape))


def row(log_matrix: Float[Array, "*#event before after"], states: State) -> Float[Array, "*event after"]:
    """Of one matrix for all elements, or of one for each, the row of the state that each element (*event) is in."""
    numbers = states.astype(jnp.int32)
    if log_matrix.ndim == 2:
        return log_matrix[numbers]
    return jnp.take_along_axis(log_matrix, numbers[..., None, None], axis=-2)[..., 0, :]


def column(log_matrix: Float[Array, "*#event before after"], states: State) -> Float[Array, "*event before"]:
    """The same of columns."""
    return row(jnp.swapaxes(log_matrix, -1, -2), states)


class FiniteKernel(AbstractBridged):
    """Independent elements on a finite space, destroyed by a matrix per step.

    Params are log-weights of the data states, (*event, data states): they tilt the reference distribution of data, and
    Bayes' rule does the rest, p(x given z_t) ~ rho(x) exp(params_x) q(z_t given x), so zero params are the exact reversal
    of the process started in rho. A subclass writes the matrix of a step. Its other methods are not final: a kernel with
    structure overrides them with cheaper forms, and the laws compare the two.
    """

    event: eqx.AbstractVar[AbstractField]

    @abstractmethod
    def log_matrix(self, s: Time | None, t: Time) -> Float[Array, "*#event before after"]:
        """log of the matrix [from, to] of a step s -> t, floored; s = None starts from data.

        One for all elements, (before, after), or one for each, (*event, before, after).
        """

    @abstractmethod
    def log_equilibrium(self) -> Float[Array, " states"]:
        """log pi of one element."""

    @abstractmethod
    def log_reference(self) -> Float[Array, "*#event data_states"]:
        """log rho of one element of data, the same for all (data states,) or for each (*event, data states)."""

    @property
    def states(self) -> int:
        """Number of states of one noisy element."""
        return int(self.log_equilibrium().shape[0])

    @property
    def data_states(self) -> int:
        """Number of states of one element of data."""
        return int(self.log_reference().shape[-1])

    def zero_params(self) -> State:
        return jnp.zeros((*self.event.shape, self.data_states))

    def tilt(self, params: State, z: State) -> Float[Array, "*event data_states"]:
        """Params as log-weights of the data states."""
        return params

    def equilibrium(self) -> AbstractIntegrable:
        return self._independent(self.log_equilibrium())

    def reference(self) -> AbstractIntegrable:
        return self._independent(self.log_reference(), self.event.dtype)

    def marginal(self, x: State, t: Time) -> AbstractIntegrable:
        return Finite(row(self.log_matrix(None, t), x))

    def transition(self, z: State, s: Time, t: Time) -> AbstractIntegrable:
        return Finite(row(self.log_matrix(s, t), z))

    def posterior(self, x: State, z: State, s: Time, t: Time) -> AbstractIntegrable:
        arrive = row(self.log_matrix(None, s), x)
        leave = column(self.log_matrix(s, t), z)
        return Finite(log_normalise(arrive + leave))

    def decode(self, params: State, z: State, t: Time) -> AbstractIntegrable:
        likelihood = column(self.log_matrix(None, t), z)
        return Finite(log_normalise(self.log_reference() + self.tilt(params, z) + likelihood), self.event.dtype)

    def bridge(self, data: AbstractDistribution, z: State, s: Time, t: Time) -> AbstractIntegrable:
        """`data` is a `Finite` over the data states. Raises TypeError for another."""
        if not isinstance(data, Finite):
            raise TypeError(f"{type(self).__name__}.bridge: expected data as a Finite, got a {type(data).__name__}")
        leave = column(self.log_matrix(s, t), z)
        posterior = log_normalise(self.log_matrix(None, s) + leave[..., None, :])
        return Finite(log_normalise(jax.nn.logsumexp(data.log_probs[..., None] + posterior, axis=-2)))

    def encode(self, z: State, t: Time) -> State:
        return jax.nn.one_hot(z.astype(jnp.int32), self.states)

    def _independent(self, log_probs: jax.Array, dtype: str = "int32") -> Finite:
        return Finite(jnp.broadcast_to(log_probs, (*self.event.shape, log_probs.shape[-1])), dtype)
