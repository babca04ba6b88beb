"""The forward process is one semigroup with one equilibrium (Sohl-Dickstein et al. 2015, eq. 1 and 2)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._distribution import AbstractDistribution, AbstractIntegrable, Key, State
from quasistatic._finite import FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._setting import at, in_float64, listed, some_data, some_spots, table, times_of
from quasistatic.testing._statistics import LIMIT, moments, scores

PAIRS = ((0, 1), (1, 3), (2, 4), (0, 4))
DRAWS = 4_000


def grid(kernel: AbstractKernel) -> Reading:
    """A chain of T steps has T increasing times in [0, 1], the last of them 1."""
    for steps in (1, 2, 7, 1000):
        times = np.asarray(kernel.grid(steps), np.float64)
        if not (times.shape == (steps,) and times[0] >= 0 and times[-1] == 1 and np.all(np.diff(times) > 0)):
            return Reading(1.0, 0.0, "wrong chains", f"T = {steps}")
    return Reading(0.0, 0.0, "wrong chains")


@in_float64
def composition(kernel: AbstractKernel) -> Reading:
    """Two steps are one: data to s and on to t is data to t, and r to s to t is r to t (Chapman-Kolmogorov)."""
    times = times_of(kernel)
    r = times[0]
    x = at(some_data(kernel, 2), 1)
    z = at(some_spots(kernel, r, times[1], 1).early, 0)
    from_data = [
        _carried(kernel, kernel.marginal(x, times[s]), kernel.marginal(x, times[t]), times[s], times[t])
        for s, t in PAIRS
    ]
    from_noise = [
        _carried(kernel, kernel.transition(z, r, times[s]), kernel.transition(z, r, times[t]), times[s], times[t])
        for s, t in ((1, 2), (2, 4))
    ]
    return worst(from_data + from_noise)


@in_float64
def stationarity(kernel: AbstractKernel) -> Reading:
    """A step leaves the equilibrium as it is."""
    times, pi = times_of(kernel), kernel.equilibrium()
    return worst(_carried(kernel, pi, pi, times[s], times[t]) for s, t in PAIRS)


def _carried(
    kernel: AbstractKernel, law: AbstractDistribution, direct: AbstractDistribution, s: jax.Array, t: jax.Array
) -> Reading:
    """A law at s, carried on to t by the transition, against the direct one."""
    where = f"s = {float(s):.3g}, t = {float(t):.3g}"
    if isinstance(kernel, FiniteKernel):
        _, zs = listed(kernel)
        steps = jnp.exp(table(lambda z: kernel.transition(z, s, t), zs, zs))
        ends = jnp.exp(jax.vmap(law.log_prob)(zs)) @ steps
        return Reading(float(jnp.max(jnp.abs(ends - jnp.exp(jax.vmap(direct.log_prob)(zs))))), 1e-12, "in probability", where)
    if isinstance(law, AbstractIntegrable):

        def moments_after(z: State) -> jax.Array:
            return _moments_of(kernel.transition(z, s, t))

        zs, weights = law.nodes()
        expected = _moments_of(direct)
        gap = jnp.abs(weights @ jax.vmap(moments_after)(zs) - expected) / jnp.maximum(1.0, jnp.abs(expected))
        return Reading(float(jnp.max(gap)), 1e-9, "in a first or second moment", where)

    stepwise, at_once = _drawn(kernel, law, direct, s, t, jr.split(jr.key(1), DRAWS))
    return Reading(scores(stepwise, at_once), LIMIT, "standard errors", where)


@eqx.filter_jit
def _drawn(
    kernel: AbstractKernel,
    law: AbstractDistribution,
    direct: AbstractDistribution,
    s: jax.Array,
    t: jax.Array,
    keys: Key,
) -> tuple[jax.Array, jax.Array]:
    """Moments of states that were carried from s to t, and of states drawn at t."""

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        first, second, third = jr.split(key, 3)
        late = kernel.transition(law.sample(first), s, t).sample(second)
        return moments(late), moments(direct.sample(third))

    return jax.vmap(one)(keys)


def _moments_of(law: AbstractDistribution) -> jax.Array:
    assert isinstance(law, AbstractIntegrable)
    zs, weights = law.nodes()
    return weights @ jax.vmap(moments)(zs)


@in_float64
def bayes(kernel: AbstractKernel) -> Reading:
    """The posterior is Bayes' rule: q(z_s given z_t, x) q(z_t given x) = q(z_t given z_s) q(z_s given x), at every point."""
    times = times_of(kernel)
    return worst(_bayes(kernel, times[s], times[t]) for s, t in PAIRS)


def _bayes(kernel: AbstractKernel, s: jax.Array, t: jax.Array) -> Reading:
    def sides(x: State, early: State, late: State) -> tuple[jax.Array, jax.Array]:
        back = kernel.posterior(x, late, s, t).log_prob(early) + kernel.marginal(x, t).log_prob(late)
        forth = kernel.transition(early, s, t).log_prob(late) + kernel.marginal(x, s).log_prob(early)
        return back, forth

    if isinstance(kernel, FiniteKernel):
        xs, zs = listed(kernel)
        over_late = jax.vmap(sides, (None, None, 0))
        back, forth = jax.vmap(jax.vmap(over_late, (None, 0, None)), (0, None, None))(xs, zs, zs)
    else:
        back, forth = jax.vmap(sides)(*some_spots(kernel, s, t, 64))
    return Reading(mismatch(back, forth), 1e-9, "nats", f"s = {float(s):.3g}, t = {float(t):.3g}")


def mismatch(a: jax.Array, b: jax.Array) -> float:
    """Largest difference of log-probabilities; where `b` says impossible, what `a` gives it as a probability."""
    return float(jnp.max(jnp.where(b > -600.0, jnp.abs(a - b), jnp.exp(a))))


@in_float64
def detailed_balance(kernel: AbstractKernel) -> Reading:
    """At equilibrium a step and its reversal are equally probable, pi(a) q(b given a) = pi(b) q(a given b)."""
    times, pi = times_of(kernel), kernel.equilibrium()

    def sides(a: State, b: State, s: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        forth = pi.log_prob(a) + kernel.transition(a, s, t).log_prob(b)
        return forth, pi.log_prob(b) + kernel.transition(b, s, t).log_prob(a)

    readings = []
    for first, last in PAIRS:
        s, t = times[first], times[last]

        def pair(key: Key, s: jax.Array = s, t: jax.Array = t) -> tuple[State, State]:
            key_a, key_b = jr.split(key)
            a = pi.sample(key_a)
            return a, kernel.transition(a, s, t).sample(key_b)

        if isinstance(kernel, FiniteKernel):
            _, zs = listed(kernel)
            forth, back = jax.vmap(lambda a, s=s, t=t, zs=zs: jax.vmap(lambda b: sides(a, b, s, t))(zs))(zs)
        else:
            pairs = jax.vmap(pair)(jr.split(jr.key(2), 64))
            forth, back = jax.vmap(lambda a, b, s=s, t=t: sides(a, b, s, t))(*pairs)
        readings.append(Reading(mismatch(forth, back), 1e-9, "nats", f"s = {float(s):.3g}, t = {float(t):.3g}"))
    return worst(readings)


@eqx.filter_jit
def _divergences(
    kernel: AbstractKernel, x: State, times: jax.Array, pi: AbstractDistribution, keys: Key
) -> jax.Array:
    """KL(q(z_t given x) || pi) for each time and key."""
    return jax.vmap(lambda t: jax.vmap(lambda key: kernel.marginal(x, t).kl(pi, key))(keys))(times)


@in_float64
def relaxation(kernel: AbstractKernel) -> Reading:
    """KL(q(z_t given x) || equilibrium) never rises with t (the H-theorem)."""
    first, pi = times_of(kernel)[0], kernel.equilibrium()
    times = first + (1.0 - first) * jnp.linspace(0.0, 1.0, 12)
    readings = []
    for x in (at(some_data(kernel, 3), index) for index in range(3)):
        keys = jr.split(jr.key(6), 1_000)
        draws = _divergences(kernel, x, times, pi, keys)
        values = np.asarray(draws.mean(axis=1))
        errors = np.asarray(draws.std(axis=1)) / len(keys) ** 0.5
        with np.errstate(invalid="ignore"):
            rise = np.where(np.isinf(values[:-1]), 0.0, np.diff(values))
        noise = np.hypot(errors[1:], errors[:-1]) + 1e-10 * np.maximum(1.0, np.abs(values[:-1]))
        worst_step = int(np.argmax(rise / noise))
        readings.append(
            Reading(max(0.0, float(rise[worst_step] / noise[worst_step])), LIMIT, "standard errors", f"t = {times[worst_step]:.3g}")
        )
    return worst(readings)
