"""Finite state spaces: a plugin writes the matrix of a step, all else follows.

Log-probabilities are floored instead of being -inf: a state that cannot be reached then has a finite gradient, and its
probability is still exactly zero in any float type.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._distribution import AbstractDistribution, AbstractIntegrable, Key, uniform
from quasistatic._kernel import AbstractKernel

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


class Finite(AbstractIntegrable):
    """Independent elements, each with n states 0 .. n-1; `log_probs` has shape (*event, n), floored, normalised."""

    log_probs: jax.Array
    reparametrised: ClassVar[bool] = False

    def _at(self, u: jax.Array) -> jax.Array:
        # rare states come first, where floats keep full relative precision
        order = jnp.argsort(self.log_probs, axis=-1)
        reached = jnp.cumsum(jnp.exp(jnp.take_along_axis(self.log_probs, order, axis=-1)), axis=-1)[..., :-1]
        index = jnp.sum(u[..., None] >= reached, axis=-1, keepdims=True)
        return jnp.take_along_axis(order, index, axis=-1)[..., 0].astype(jnp.int32)

    def sample(self, key: Key) -> jax.Array:
        """By inverse distribution function: float32 Gumbel noise would never draw what is rarer than 1e-7."""
        return self._at(uniform(key, self.log_probs.shape[:-1]))

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        u = uniform(key, self.log_probs.shape[:-1])
        return self._at(u), self._at(1.0 - u)

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.take_along_axis(self.log_probs, x.astype(jnp.int32)[..., None], axis=-1))

    def kl(self, other: AbstractDistribution, key: Key) -> jax.Array:
        if not isinstance(other, Finite):
            return super().kl(other, key)
        return _expected(self.log_probs, self.log_probs - other.log_probs)

    def entropy(self, key: Key | None = None) -> jax.Array:
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
        return states, jnp.exp(jnp.sum(chosen, axis=-1))


def all_states(shape: tuple[int, ...], n: int) -> jax.Array:
    """All n**size events with elements 0 .. n-1, shape (n**size, *shape), int32."""
    size = int(np.prod(shape, dtype=int))
    states = np.array(list(itertools.product(range(n), repeat=size)), np.int32)
    return jnp.asarray(states.reshape(-1, *shape))


class FiniteKernel(AbstractKernel):
    """Independent elements on a finite space, destroyed by a matrix per step.

    Params are `n_data` log-weights per element: they tilt the reference law of data, and Bayes' rule does the rest,
    p(x given z_t) ~ rho(x) exp(params_x) q(z_t given x), so zero params are the exact reversal of the process started
    in rho. A kernel with structure overrides with a cheaper form; the laws compare the two.
    """

    @abstractmethod
    def log_matrix(self, s: jax.Array | None, t: jax.Array) -> jax.Array:
        """log of the matrix [from, to] of a step s -> t of one element, floored; s = None starts from data."""

    @abstractmethod
    def log_equilibrium(self) -> jax.Array:
        """log pi of one element, shape (states,)."""

    @abstractmethod
    def log_reference(self) -> jax.Array:
        """log rho of one element of data, shape (data states,)."""

    @property
    def states(self) -> int:
        """Number of states of one noisy element."""
        return int(self.log_equilibrium().shape[0])

    def tilt(self, params: jax.Array, z: jax.Array) -> jax.Array:
        """Params as log-weights of the data states, shape (*event, data states)."""
        return params

    def equilibrium(self) -> AbstractIntegrable:
        return self._independent(self.log_equilibrium())

    def reference(self) -> AbstractIntegrable:
        return self._independent(self.log_reference())

    def marginal(self, x: jax.Array, t: jax.Array) -> AbstractIntegrable:
        return Finite(self.log_matrix(None, t)[x.astype(jnp.int32)])

    def transition(self, z: jax.Array, s: jax.Array, t: jax.Array) -> AbstractIntegrable:
        return Finite(self.log_matrix(s, t)[z.astype(jnp.int32)])

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> AbstractIntegrable:
        arrive = self.log_matrix(None, s)[x.astype(jnp.int32)]
        leave = self.log_matrix(s, t).T[z.astype(jnp.int32)]
        return Finite(log_normalise(arrive + leave))

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> AbstractIntegrable:
        return Finite(self._log_decode(params, z, t))

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> AbstractIntegrable:
        leave = self.log_matrix(s, t).T[z.astype(jnp.int32)]
        posterior = log_normalise(self.log_matrix(None, s) + leave[..., None, :])
        data = self._log_decode(params, z, t)
        return Finite(log_normalise(jax.nn.logsumexp(data[..., None] + posterior, axis=-2)))

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return jax.nn.one_hot(z.astype(jnp.int32), self.states)

    def _log_decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        likelihood = self.log_matrix(None, t).T[z.astype(jnp.int32)]
        return log_normalise(self.log_reference() + self.tilt(params, z) + likelihood)

    def _independent(self, log_probs: jax.Array) -> Finite:
        return Finite(jnp.broadcast_to(log_probs, (*self.event.shape, log_probs.shape[0])))
