"""The forward process is one semigroup with one equilibrium (Sohl-Dickstein et al. 2015, eq. 1 and 2)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, Key, State, Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import take
from quasistatic.oracles import expect
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._reading import Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting, enumerate_states, table
from quasistatic.testing._tools.statistics import largest_of, moments, scores

PAIRS = ((0, 1), (1, 3), (2, 4), (0, 4))
DRAWS = 4_000


def balanced(kernel: AbstractKernel) -> bool:
    """Whether the reference is the equilibrium."""
    rho = kernel.reference()
    return rho is not None and bool(eqx.tree_equal(rho, kernel.equilibrium()))


@law("kernel", "times", "A chain of T steps has T increasing times in [0, 1], the last of them 1.")
def chain_times(kernel: AbstractKernel, setting: Setting) -> Reading:
    bad = []
    for steps in (1, 2, 7, setting.times_permille[0] + 1, 1000):
        times = np.asarray(kernel.times(steps), np.float64)
        if not (times.shape == (steps,) and times[0] >= 0 and times[-1] == 1 and np.all(np.diff(times) > 0)):
            bad.append(f"T = {steps}")
    return faults(bad, "wrong chains")


@law(
    "kernel",
    "composition",
    "Two steps are one: data to s and on to t is data to t, and r to s to t is r to t (Chapman-Kolmogorov).",
    f"{PAPER}, eq. 2",
    float64=True,
)
def composition(kernel: AbstractKernel, setting: Setting) -> Reading:
    times = setting.times(kernel)
    r, x = times[0], take(setting.data(kernel, 2), 1)
    z = take(setting.spots(kernel, r, times[1], 1).early, 0)
    chains = [(kernel.marginal(x, times[s]), kernel.marginal(x, times[t]), s, t) for s, t in PAIRS]
    chains += [(kernel.transition(z, r, times[s]), kernel.transition(z, r, times[t]), s, t) for s, t in ((1, 2), (2, 4))]
    return worst(_carried(kernel, early, late, times[s], times[t], setting) for early, late, s, t in chains)


@law("kernel", "stationarity", "A step leaves the equilibrium as it is.", f"{PAPER}, eq. 1", float64=True)
def stationarity(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, pi = setting.times(kernel), kernel.equilibrium()
    return worst(_carried(kernel, pi, pi, times[s], times[t], setting) for s, t in PAIRS)


def _carried(
    kernel: AbstractKernel, early: AbstractDistribution, late: AbstractDistribution, s: Time, t: Time, setting: Setting
) -> Reading:
    """A distribution at s, carried on to t by the transition, against the direct one."""
    where = place(s, t)
    if is_finite(kernel):
        return Reading(float(_gap_of_cells(kernel, early, late, s, t)), 1e-12, "in probability", where)
    if isinstance(early, AbstractIntegrable):
        return Reading(float(_gap_of_moments(kernel, early, late, s, t)), 1e-9, "in a first or second moment", where)
    stepwise, at_once = _drawn(kernel, early, late, s, t, setting.keys(1, DRAWS))
    return statistical(scores(stepwise, at_once), where)


def place(s: Time, t: Time) -> str:
    """How a reading names a step."""
    return f"s = {float(s):.3g}, t = {float(t):.3g}"


@eqx.filter_jit
def _gap_of_cells(kernel: AbstractKernel, early: AbstractDistribution, late: AbstractDistribution, s: Time, t: Time) -> jax.Array:
    _, zs = enumerate_states(kernel)
    steps = jnp.exp(table(lambda z: kernel.transition(z, s, t), zs, zs))
    ends = jnp.exp(jax.vmap(early.log_prob)(zs)) @ steps
    return jnp.max(jnp.abs(ends - jnp.exp(jax.vmap(late.log_prob)(zs))))


@eqx.filter_jit
def _gap_of_moments(kernel: AbstractKernel, early: AbstractDistribution, late: AbstractDistribution, s: Time, t: Time) -> jax.Array:
    carried = expect(early, lambda z: expect(kernel.transition(z, s, t), moments))
    expected = expect(late, moments)
    return jnp.max(jnp.abs(carried - expected) / jnp.maximum(1.0, jnp.abs(expected)))


@eqx.filter_jit
def _drawn(
    kernel: AbstractKernel, early: AbstractDistribution, late: AbstractDistribution, s: Time, t: Time, keys: Key
) -> tuple[jax.Array, jax.Array]:
    """Moments of states that were carried from s to t, and of states drawn at t, with what the network reads of them.

    That may tell more (angles).
    """

    def seen(z: State) -> jax.Array:
        return moments((z, kernel.encode(z, t)))

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        first, second, third = jr.split(key, 3)
        return seen(kernel.transition(early.sample(first), s, t).sample(second)), seen(late.sample(third))

    return jax.vmap(one)(keys)


@law(
    "kernel",
    "bayes",
    "The posterior is Bayes' rule: q(z_s given z_t, x) q(z_t given x) = q(z_t given z_s) q(z_s given x), at every point.",
    f"{PAPER}, appendix A",
    float64=True,
)
def bayes(kernel: AbstractKernel, setting: Setting) -> Reading:
    times = setting.times(kernel)
    readings = []
    for first, last in PAIRS:
        s, t = times[first], times[last]
        gap = _bayes_of_cells(kernel, s, t) if is_finite(kernel) else _bayes_of(kernel, setting.spots(kernel, s, t, 64), s, t)
        readings.append(Reading(float(gap), 1e-9, "nats", place(s, t)))
    return worst(readings)


@eqx.filter_jit
def _bayes_of_cells(kernel: AbstractKernel, s: Time, t: Time) -> jax.Array:
    xs, zs = enumerate_states(kernel)
    over_late = jax.vmap(lambda x, early, late: _bayes(kernel, x, early, late, s, t), (None, None, 0))
    return mismatch(*jax.vmap(jax.vmap(over_late, (None, 0, None)), (0, None, None))(xs, zs, zs))


@eqx.filter_jit
def _bayes_of(kernel: AbstractKernel, spots: State, s: Time, t: Time) -> jax.Array:
    return mismatch(*jax.vmap(lambda x, early, late: _bayes(kernel, x, early, late, s, t))(*spots))


def _bayes(kernel: AbstractKernel, x: State, early: State, late: State, s: Time, t: Time) -> tuple[jax.Array, jax.Array]:
    back = kernel.posterior(x, late, s, t).log_prob(early) + kernel.marginal(x, t).log_prob(late)
    forth = kernel.transition(early, s, t).log_prob(late) + kernel.marginal(x, s).log_prob(early)
    return back, forth


def mismatch(a: jax.Array, b: jax.Array) -> jax.Array:
    """Largest difference of log-probabilities; where `b` is that of something impossible, the probability under `a`."""
    return jnp.max(jnp.where(b > -600.0, jnp.abs(a - b), jnp.exp(a)))


@law(
    "kernel",
    "detailed-balance",
    "At equilibrium a step and its reversal are equally probable, pi(a) q(b given a) = pi(b) q(a given b).",
    f"{PAPER}, section 2.1",
    when=balanced,
    float64=True,
)
def detailed_balance(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, keys = setting.times(kernel), jr.split(setting.key(2), 64)
    steps = [(times[first], times[last]) for first, last in PAIRS]
    return worst(Reading(float(_imbalance(kernel, s, t, keys)), 1e-9, "nats", place(s, t)) for s, t in steps)


@eqx.filter_jit
def _imbalance(kernel: AbstractKernel, s: Time, t: Time, keys: Key) -> jax.Array:
    pi = kernel.equilibrium()

    def sides(a: State, b: State) -> tuple[jax.Array, jax.Array]:
        forth = pi.log_prob(a) + kernel.transition(a, s, t).log_prob(b)
        return forth, pi.log_prob(b) + kernel.transition(b, s, t).log_prob(a)

    def drawn(key: Key) -> tuple[jax.Array, jax.Array]:
        key_a, key_b = jr.split(key)
        a = pi.sample(key_a)
        return sides(a, kernel.transition(a, s, t).sample(key_b))

    if is_finite(kernel):
        _, zs = enumerate_states(kernel)
        return mismatch(*jax.vmap(lambda a: jax.vmap(lambda b: sides(a, b))(zs))(zs))
    return mismatch(*jax.vmap(drawn)(keys))


@law(
    "kernel",
    "relaxation",
    "KL(q(z_t given x) || equilibrium) never rises with t, for any x (the H-theorem).",
    "Cover & Thomas 2006, section 4.4",
    float64=True,
)
def relaxation(kernel: AbstractKernel, setting: Setting) -> Reading:
    ends = setting.times(kernel)
    times = ends[0] + (ends[-1] - ends[0]) * jnp.linspace(0.0, 1.0, 12)
    draws = np.asarray(_divergences(kernel, setting.data(kernel, 3), times, setting.keys(6, 1_000)))
    values = draws.mean(axis=-1)  # (x, t)
    with np.errstate(invalid="ignore"):
        errors = np.where(np.isinf(values), 0.0, draws.std(axis=-1)) / draws.shape[-1] ** 0.5
        rise = np.where(np.isinf(values[:, :-1]), 0.0, np.diff(values))
    noise = np.hypot(errors[:, 1:], errors[:, :-1]) + 1e-10 * np.maximum(1.0, np.abs(values[:, :-1]))
    steepest = np.unravel_index(np.argmax(rise / noise), rise.shape)
    highest = largest_of(float(np.maximum(0.0, rise[steepest] / noise[steepest])), rise.size)
    return statistical(highest, f"t = {float(times[steepest[1]]):.3g}")


@law(
    "kernel",
    "arrival",
    "At t = 1 the equilibrium is reached, to the nats per element that the kernel declares (`max_prior_nats`).",
    f"{PAPER}, section 2.1",
    float64=True,
)
def arrival(kernel: AbstractKernel, setting: Setting) -> Reading:
    draws = np.asarray(_divergences(kernel, setting.data(kernel, 64), jnp.ones((1,)), setting.keys(7, 100)))
    left = draws.mean(axis=(1, 2)) / kernel.event.size  # of each event
    error = draws.std(axis=2).mean() / draws[0].size ** 0.5 / kernel.event.size
    noise = 5.0 * (left.std() / len(left) ** 0.5 + error)  # of the data drawn, and of a divergence that is an estimate
    return Reading(float(left.mean() - noise), kernel.max_prior_nats * (1 + 1e-6) + 1e-9, "nats per element")


@eqx.filter_jit
def _divergences(kernel: AbstractKernel, xs: State, times: jax.Array, keys: Key) -> jax.Array:
    """KL(q(z_t given x) || pi) for each event, time and key."""
    pi = kernel.equilibrium()

    def one(x: State, t: Time, key: Key) -> jax.Array:
        return kernel.marginal(x, t).kl(pi, key=key)

    over_keys = jax.vmap(one, (None, None, 0))
    return jax.vmap(jax.vmap(over_keys, (None, 0, None)), (0, None, None))(xs, times, keys)
