"""A law's draws, its log-probabilities and its closed forms must say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._distribution import AbstractDistribution, AbstractIntegrable, Key, State
from quasistatic._finite import FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._setting import at, in_float64, random_params, some_data, some_spots, times_of
from quasistatic.testing._statistics import LIMIT, chi_square, counts_of, moments, scores

# cells of an enumeration need more draws than moments do
DRAWS, CELL_DRAWS = 4_000, 20_000
Draw = Callable[[AbstractDistribution, Key], State]


def laws_at(kernel: AbstractKernel) -> dict[str, AbstractDistribution]:
    """One of every law that the kernel gives, somewhere in the middle of time."""
    times = times_of(kernel)
    s, t = times[1], times[3]
    spot = at(some_spots(kernel, s, t, 2), 1)
    params = random_params(kernel)
    laws = {
        "equilibrium": kernel.equilibrium(),
        "marginal": kernel.marginal(spot.x, s),
        "transition": kernel.transition(spot.early, s, t),
        "posterior": kernel.posterior(spot.x, spot.late, s, t),
        "decode": kernel.decode(params, spot.late, t),
        "reverse": kernel.reverse(params, spot.late, s, t),
    }
    rho = kernel.reference()
    laws = laws if rho is None else {"reference": rho, **laws}
    return {name: _strong(law) for name, law in laws.items()}


def _strong(law: AbstractDistribution) -> AbstractDistribution:
    """The law with arrays of a strong type, so that laws of one class are compiled once."""
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)), law)


def neighbours(kernel: AbstractKernel) -> dict[str, tuple[AbstractDistribution, AbstractDistribution]]:
    """Pairs of laws of the same thing: (p, q) with p inside the support of q."""
    times = times_of(kernel)
    s, t = times[1], times[3]
    xs, spot = some_data(kernel, 2), at(some_spots(kernel, s, t, 2), 1)
    one, other = random_params(kernel, 5), random_params(kernel, 6)
    pairs = {
        "marginal and equilibrium": (kernel.marginal(at(xs, 0), jnp.ones(())), kernel.equilibrium()),
        "two marginals": (kernel.marginal(at(xs, 0), times[2]), kernel.marginal(at(xs, 1), times[2])),
        "posterior and reverse": (kernel.posterior(spot.x, spot.late, s, t), kernel.reverse(one, spot.late, s, t)),
        "two decodes": (kernel.decode(one, spot.late, t), kernel.decode(other, spot.late, t)),
    }
    return {name: (_strong(p), _strong(q)) for name, (p, q) in pairs.items()}


# where a family keeps the one-draw defaults there is nothing to compare
_NOTHING = Reading(0.0, LIMIT, "standard errors")


def _overridden(law: AbstractDistribution, method: str) -> bool:
    return getattr(type(law), method) is not getattr(AbstractDistribution, method)


@eqx.filter_jit
def _drawn(law: AbstractDistribution, keys: Key, draw: Draw) -> Any:
    states = jax.vmap(lambda key: draw(law, key))(keys)
    return states, jax.vmap(moments)(states), jax.vmap(law.log_prob)(states)


def _right_law(kernel: AbstractKernel, draw: Draw) -> Reading:
    """Draws of every law against its enumeration, or its moments and entropy."""
    readings = [_NOTHING]
    for number, (name, law) in enumerate(laws_at(kernel).items()):
        if draw is not _sample and not _overridden(law, "pair"):
            continue
        count = CELL_DRAWS if isinstance(kernel, FiniteKernel) else DRAWS
        keys = jr.split(jr.fold_in(jr.key(12), number), count)
        states, rows, log_probs = _drawn(law, keys, draw)
        if isinstance(kernel, FiniteKernel):
            assert isinstance(law, AbstractIntegrable)
            cells, weights = law.nodes()
            weights = np.where(np.asarray(weights) < 1e-15, 0.0, weights)
            readings.append(Reading(chi_square(counts_of(states, cells), weights), LIMIT, "standard errors", name))
            continue
        if isinstance(law, AbstractIntegrable):
            zs, weights = law.nodes()
            readings.append(Reading(scores(rows, weights @ jax.vmap(moments)(zs)), LIMIT, "standard errors", name))
        entropies = _over_keys(_entropy, 13, law)
        readings.append(Reading(scores(-log_probs, entropies), LIMIT, "standard errors", name))
    return worst(readings)


def samples(kernel: AbstractKernel) -> Reading:
    """Draws follow the law whose log-probability they have."""
    return _right_law(kernel, _sample)


def pair(kernel: AbstractKernel) -> Reading:
    """Each half of a coupled pair follows the law on its own."""
    return worst([_right_law(kernel, _first_half), _right_law(kernel, _second_half)])


def _sample(law: AbstractDistribution, key: Key) -> State:
    return law.sample(key)


def _first_half(law: AbstractDistribution, key: Key) -> State:
    return law.pair(key)[0]


def _second_half(law: AbstractDistribution, key: Key) -> State:
    return law.pair(key)[1]


@eqx.filter_jit
def _over_keys(figure: Callable[..., jax.Array], seed: int, *laws: AbstractDistribution) -> jax.Array:
    """A figure of laws that may be an estimate from one draw, for many keys, (DRAWS,)."""
    return jax.vmap(lambda key: figure(*laws, key))(jr.split(jr.key(seed), DRAWS))


def _entropy(p: AbstractDistribution, key: Key) -> jax.Array:
    return p.entropy(key)


def _surprise(p: AbstractDistribution, z: State) -> jax.Array:
    return -p.log_prob(z)


def _divergence(p: AbstractDistribution, q: AbstractDistribution, key: Key) -> jax.Array:
    return p.kl(q, key)


def _log_ratio(p: AbstractDistribution, q: AbstractDistribution, z: State) -> jax.Array:
    return p.log_prob(z) - q.log_prob(z)


@eqx.filter_jit
def _over_draws(figure: Callable[..., jax.Array], seed: int, *laws: AbstractDistribution) -> jax.Array:
    """A figure of laws at draws of the first, (DRAWS,)."""
    return jax.vmap(lambda key: figure(*laws, laws[0].sample(key)))(jr.split(jr.key(seed), DRAWS))


def overlap(kernel: AbstractKernel) -> Reading:
    """For any two laws p and q the mean of q / (p + q) under p is the mean of p / (p + q) under q: what both share.

    It needs draws and log-probabilities alone, and fails where either is not of the law, or the law is not normalised.
    """
    readings = []
    for number, (name, (p, q)) in enumerate(neighbours(kernel).items()):
        keys = jr.split(jr.fold_in(jr.key(14), number), DRAWS)
        readings.append(Reading(scores(_share(p, q, keys, 0), _share(q, p, keys, 1)), LIMIT, "standard errors", name))
    return worst(readings)


@eqx.filter_jit
def _share(p: AbstractDistribution, q: AbstractDistribution, keys: Key, half: int) -> jax.Array:
    def one(key: Key) -> jax.Array:
        z = p.sample(jr.split(key)[half])
        return jax.nn.sigmoid(q.log_prob(z) - p.log_prob(z))

    return jax.vmap(one)(keys)


@in_float64
def entropy(kernel: AbstractKernel) -> Reading:
    """The entropy is the mean of -log p: by enumeration where that is possible, else over draws."""
    laws = {name: law for name, law in laws_at(kernel).items() if _overridden(law, "entropy")}
    return worst([_NOTHING, *(_is_mean(kernel, _entropy, _surprise, name, law) for name, law in laws.items())])


@in_float64
def divergence(kernel: AbstractKernel) -> Reading:
    """KL(p || q) is the mean of log p - log q under p, is never negative, and vanishes where q is p."""
    readings = [_NOTHING]
    for name, (p, q) in neighbours(kernel).items():
        if not _overridden(p, "kl"):
            continue
        readings.append(_is_mean(kernel, _divergence, _log_ratio, name, p, q))
        to_itself = p.kl(p, jr.key(15))
        readings.append(Reading(float(jnp.abs(to_itself)), 1e-9, "nats to itself", name))
        values = np.asarray(_over_keys(_divergence, 16, p, q))
        below = -values.mean() - LIMIT * values.std() / len(values) ** 0.5
        readings.append(Reading(float(below), 1e-9, "nats below zero", name))
    return worst(readings)


def _is_mean(
    kernel: AbstractKernel,
    closed: Callable[..., jax.Array],
    point: Callable[..., jax.Array],
    name: str,
    *laws: AbstractDistribution,
) -> Reading:
    """A closed form against the mean that it stands for."""
    if not isinstance(kernel, FiniteKernel):
        figure = scores(_over_draws(point, 18, *laws), _over_keys(closed, 19, *laws))
        return Reading(figure, LIMIT, "standard errors", name)
    assert isinstance(laws[0], AbstractIntegrable)
    zs, weights = laws[0].nodes()
    values = jax.vmap(lambda z: point(*laws, z))(zs)
    exact = jnp.sum(jnp.where(weights > 0, weights * values, 0.0))
    gap = jnp.abs(closed(*laws, jr.key(17)) - exact) / jnp.maximum(1.0, jnp.abs(exact))
    return Reading(float(gap), 1e-10, "nats", name)
