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
from quasistatic.testing._law import Reading, statistical, worst
from quasistatic.testing._setting import Setting, at, in_float64, listed, table
from quasistatic.testing._statistics import largest_of, moments, scores

PAIRS = ((0, 1), (1, 3), (2, 4), (0, 4))
DRAWS = 4_000


def grid(kernel: AbstractKernel, setting: Setting) -> Reading:
    """A chain of T steps has T increasing times in [0, 1], the last of them 1."""
    for steps in (1, 2, 7, setting.marks[0] + 1, 1000):
        times = np.asarray(kernel.grid(steps), np.float64)
        if not (times.shape == (steps,) and times[0] >= 0 and times[-1] == 1 and np.all(np.diff(times) > 0)):
            return Reading(1.0, 0.0, "wrong chains", f"T = {steps}")
    return Reading(0.0, 0.0, "wrong chains")


@in_float64
def composition(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Two steps are one: data to s and on to t is data to t, and r to s to t is r to t (Chapman-Kolmogorov)."""
    times = setting.times(kernel)
    r = times[0]
    x = at(setting.data(kernel, 2), 1)
    z = at(setting.spots(kernel, r, times[1], 1).early, 0)
    from_data = [
        _carried(kernel, kernel.marginal(x, times[s]), kernel.marginal(x, times[t]), times[s], times[t], setting)
        for s, t in PAIRS
    ]
    from_noise = [
        _carried(kernel, kernel.transition(z, r, times[s]), kernel.transition(z, r, times[t]), times[s], times[t], setting)
        for s, t in ((1, 2), (2, 4))
    ]
    return worst(from_data + from_noise)


@in_float64
def stationarity(kernel: AbstractKernel, setting: Setting) -> Reading:
    """A step leaves the equilibrium as it is."""
    times, pi = setting.times(kernel), kernel.equilibrium()
    return worst(_carried(kernel, pi, pi, times[s], times[t], setting) for s, t in PAIRS)


def _carried(
    kernel: AbstractKernel,
    law: AbstractDistribution,
    direct: AbstractDistribution,
    s: jax.Array,
    t: jax.Array,
    setting: Setting,
) -> Reading:
    """A law at s, carried on to t by the transition, against the direct one."""
    where = place(s, t)
    if isinstance(kernel, FiniteKernel):
        return Reading(float(_gap_of_cells(kernel, law, direct, s, t)), 1e-12, "in probability", where)
    if isinstance(law, AbstractIntegrable):
        return Reading(float(_gap_of_moments(kernel, law, direct, s, t)), 1e-9, "in a first or second moment", where)
    stepwise, at_once = _drawn(kernel, law, direct, s, t, setting.keys(1, DRAWS))
    return statistical(scores(stepwise, at_once), where)


def place(s: jax.Array, t: jax.Array) -> str:
    """How a reading names a step."""
    return f"s = {float(s):.3g}, t = {float(t):.3g}"


@eqx.filter_jit
def _gap_of_cells(
    kernel: FiniteKernel, law: AbstractDistribution, direct: AbstractDistribution, s: jax.Array, t: jax.Array
) -> jax.Array:
    _, zs = listed(kernel)
    steps = jnp.exp(table(lambda z: kernel.transition(z, s, t), zs, zs))
    ends = jnp.exp(jax.vmap(law.log_prob)(zs)) @ steps
    return jnp.max(jnp.abs(ends - jnp.exp(jax.vmap(direct.log_prob)(zs))))


@eqx.filter_jit
def _gap_of_moments(
    kernel: AbstractKernel, law: AbstractIntegrable, direct: AbstractIntegrable, s: jax.Array, t: jax.Array
) -> jax.Array:
    zs, weights = law.nodes()
    carried = weights @ jax.vmap(lambda z: moments_of(kernel.transition(z, s, t)))(zs)
    expected = moments_of(direct)
    return jnp.max(jnp.abs(carried - expected) / jnp.maximum(1.0, jnp.abs(expected)))


def moments_of(law: AbstractIntegrable) -> jax.Array:
    """First and second moments by nodes."""
    zs, weights = law.nodes()
    return weights @ jax.vmap(moments)(zs)


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
        return seen(kernel, late, t), seen(kernel, direct.sample(third), t)

    return jax.vmap(one)(keys)


def seen(kernel: AbstractKernel, z: State, t: jax.Array) -> jax.Array:
    """First and second moments of a state and of what the network sees of it, which may tell more (angles)."""
    return moments((z, kernel.encode(z, t)))


@in_float64
def bayes(kernel: AbstractKernel, setting: Setting) -> Reading:
    """The posterior is Bayes' rule: q(z_s given z_t, x) q(z_t given x) = q(z_t given z_s) q(z_s given x), at every point."""
    times = setting.times(kernel)
    readings = []
    for first, last in PAIRS:
        s, t = times[first], times[last]
        if isinstance(kernel, FiniteKernel):
            gap = _bayes_of_cells(kernel, s, t)
        else:
            gap = _bayes_of_draws(kernel, setting.spots(kernel, s, t, 64), s, t)
        readings.append(Reading(float(gap), 1e-9, "nats", place(s, t)))
    return worst(readings)


@eqx.filter_jit
def _bayes_of_cells(kernel: FiniteKernel, s: jax.Array, t: jax.Array) -> jax.Array:
    xs, zs = listed(kernel)
    over_late = jax.vmap(lambda x, early, late: _bayes(kernel, x, early, late, s, t), (None, None, 0))
    return mismatch(*jax.vmap(jax.vmap(over_late, (None, 0, None)), (0, None, None))(xs, zs, zs))


@eqx.filter_jit
def _bayes_of_draws(kernel: AbstractKernel, spots: State, s: jax.Array, t: jax.Array) -> jax.Array:
    return mismatch(*jax.vmap(lambda x, early, late: _bayes(kernel, x, early, late, s, t))(*spots))


def _bayes(
    kernel: AbstractKernel, x: State, early: State, late: State, s: jax.Array, t: jax.Array
) -> tuple[jax.Array, jax.Array]:
    back = kernel.posterior(x, late, s, t).log_prob(early) + kernel.marginal(x, t).log_prob(late)
    forth = kernel.transition(early, s, t).log_prob(late) + kernel.marginal(x, s).log_prob(early)
    return back, forth


def mismatch(a: jax.Array, b: jax.Array) -> jax.Array:
    """Largest difference of log-probabilities; where `b` says impossible, what `a` gives it as a probability."""
    return jnp.max(jnp.where(b > -600.0, jnp.abs(a - b), jnp.exp(a)))


@in_float64
def detailed_balance(kernel: AbstractKernel, setting: Setting) -> Reading:
    """At equilibrium a step and its reversal are equally probable, pi(a) q(b given a) = pi(b) q(a given b)."""
    times = setting.times(kernel)
    readings = []
    for first, last in PAIRS:
        s, t = times[first], times[last]
        gap = _imbalance(kernel, s, t, jr.split(setting.key(2), 64))
        readings.append(Reading(float(gap), 1e-9, "nats", place(s, t)))
    return worst(readings)


@eqx.filter_jit
def _imbalance(kernel: AbstractKernel, s: jax.Array, t: jax.Array, keys: Key) -> jax.Array:
    pi = kernel.equilibrium()

    def sides(a: State, b: State) -> tuple[jax.Array, jax.Array]:
        forth = pi.log_prob(a) + kernel.transition(a, s, t).log_prob(b)
        return forth, pi.log_prob(b) + kernel.transition(b, s, t).log_prob(a)

    def drawn(key: Key) -> tuple[jax.Array, jax.Array]:
        key_a, key_b = jr.split(key)
        a = pi.sample(key_a)
        return sides(a, kernel.transition(a, s, t).sample(key_b))

    if isinstance(kernel, FiniteKernel):
        _, zs = listed(kernel)
        return mismatch(*jax.vmap(lambda a: jax.vmap(lambda b: sides(a, b))(zs))(zs))
    return mismatch(*jax.vmap(drawn)(keys))


@in_float64
def relaxation(kernel: AbstractKernel, setting: Setting) -> Reading:
    """KL(q(z_t given x) || equilibrium) never rises with t, for any x (the H-theorem)."""
    ends = setting.times(kernel)
    times = ends[0] + (ends[-1] - ends[0]) * jnp.linspace(0.0, 1.0, 12)
    draws = np.asarray(_divergences(kernel, setting.data(kernel, 3), times, setting.keys(6, 1_000)))
    values = draws.mean(axis=-1)  # (x, t)
    with np.errstate(invalid="ignore"):
        errors = np.where(np.isinf(values), 0.0, draws.std(axis=-1)) / draws.shape[-1] ** 0.5
        rise = np.where(np.isinf(values[:, :-1]), 0.0, np.diff(values))
    noise = np.hypot(errors[:, 1:], errors[:, :-1]) + 1e-10 * np.maximum(1.0, np.abs(values[:, :-1]))
    steepest = np.unravel_index(np.argmax(rise / noise), rise.shape)
    figure = largest_of(float(np.maximum(0.0, rise[steepest] / noise[steepest])), rise.size)
    return statistical(figure, f"t = {float(times[steepest[1]]):.3g}")


@in_float64
def arrival(kernel: AbstractKernel, setting: Setting) -> Reading:
    """At t = 1 the equilibrium is reached, to the nats per element that the kernel declares."""
    end = jnp.ones((1,))
    draws = np.asarray(_divergences(kernel, setting.data(kernel, 64), end, setting.keys(7, 100)))
    left = draws.mean(axis=(1, 2)) / kernel.event.size  # of each event
    error = draws.std(axis=2).mean() / draws[0].size ** 0.5 / kernel.event.size
    noise = 5.0 * (left.std() / len(left) ** 0.5 + error)  # of the data drawn, and of a divergence that is an estimate
    return Reading(float(left.mean() - noise), kernel.arrival_nats * (1 + 1e-6) + 1e-9, "nats per element")


@eqx.filter_jit
def _divergences(kernel: AbstractKernel, xs: State, times: jax.Array, keys: Key) -> jax.Array:
    """KL(q(z_t given x) || pi) for each event, time and key."""
    pi = kernel.equilibrium()

    def one(x: State, t: jax.Array, key: Key) -> jax.Array:
        return kernel.marginal(x, t).kl(pi, key)

    over_keys = jax.vmap(one, (None, None, 0))
    return jax.vmap(jax.vmap(over_keys, (None, 0, None)), (0, None, None))(xs, times, keys)
