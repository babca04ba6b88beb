"""Entropies, divergences, overlaps and scores against the means that they stand for."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import (
    AbstractDistribution,
    Key,
    State,
    Time,
)
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import Ports
from quasistatic._process.tree import take
from quasistatic.oracles import expect
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import law
from quasistatic.testing._laws.distributions import (
    DRAWS,
    distributions_at,
    entropy_of,
    is_exact,
    neighbours,
    over_keys,
    overridden,
)
from quasistatic.testing._reading import Reading, not_measured, statistical, worst
from quasistatic.testing._setting import Setting, Spot
from quasistatic.testing._tools.statistics import (
    largest_of,
    moments,
    scores,
)


def _surprise(p: AbstractDistribution, z: State) -> jax.Array:
    return -p.log_prob(z)


def _divergence(p: AbstractDistribution, q: AbstractDistribution, key: Key) -> jax.Array:
    return p.kl(q, key=key)


def _log_ratio(p: AbstractDistribution, q: AbstractDistribution, z: State) -> jax.Array:
    return p.log_prob(z) - q.log_prob(z)


@eqx.filter_jit
def _over_draws(value: Callable[..., jax.Array], keys: Key, *distributions: AbstractDistribution) -> jax.Array:
    """A value of distributions at draws of the first."""
    return jax.vmap(lambda key: value(*distributions, distributions[0].sample(key)))(keys)


@law(
    "kernel",
    "overlap",
    "For any two distributions p and q the mean of q / (p + q) under p is the mean of p / (p + q) under q: what both share.",
    "Bennett 1976",
    quick=False,
    unseen="Pairs of distributions that hardly overlap.",
)
def overlap(kernel: AbstractKernel, setting: Setting) -> Reading:
    # needs draws and log-probabilities alone, and fails where either is not of the distribution, or it is not normalised
    readings = []
    for number, (name, (p, q)) in enumerate(neighbours(kernel, setting).items()):
        keys = setting.keys(300 + number, DRAWS)
        one, other = (_share(*pair, keys, jnp.asarray(half)) for half, pair in enumerate(((p, q), (q, p))))
        readings.append(statistical(scores(one, other), name))
    return worst(readings)


@eqx.filter_jit
def _share(p: AbstractDistribution, q: AbstractDistribution, keys: Key, half: jax.Array) -> jax.Array:
    def one(key: Key) -> jax.Array:
        z = p.sample(jr.split(key)[half])
        return jax.nn.sigmoid(q.log_prob(z) - p.log_prob(z))

    return jax.vmap(one)(keys)


@law(
    "kernel",
    "entropy",
    "The entropy is the mean of -log p: by enumeration where that is possible, else over draws.",
    float64=True,
    quick=False,
    unseen="Families that keep the default, which is a draw of it.",
)
def entropy(kernel: AbstractKernel, setting: Setting) -> Reading:
    return worst(
        _is_mean(kernel, entropy_of, _surprise, name, setting, distribution)
        if overridden(distribution, "entropy")
        else not_measured(f"{name}: its entropy is a draw of -log p")
        for name, distribution in distributions_at(kernel, setting).items()
    )


@law(
    "kernel",
    "divergence",
    "KL(p || q) is the mean of log p - log q under p, is never negative, and vanishes where q is p.",
    float64=True,
    quick=False,
    unseen="Families that keep the default, which is a draw of it.",
)
def divergence(kernel: AbstractKernel, setting: Setting) -> Reading:
    readings = []
    for name, (p, q) in neighbours(kernel, setting).items():
        if not overridden(p, "kl"):
            readings.append(not_measured(f"{name}: the divergence is a draw of log p - log q"))
            continue
        readings.append(_is_mean(kernel, _divergence, _log_ratio, name, setting, p, q))
        to_itself = np.asarray(over_keys(_divergence, setting.keys(15, DRAWS), p, p))
        readings.append(Reading(float(np.max(np.abs(to_itself))), 1e-9, "nats to itself", name))
        values = np.asarray(over_keys(_divergence, setting.keys(16, DRAWS), p, q))
        below = -values.mean() / max(values.std() / len(values) ** 0.5, 1e-9)
        readings.append(statistical(float(below), name, "standard errors below zero"))
    return worst(readings)


def _is_mean(
    kernel: AbstractKernel,
    closed: Callable[..., jax.Array],
    point: Callable[..., jax.Array],
    name: str,
    setting: Setting,
    *distributions: AbstractDistribution,
) -> Reading:
    """A closed form against the mean that it stands for."""
    method = "entropy" if closed is entropy_of else "kl"
    if not is_finite(kernel) or not is_exact(distributions[0], method):
        drawn = _over_draws(point, setting.keys(18, DRAWS), *distributions)
        stated = over_keys(closed, setting.keys(19, DRAWS), *distributions)
        return statistical(largest_of(scores(drawn, stated), 4), name)
    exact, found = float(_by_nodes(point, *distributions)), float(over_keys(closed, setting.key(17)[None], *distributions)[0])
    return Reading(abs(found - exact) / max(1.0, abs(exact)), 1e-10, "nats", name)


@eqx.filter_jit
def _by_nodes(point: Callable[..., jax.Array], *distributions: AbstractDistribution) -> jax.Array:
    return expect(distributions[0], lambda z: point(*distributions, z))


@law(
    "kernel",
    "score",
    "Means over draws can be differentiated: a draw moves with its distribution, or its score stands for it. For any f the mean of "
    "df(z) + f(z) dscore(z) over draws z is that of f(z) dlog p(z), where d is the derivative with respect to t.",
    "Williams 1992 (the score); Kingma & Welling 2014 (the draw)",
    float64=True,
    quick=False,
    unseen="Derivatives of draws that training does not take: of `decode` and `reverse`.",
)
def score(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, readings = setting.times(kernel), []
    spot = take(setting.spots(kernel, times[1], times[3], 2), 1)
    for name, terms in _undone(kernel, Ports.of(kernel), spot, times[1], times[3], setting.keys(26, DRAWS)).items():
        readings.append(statistical(scores(terms, np.zeros(terms.shape[1])), name))
    return worst(readings)


@eqx.filter_jit
def _undone(kernel: AbstractKernel, ports: Ports, spot: Spot, s: Time, t: Time, keys: Key) -> dict[str, jax.Array]:
    """What should vanish in the mean over draws, (keys, values), of distributions whose time moves; f is what a network reads."""

    def terms(at: Callable[[Time], AbstractDistribution], now: Time) -> jax.Array:
        def values(t: Time, key: Key) -> tuple[jax.Array, jax.Array]:
            z = at(t).sample(key)
            weight = at(t).score(z) - at(t).log_prob(jax.lax.stop_gradient(z))
            return moments(ports.to_numbers(kernel.encode(z, now))), weight

        (f, _), (moved, weight) = jax.vmap(lambda key: jax.jvp(lambda t: values(t, key), (now,), (jnp.ones_like(now),)))(keys)
        # a constant in f adds nothing but noise
        return moved + (f - f.mean(axis=0)) * weight[:, None]

    found = {"marginal": terms(lambda t: kernel.marginal(spot.x, t), t)}
    # nothing asks a posterior for its score, but a divergence that is a draw is differentiated through the draw
    if kernel.posterior(spot.x, spot.late, s, t).is_reparametrised:
        found["posterior"] = terms(lambda s: kernel.posterior(spot.x, spot.late, s, t), s)
    return found
