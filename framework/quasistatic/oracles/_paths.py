"""Finite spaces with every path written out: exact likelihood, and the distribution of the log-weight."""

from __future__ import annotations

import itertools

import attrs
import equinox as eqx
import jax
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import count_of, take
from quasistatic.oracles._entropy import noisy_states
from quasistatic.oracles._ledger import Times, on_times

MOST_PATHS = 2**24


def log_likelihood(diffusion: Diffusion, xs: State, times: Times | None = None) -> np.ndarray:
    """log p(x) of the reverse chain on a finite space for `xs` (N, ...): (N,), in nats; -inf where it cannot arrive.

    The chain starts from equilibrium at the last of `times` (T,), by default those of training.
    """
    diffusion, at = on_times(diffusion, times)
    p = np.exp(_log_equilibrium(diffusion))
    for t, s in itertools.pairwise(at[::-1]):
        p = p @ np.exp(_reverse(diffusion, s, t))
    with np.errstate(divide="ignore"):
        return np.log([p @ np.exp(_first(diffusion, take(xs, number), at[0])) for number in range(count_of(xs))])


@eqx.filter_jit
def _log_equilibrium(diffusion: Diffusion) -> jax.Array:
    return jax.vmap(diffusion.kernel.equilibrium().log_prob)(noisy_states(diffusion.kernel))


@eqx.filter_jit
def _reverse(diffusion: Diffusion, s: jax.Array, t: jax.Array) -> jax.Array:
    """log p(z_s given z_t), [z_t, z_s]."""
    states = noisy_states(diffusion.kernel)

    def row(z: State) -> jax.Array:
        return jax.vmap(diffusion.reverse(diffusion.params(z, t), z, s, t).log_prob)(states)

    return jax.vmap(row)(states)


@eqx.filter_jit
def _first(diffusion: Diffusion, x: State, t: jax.Array) -> jax.Array:
    """log p(x given z_t), [z_t]."""

    def at(z: State) -> jax.Array:
        return diffusion.decode(diffusion.params(z, t), z, t).log_prob(x)

    return jax.vmap(at)(noisy_states(diffusion.kernel))


@eqx.filter_jit
def _forward(kernel: AbstractKernel, s: jax.Array, t: jax.Array) -> jax.Array:
    """log q(z_t given z_s), [z_s, z_t]."""
    states = noisy_states(kernel)
    return jax.vmap(lambda z: jax.vmap(kernel.transition(z, s, t).log_prob)(states))(states)


@eqx.filter_jit
def _marginal(kernel: AbstractKernel, x: State, t: jax.Array) -> jax.Array:
    return jax.vmap(kernel.marginal(x, t).log_prob)(noisy_states(kernel))


@attrs.frozen(eq=False)
class PathDistribution:
    """All paths z_1 .. z_T of one event x: the forward process's log q(path given x), the model's log p(x, path), (M**T,), in nats.

    The log-weight of a path is log p - log q (Sohl-Dickstein et al. 2015, eq. 9; Jarzynski 1997), minus the dissipated work.
    """

    log_q: np.ndarray
    log_p: np.ndarray

    @property
    def log_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Log-weight and probability of every path that the forward process can take."""
        q = np.exp(self.log_q)
        return (self.log_p - self.log_q)[q > 0], q[q > 0]

    def moment(self, power: float) -> float:
        """E exp(power * log-weight) over forward paths; 1 gives p(x), Jarzynski's equality, if `unreachable` is 0."""
        log_weights, q = self.log_weights
        return float(q @ np.exp(power * log_weights))

    @property
    def bound(self) -> float:
        """K(x), the mean log-weight."""
        log_weights, q = self.log_weights
        return float(q @ log_weights)

    @property
    def variance(self) -> float:
        """Variance of the log-weight; half of it is log p(x) - K(x) where the log-weight is nearly normal."""
        log_weights, q = self.log_weights
        return float(q @ (log_weights - self.bound) ** 2)

    @property
    def upper_bound(self) -> float:
        """Mean log-weight over the model's own paths to x: at least log p(x)."""
        log_weights, q = self.log_weights
        return float(q @ (np.exp(log_weights) * log_weights)) / self.moment(1)

    @property
    def ess_fraction(self) -> float:
        """Share of the forward paths that effectively count in an average of exp(log-weight)."""
        return self.moment(1) ** 2 / self.moment(2)

    @property
    def unreachable(self) -> float:
        """p(x, paths that the forward process cannot take): what Jarzynski's average misses of p(x)."""
        return float(np.exp(self.log_p[np.exp(self.log_q) == 0]).sum())


def path_distribution(diffusion: Diffusion, x: State, times: Times | None = None) -> PathDistribution:
    """Every path z_1 .. z_T for one event x on a finite space of M states: M**T of them.

    Raises ValueError if they are more than 2**24. The forward process is built from `transition`, so that a mean log-weight
    that agrees with the ledger also checks `posterior`.
    """
    diffusion, at = on_times(diffusion, times)
    x = jax.tree.map(np.asarray, x)
    states = count_of(noisy_states(diffusion.kernel))
    if states ** len(at) > MOST_PATHS:
        paths = states ** len(at)
        raise ValueError(f"path_distribution: {states} states and {len(at)} times make {paths} paths, too many to enumerate")
    # one axis for each time, the last is the latest
    log_q = np.asarray(_marginal(diffusion.kernel, x, at[0]))
    log_p = np.asarray(_first(diffusion, x, at[0]))
    for s, t in itertools.pairwise(at):
        log_q = log_q[..., None] + np.asarray(_forward(diffusion.kernel, s, t))
        log_p = log_p[..., None] + np.asarray(_reverse(diffusion, s, t)).T
    return PathDistribution(log_q.ravel(), (log_p + np.asarray(_log_equilibrium(diffusion))).ravel())
