"""The ledger without sampling."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, Scalar, State, Time
from quasistatic._process.grid import FixedGrid
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import Layout, count_of

Times = Sequence[float] | np.ndarray | jax.Array
Weights = Sequence[float] | np.ndarray | jax.Array


@attrs.frozen(eq=False)
class ExactLedger:
    """K split into its terms, all in nats per event, as `quasistatic.Ledger` is, but exact.

    `terms` (N, T + 1) holds the terms of -K of each point x of the data: first step, the T - 1 steps, prior; the properties
    average them with the `weights` (N,) of the points.
    """

    times: np.ndarray
    weights: np.ndarray
    terms: np.ndarray

    @property
    def per_event(self) -> np.ndarray:
        """K(x) of each point, (N,)."""
        return -self.terms.sum(axis=1)

    @property
    def bound(self) -> float:
        """K."""
        return float(self.weights @ self.per_event)

    @property
    def first(self) -> float:
        """The first step's term of -K."""
        return float(self.weights @ self.terms[:, 0])

    @property
    def gaps(self) -> np.ndarray:
        """The terms of -K of the T - 1 steps, first to last."""
        return self.weights @ self.terms[:, 1:-1]

    @property
    def prior(self) -> float:
        """What the last state still knows of the data."""
        return float(self.weights @ self.terms[:, -1])


def exact_ledger(diffusion: Diffusion, xs: State, weights: Weights | None = None, times: Times | None = None) -> ExactLedger:
    """The ledger of data with points `xs` (N, ...) and `weights` (N,), by default equal ones.

    `times` (T,) increase, by default as in training. The last need not be 1: the chain then starts from equilibrium there.
    Raises TypeError for distributions without nodes, ValueError for times that do not increase within [0, 1] or weights that do
    not sum to one. Source: Sohl-Dickstein et al. 2015, eq. 14, without its assumption on the data.
    """
    diffusion, at = on_times(diffusion, times)
    shares = checked_weights(xs, weights)
    first, prior = _ends(diffusion, xs, at[0], at[-1])
    rest = replace(diffusion, first_step="learned")  # compiled once for both
    steps = [_gap(rest, xs, s, t) for s, t in itertools.pairwise(at)]
    return ExactLedger(at, shares, np.stack([first, *steps, prior], axis=1, dtype=np.float64))


def first_term(diffusion: Diffusion, x: State, t: Time) -> Scalar:
    """The first step's term of -K(x), the first time being t; jax can trace and differentiate it."""

    def at(z: State) -> Scalar:
        return -diffusion.decode(diffusion.params(z, t), z, t).log_prob(x)

    return expect(diffusion.kernel.marginal(x, t), at)


def gap_term(diffusion: Diffusion, x: State, s: Time, t: Time) -> Scalar:
    """The term of -K(x) of a step s < t; jax can trace and differentiate it."""
    kernel = diffusion.kernel

    def at(z: State) -> Scalar:
        return divergence(kernel.posterior(x, z, s, t), diffusion.reverse(diffusion.params(z, t), z, s, t))

    return expect(kernel.marginal(x, t), at)


def prior_term(kernel: AbstractKernel, x: State, t: Time) -> Scalar:
    """The prior term of -K(x), the last time being t."""
    return divergence(kernel.marginal(x, t), kernel.equilibrium())


@eqx.filter_jit
def _ends(diffusion: Diffusion, xs: State, first: jax.Array, last: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.lax.map(lambda x: (first_term(diffusion, x, first), prior_term(diffusion.kernel, x, last)), xs)


@eqx.filter_jit
def _gap(diffusion: Diffusion, xs: State, s: jax.Array, t: jax.Array) -> jax.Array:
    return jax.lax.map(lambda x: gap_term(diffusion, x, s, t), xs)


def expect(distribution: AbstractDistribution, f: Callable[[State], jax.Array]) -> jax.Array:
    """E f(z) for z from a distribution with nodes; f takes one state. Points without probability add nothing, whatever f is there.

    Raises TypeError for a distribution without nodes.
    """
    if not isinstance(distribution, AbstractIntegrable):
        raise TypeError(f"{type(distribution).__name__} is not an AbstractIntegrable: an exact value needs its nodes()")
    points, weights = distribution.nodes()
    values = jax.vmap(f)(points)
    weights = weights.reshape(-1, *[1] * (values.ndim - 1))
    return jnp.sum(jnp.where(weights > 0, weights * values, 0.0), axis=0)


def divergence(p: AbstractDistribution, q: AbstractDistribution) -> Scalar:
    """KL(p || q) by the nodes of p: owes nothing to the family's own `kl`."""
    return expect(p, lambda z: p.log_prob(z) - q.log_prob(z))


def moments(distribution: AbstractDistribution) -> tuple[jax.Array, jax.Array]:
    """Mean (size,) and covariance (size, size) of the elements of a state, part after part."""
    mean = expect(distribution, _vector)

    def square(z: State) -> jax.Array:
        away = _vector(z) - mean
        return jnp.outer(away, away)

    return mean, expect(distribution, square)


def _vector(z: State) -> jax.Array:
    return Layout.of(z).ravel(z)


def on_times(diffusion: Diffusion, times: Times | None) -> tuple[Diffusion, np.ndarray]:
    """The times (T,), and the pair without its grid, so that programs are compiled once for all grids."""
    at = checked_times(diffusion.times() if times is None else times)
    return replace(diffusion, grid=FixedGrid(1)), at


def checked_times(times: Times) -> np.ndarray:
    values = np.asarray(times, np.float64)
    used = values.astype(jnp.result_type(float))  # what float64 tells apart may be one time
    if values.ndim != 1 or len(values) == 0 or values[0] < 0 or values[-1] > 1 or np.any(np.diff(used) <= 0):
        raise ValueError(f"times: expected increasing times in [0, 1], got {times!r}")
    return values


def checked_weights(xs: State, weights: Weights | None) -> np.ndarray:
    count = count_of(xs)
    values = np.full(count, 1.0 / count) if weights is None else np.asarray(weights, np.float64)
    if values.shape != (count,) or np.any(values < 0) or abs(values.sum() - 1.0) > 1e-6:
        raise ValueError(f"weights: expected {count} weights, at least 0, that sum to one, got {weights!r}")
    return values
