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
from quasistatic.testing._law import Reading, faults, statistical, worst
from quasistatic.testing._semigroup import moments_of, place
from quasistatic.testing._setting import Setting, at, in_float64
from quasistatic.testing._statistics import chi_square, counts_of, flat, largest_of, moments, scores
from quasistatic.testing._support import inside

# cells of an enumeration need more draws than moments do
DRAWS, CELL_DRAWS = 4_000, 20_000
Draw = Callable[[AbstractDistribution, Key], State]
Laws = dict[str, AbstractDistribution]


def laws_at(kernel: AbstractKernel, setting: Setting) -> Laws:
    """One of every law that the kernel gives, somewhere in the middle of time."""
    times = setting.times(kernel)
    s, t = times[1], times[3]
    return _laws(kernel, at(setting.spots(kernel, s, t, 2), 1), setting.params(kernel), s, t)


@eqx.filter_jit
def _laws(kernel: AbstractKernel, spot: Any, params: State, s: jax.Array, t: jax.Array) -> Laws:
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
    return jax.tree.map(
        lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)) if eqx.is_array_like(leaf) else leaf, law
    )


def neighbours(kernel: AbstractKernel, setting: Setting) -> dict[str, tuple[AbstractDistribution, AbstractDistribution]]:
    """Pairs of laws of the same thing: (p, q) with p inside the support of q."""
    times = setting.times(kernel)
    s, m, t = times[1], times[2], times[3]
    spot, xs = at(setting.spots(kernel, s, t, 2), 1), setting.data(kernel, 2)
    params = (setting.params(kernel, 5), setting.params(kernel, 6))
    return _pairs(kernel, spot, at(xs, 0), at(xs, 1), params, s, m, t)


@eqx.filter_jit
def _pairs(
    kernel: AbstractKernel, spot: Any, a: State, b: State, params: Any, s: jax.Array, m: jax.Array, t: jax.Array
) -> dict[str, tuple[AbstractDistribution, AbstractDistribution]]:
    one, other = params
    pairs = {
        "marginal and equilibrium": (kernel.marginal(a, jnp.ones(())), kernel.equilibrium()),
        "two marginals": (kernel.marginal(a, m), kernel.marginal(b, m)),
        "posterior and reverse": (kernel.posterior(spot.x, spot.late, s, t), kernel.reverse(one, spot.late, s, t)),
        "two decodes": (kernel.decode(one, spot.late, t), kernel.decode(other, spot.late, t)),
    }
    return {name: (_strong(p), _strong(q)) for name, (p, q) in pairs.items()}


def _overridden(law: AbstractDistribution, method: str) -> bool:
    """Where a family keeps the one-draw defaults there is nothing to compare."""
    return getattr(type(law), method) is not getattr(AbstractDistribution, method)


@eqx.filter_jit
def _drawn(law: AbstractDistribution, keys: Key, draw: Draw) -> Any:
    states = jax.vmap(lambda key: draw(law, key))(keys)
    return states, jax.vmap(moments)(states), jax.vmap(law.log_prob)(states)


def _right_law(kernel: AbstractKernel, draw: Draw, setting: Setting) -> Reading:
    """Draws of every law against its enumeration, or its moments and entropy."""
    readings = [statistical(0.0)]
    for number, (name, law) in enumerate(laws_at(kernel, setting).items()):
        if draw is not _sample and not _overridden(law, "pair"):
            continue
        finite = isinstance(kernel, FiniteKernel)
        keys = setting.keys(100 + number, CELL_DRAWS if finite else DRAWS)
        states, rows, log_probs = _drawn(law, keys, draw)
        if finite:
            assert isinstance(law, AbstractIntegrable)
            cells, weights = law.nodes()
            weights = np.where(np.asarray(weights) < 1e-15, 0.0, weights)
            readings.append(statistical(chi_square(counts_of(states, cells), weights), name))
            continue
        if isinstance(law, AbstractIntegrable):
            readings.append(statistical(scores(rows, np.asarray(moments_of(law))), name))
        entropies = _over_keys(_entropy, setting.keys(13, DRAWS), law)
        readings.append(statistical(scores(-log_probs, entropies), name))
    return worst(readings)


def samples(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Draws follow the law whose log-probability they have."""
    return _right_law(kernel, _sample, setting)


def pair(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Each half of a coupled pair follows the law on its own."""
    return worst([_right_law(kernel, _first_half, setting), _right_law(kernel, _second_half, setting)])


def normalised(kernel: AbstractKernel, setting: Setting) -> Reading:
    """The density of real states integrates to one: under p the mean of g / p is 1, for a normal g inside of p."""
    readings = []
    for number, (name, law) in enumerate(laws_at(kernel, setting).items()):
        if kernel.event.quantised and name in ("reference", "decode"):
            continue  # a law of levels, which has no density
        states, _, log_probs = _drawn(law, setting.keys(500 + number, DRAWS), _sample)
        rows = flat(states)
        mean, variance = rows.mean(axis=0), 0.5 * rows.var(axis=0)
        log_g = -0.5 * np.sum((rows - mean) ** 2 / variance + np.log(2.0 * np.pi * variance), axis=1)
        readings.append(statistical(scores(np.exp(log_g - np.asarray(log_probs))[:, None], np.ones(1)), name))
    return worst(readings)


def bridge(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Forwards x to z_s to z_t, or x to z_t and back to z_s by the posterior: the same pairs of states."""
    times, x = setting.times(kernel), at(setting.data(kernel, 2), 1)
    readings = []
    for number, (first, last) in enumerate(((0, 1), (1, 3), (2, 4))):
        s, t = times[first], times[last]
        forth, back = _both_ways(kernel, x, s, t, setting.keys(400 + number, DRAWS))
        readings.append(statistical(scores(forth, back), place(s, t)))
    return worst(readings)


@eqx.filter_jit
def _both_ways(kernel: AbstractKernel, x: State, s: jax.Array, t: jax.Array, keys: Key) -> tuple[jax.Array, jax.Array]:
    """Moments of the pairs, drawn in both ways, (keys, figures)."""

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        key_early, key_late, key_end, key_back = jr.split(key, 4)
        early = kernel.marginal(x, s).sample(key_early)
        late = kernel.transition(early, s, t).sample(key_late)
        end = kernel.marginal(x, t).sample(key_end)
        back = kernel.posterior(x, end, s, t).sample(key_back)
        return moments((early, late, kernel.encode(early, s))), moments((back, end, kernel.encode(back, s)))

    return jax.vmap(one)(keys)


def support(kernel: AbstractKernel, setting: Setting) -> Reading:
    """What is drawn can be: data of the declared support, and states that their own law does not call impossible."""
    bad = []
    for number, (name, law) in enumerate(laws_at(kernel, setting).items()):
        states, _, log_probs = _drawn(law, setting.keys(200 + number, 1_000), _sample)
        if not np.all(np.asarray(log_probs) > -1e20):
            bad.append(f"{name}: a draw that its own law calls impossible")
        if name in ("reference", "decode") and not np.all(inside(np.asarray(states), kernel.event)):
            bad.append(f"{name}: figures outside the support of {kernel.event.describe()}")
    return faults(bad)


def _sample(law: AbstractDistribution, key: Key) -> State:
    return law.sample(key)


def _first_half(law: AbstractDistribution, key: Key) -> State:
    return law.pair(key)[0]


def _second_half(law: AbstractDistribution, key: Key) -> State:
    return law.pair(key)[1]


@eqx.filter_jit
def _over_keys(figure: Callable[..., jax.Array], keys: Key, *laws: AbstractDistribution) -> jax.Array:
    """A figure of laws that may be an estimate from one draw, for many keys."""
    return jax.vmap(lambda key: figure(*laws, key))(keys)


def _entropy(p: AbstractDistribution, key: Key) -> jax.Array:
    return p.entropy(key)


def _surprise(p: AbstractDistribution, z: State) -> jax.Array:
    return -p.log_prob(z)


def _divergence(p: AbstractDistribution, q: AbstractDistribution, key: Key) -> jax.Array:
    return p.kl(q, key)


def _log_ratio(p: AbstractDistribution, q: AbstractDistribution, z: State) -> jax.Array:
    return p.log_prob(z) - q.log_prob(z)


@eqx.filter_jit
def _over_draws(figure: Callable[..., jax.Array], keys: Key, *laws: AbstractDistribution) -> jax.Array:
    """A figure of laws at draws of the first."""
    return jax.vmap(lambda key: figure(*laws, laws[0].sample(key)))(keys)


def overlap(kernel: AbstractKernel, setting: Setting) -> Reading:
    """For any two laws p and q the mean of q / (p + q) under p is the mean of p / (p + q) under q: what both share.

    It needs draws and log-probabilities alone, and fails where either is not of the law, or the law is not normalised.
    """
    readings = []
    for number, (name, (p, q)) in enumerate(neighbours(kernel, setting).items()):
        keys = setting.keys(300 + number, DRAWS)
        readings.append(statistical(scores(_share(p, q, keys, 0), _share(q, p, keys, 1)), name))
    return worst(readings)


@eqx.filter_jit
def _share(p: AbstractDistribution, q: AbstractDistribution, keys: Key, half: int) -> jax.Array:
    def one(key: Key) -> jax.Array:
        z = p.sample(jr.split(key)[half])
        return jax.nn.sigmoid(q.log_prob(z) - p.log_prob(z))

    return jax.vmap(one)(keys)


@in_float64
def entropy(kernel: AbstractKernel, setting: Setting) -> Reading:
    """The entropy is the mean of -log p: by enumeration where that is possible, else over draws."""
    laws = {name: law for name, law in laws_at(kernel, setting).items() if _overridden(law, "entropy")}
    found = [_is_mean(kernel, _entropy, _surprise, name, setting, law) for name, law in laws.items()]
    return worst([statistical(0.0), *found])


@in_float64
def divergence(kernel: AbstractKernel, setting: Setting) -> Reading:
    """KL(p || q) is the mean of log p - log q under p, is never negative, and vanishes where q is p."""
    readings = [statistical(0.0)]
    for name, (p, q) in neighbours(kernel, setting).items():
        if not _overridden(p, "kl"):
            continue
        readings.append(_is_mean(kernel, _divergence, _log_ratio, name, setting, p, q))
        to_itself = np.asarray(_over_keys(_divergence, jr.split(setting.key(15), 100), p, p))
        readings.append(Reading(float(np.max(np.abs(to_itself))), 1e-9, "nats to itself", name))
        values = np.asarray(_over_keys(_divergence, setting.keys(16, DRAWS), p, q))
        below = -values.mean() / max(values.std() / len(values) ** 0.5, 1e-9)
        readings.append(statistical(float(below), name, "standard errors below zero"))
    return worst(readings)


def _is_mean(
    kernel: AbstractKernel,
    closed: Callable[..., jax.Array],
    point: Callable[..., jax.Array],
    name: str,
    setting: Setting,
    *laws: AbstractDistribution,
) -> Reading:
    """A closed form against the mean that it stands for."""
    if not isinstance(kernel, FiniteKernel):
        drawn, stated = _over_draws(point, setting.keys(18, DRAWS), *laws), _over_keys(closed, setting.keys(19, DRAWS), *laws)
        return statistical(largest_of(scores(drawn, stated), 4), name)
    assert isinstance(laws[0], AbstractIntegrable)
    exact, stated = _by_nodes(point, *laws), closed(*laws, setting.key(17))
    gap = jnp.abs(stated - exact) / jnp.maximum(1.0, jnp.abs(exact))
    return Reading(float(gap), 1e-10, "nats", name)


@eqx.filter_jit
def _by_nodes(point: Callable[..., jax.Array], *laws: AbstractDistribution) -> jax.Array:
    zs, weights = laws[0].nodes()
    values = jax.vmap(lambda z: point(*laws, z))(zs)
    return jnp.sum(jnp.where(weights > 0, weights * values, 0.0))
