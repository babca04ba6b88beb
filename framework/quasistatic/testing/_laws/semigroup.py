"""The forward process is one semigroup with one equilibrium (Sohl-Dickstein et al. 2015, eq. 1 and 2)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import AbstractDiscrete, AbstractDistribution, AbstractIntegrable, Key, State, Time
from quasistatic._process.finite import FiniteKernel
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import take
from quasistatic.oracles import expect
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._reading import Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting, Spot, Steps, enumerate_states, table
from quasistatic.testing._tools.statistics import largest_of, moments, scores

PAIRS = ((0, 1), (1, 3), (2, 4), (0, 4))  # of the five times of a law that looks at some
DRAWS = 8_000  # over all steps
TOGETHER = 32  # steps at once: more would need memory for the tables of each


def _is_stationary(kernel: AbstractKernel) -> bool:
    return kernel.is_stationary


def _is_reversible(kernel: AbstractKernel) -> bool:
    return kernel.is_reversible


@law(
    "kernel",
    "times",
    "A chain of T steps has T increasing times in [0, 1], the last of them 1.",
    unseen="Whether the spacing is wise.",
)
def chain_times(kernel: AbstractKernel, setting: Setting) -> Reading:
    bad = []
    for steps in (1, 2, 7, setting.times_permille[0] + 1, 1000):
        times = np.asarray(kernel.times(steps), np.float64)
        if not (times.shape == (steps,) and times[0] >= 0 and times[-1] == 1 and np.all(np.diff(times) > 0)):
            bad.append(f"T = {steps}")
    return faults(bad, "wrong chains")


class _AbstractStart(eqx.Module):
    """Where a process starts; its distribution is known at every later time."""

    @abstractmethod
    def at(self, kernel: AbstractKernel, t: Time) -> AbstractDistribution:
        """The distribution at t."""


class _FromData(_AbstractStart):
    x: State

    def at(self, kernel: AbstractKernel, t: Time) -> AbstractDistribution:
        return kernel.marginal(self.x, t)


class _FromState(_AbstractStart):
    z: State
    r: Time

    def at(self, kernel: AbstractKernel, t: Time) -> AbstractDistribution:
        return kernel.transition(self.z, self.r, t)


class _FromEquilibrium(_AbstractStart):
    def at(self, kernel: AbstractKernel, t: Time) -> AbstractDistribution:
        return kernel.equilibrium()


@law(
    "kernel",
    "composition",
    "Two steps are one: data to s and on to t is data to t, and r to s to t is r to t (Chapman-Kolmogorov).",
    f"{PAPER}, eq. 2",
    float64=True,
    unseen="A fault that both share at every time: it is another process, and `bayes` asks it for its posterior.",
)
def composition(kernel: AbstractKernel, setting: Setting) -> Reading:
    steps, x = setting.steps(kernel), take(setting.data(kernel, 2), 1)
    r = steps.early.min()
    z = take(setting.spots(kernel, r, jnp.ones(()), 1).early, 0)
    later = every_other(steps)  # than r, all of these
    return worst(_carried(kernel, start, at, setting) for start, at in ((_FromData(x), steps), (_FromState(z, r), later)))


@law(
    "kernel",
    "stationarity",
    "A step leaves the equilibrium as it is.",
    f"{PAPER}, eq. 1",
    when=_is_stationary,
    float64=True,
    unseen="A kernel that declares that it is not stationary.",
)
def stationarity(kernel: AbstractKernel, setting: Setting) -> Reading:
    return _carried(kernel, _FromEquilibrium(), setting.steps(kernel), setting)


def _is_finite_in_sequence(kernel: AbstractKernel) -> bool:
    return kernel.is_sequential and is_finite(kernel)


@law(
    "kernel",
    "sequence",
    "Of a sequential kernel, in a chain of as many even steps as elements, each step destroys the last element that is left: those "
    "before it are as in data, and it and those after it as at t = 1.",
    "Austin et al. 2021, section 3.3",
    when=_is_finite_in_sequence,
    float64=True,
    unseen="Kernels that are not finite.",
)
def sequence(kernel: FiniteKernel, setting: Setting) -> Reading:
    x, size = take(setting.data(kernel, 2), 1), kernel.event.size
    return Reading(float(_out_of_turn(kernel, x, size)), 1e-12, "in probability")


@eqx.filter_jit
def _out_of_turn(kernel: FiniteKernel, x: State, size: int) -> jax.Array:
    """How far the states of single elements are from data before an element's turn, and from equilibrium after it."""

    def chances(distribution: AbstractDistribution) -> jax.Array:
        assert isinstance(distribution, AbstractDiscrete)
        return jnp.exp(distribution.log_probabilities()).reshape(size, -1)

    gone = chances(kernel.equilibrium())
    whole = jax.nn.one_hot(x.reshape(-1), gone.shape[-1])

    def away(left: jax.Array) -> jax.Array:
        found = chances(kernel.marginal(x, 1.0 - left / size))
        return jnp.max(jnp.abs(found - jnp.where(jnp.arange(size)[:, None] < left, whole, gone)))

    # elements that are left, from none
    return jnp.max(jax.vmap(away)(jnp.arange(size)))


def _carried(kernel: AbstractKernel, start: _AbstractStart, steps: Steps, setting: Setting) -> Reading:
    """A distribution at s, carried on to t by the transition, against the direct one; draws are of every other step alone."""
    if is_finite(kernel):
        return furthest(_gaps(kernel, start, steps, _gap_of_cells), steps, 1e-12, "in probability")
    if isinstance(eqx.filter_eval_shape(start.at, kernel, steps.late[0]), AbstractIntegrable):
        return furthest(_gaps(kernel, start, steps, _gap_of_moments), steps, 1e-9, "in a first or second moment")
    some = every_other(setting.steps(kernel))
    early, late = (_along(kernel, start, times) for times in some)
    return scattered(*_drawn(kernel, early, late, some, setting.keys_of(some, 1, DRAWS)), some)


def every_other(steps: Steps) -> Steps:
    """Those that start everywhere."""
    return take(steps, slice(0, None, 2))


def place(s: Time, t: Time) -> str:
    """How a reading names a step."""
    return f"s = {float(s):.3g}, t = {float(t):.3g}"


def furthest(gaps: jax.Array, steps: Steps, tolerance: float, unit: str) -> Reading:
    """The largest of the gaps at steps (N,)."""
    values = np.asarray(gaps, np.float64)
    index = int(np.argmax(np.where(np.isnan(values), np.inf, values)))
    return Reading(float(values[index]), tolerance, unit, place(steps.early[index], steps.late[index]))


def scattered(a: jax.Array, b: jax.Array, steps: Steps) -> Reading:
    """The means of two samples (N, draws, values) at steps (N,), at each of them and over all."""
    one, two = np.asarray(a, np.float64), np.asarray(b, np.float64)
    each = np.array([scores(*pair) for pair in zip(one, two, strict=True)])
    index = int(np.argmax(np.where(np.isnan(each), np.inf, each)))
    over_all = scores(*(sample.reshape(-1, sample.shape[-1]) for sample in (one, two)))
    of_one = statistical(largest_of(float(each[index]), len(each)), place(steps.early[index], steps.late[index]))
    return worst([statistical(over_all, "all steps together"), of_one])


@eqx.filter_jit
def _gaps(kernel: AbstractKernel, start: _AbstractStart, steps: Steps, gap: Callable[..., jax.Array]) -> jax.Array:
    return jax.lax.map(lambda step: gap(kernel, start, *step), steps, batch_size=TOGETHER)


def _gap_of_cells(kernel: AbstractKernel, start: _AbstractStart, s: Time, t: Time) -> jax.Array:
    _, zs = enumerate_states(kernel)
    early, late = (jnp.exp(jax.vmap(start.at(kernel, time).log_prob)(zs)) for time in (s, t))
    steps = jnp.exp(table(lambda z: kernel.transition(z, s, t), zs, zs))
    return jnp.max(jnp.abs(early @ steps - late))


def _gap_of_moments(kernel: AbstractKernel, start: _AbstractStart, s: Time, t: Time) -> jax.Array:
    early, late = start.at(kernel, s), start.at(kernel, t)
    assert isinstance(early, AbstractIntegrable) and isinstance(late, AbstractIntegrable)
    carried = expect(early, lambda z: expect(kernel.transition(z, s, t), moments))
    expected = expect(late, moments)
    return jnp.max(jnp.abs(carried - expected) / jnp.maximum(1.0, jnp.abs(expected)))


@eqx.filter_jit
def _along(kernel: AbstractKernel, start: _AbstractStart, times: jax.Array) -> AbstractDistribution:
    """The distributions at times (N,), their arrays with a leading axis."""
    return strong(eqx.filter_vmap(lambda t: start.at(kernel, t))(times))


def strong(distribution: AbstractDistribution) -> AbstractDistribution:
    """The same with arrays of a strong type, so that distributions of one class are compiled once."""
    return jax.tree.map(
        lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)) if eqx.is_array_like(leaf) else leaf, distribution
    )


@eqx.filter_jit
def _drawn(
    kernel: AbstractKernel, early: AbstractDistribution, late: AbstractDistribution, steps: Steps, keys: Key
) -> tuple[jax.Array, jax.Array]:
    """Moments of states that were carried from s to t, and of states drawn at t, with what the network reads of them.

    That may tell more (angles). Both are (steps, draws, values).
    """

    def at_a_step(
        early: AbstractDistribution, late: AbstractDistribution, s: Time, t: Time, keys: Key
    ) -> tuple[jax.Array, jax.Array]:
        def one(key: Key) -> tuple[jax.Array, jax.Array]:
            first, second, third = jr.split(key, 3)
            carried, at_once = kernel.transition(early.sample(first), s, t).sample(second), late.sample(third)
            return moments((carried, kernel.encode(carried, t))), moments((at_once, kernel.encode(at_once, t)))

        return jax.vmap(one)(keys)

    return eqx.filter_vmap(at_a_step)(early, late, *steps, keys)


@law(
    "kernel",
    "bayes",
    "The posterior is Bayes' rule: q(z_s given z_t, x) q(z_t given x) = q(z_t given z_s) q(z_s given x), at every point.",
    f"{PAPER}, appendix A",
    float64=True,
    unseen="Draws of the posterior: these are of `bridge`.",
)
def bayes(kernel: AbstractKernel, setting: Setting) -> Reading:
    steps = setting.steps(kernel)
    spots = None if is_finite(kernel) else setting.spots(kernel, *steps, len(steps.early))
    return furthest(_bayes_gaps(kernel, steps, spots), steps, 1e-9, "nats")


@eqx.filter_jit
def _bayes_gaps(kernel: AbstractKernel, steps: Steps, spots: Spot | None) -> jax.Array:
    """At each step: of all events and states on a finite space, else of one spot."""

    def of_cells(s: Time, t: Time) -> jax.Array:
        xs, zs = enumerate_states(kernel)
        over_late = jax.vmap(lambda x, early, late: _bayes(kernel, x, early, late, s, t), (None, None, 0))
        return mismatch(*jax.vmap(jax.vmap(over_late, (None, 0, None)), (0, None, None))(xs, zs, zs))  # type: ignore[no-untyped-call]  # a lambda

    if spots is None:
        return jax.lax.map(lambda step: of_cells(*step), steps, batch_size=TOGETHER)
    return jax.vmap(lambda spot, s, t: mismatch(*_bayes(kernel, spot.x, spot.early, spot.late, s, t)))(spots, *steps)


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
    when=_is_reversible,
    float64=True,
    unseen="A kernel that declares that it is not reversible.",
)
def detailed_balance(kernel: AbstractKernel, setting: Setting) -> Reading:
    steps = setting.steps(kernel)
    return furthest(_imbalances(kernel, steps, setting.some_keys(2, len(steps.early))), steps, 1e-9, "nats")


@eqx.filter_jit
def _imbalances(kernel: AbstractKernel, steps: Steps, keys: Key) -> jax.Array:
    pi = kernel.equilibrium()

    def sides(a: State, b: State, s: Time, t: Time) -> tuple[jax.Array, jax.Array]:
        forth = pi.log_prob(a) + kernel.transition(a, s, t).log_prob(b)
        return forth, pi.log_prob(b) + kernel.transition(b, s, t).log_prob(a)

    def of_cells(s: Time, t: Time) -> jax.Array:
        _, zs = enumerate_states(kernel)
        return mismatch(*jax.vmap(lambda a: jax.vmap(lambda b: sides(a, b, s, t))(zs))(zs))

    def of_a_draw(s: Time, t: Time, key: Key) -> jax.Array:
        key_a, key_b = jr.split(key)
        a = pi.sample(key_a)
        return mismatch(*sides(a, kernel.transition(a, s, t).sample(key_b), s, t))

    if is_finite(kernel):
        return jax.lax.map(lambda step: of_cells(*step), steps, batch_size=TOGETHER)
    return jax.vmap(of_a_draw)(*steps, keys)


@law(
    "kernel",
    "relaxation",
    "KL(q(z_t given x) || equilibrium) never rises with t, for any x (the H-theorem).",
    "Cover & Thomas 2006, section 4.4",
    when=_is_stationary,
    float64=True,
    quick=False,
    unseen="How fast the equilibrium is reached, and a rise between its twelve times.",
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
    unseen="Data far larger than those of mean square 1.",
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
