"""Finite chains with every path enumerated: published values, and the same by hand in numpy."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel

pytestmark = pytest.mark.usefixtures("x64")


class Redraw(qs.FiniteKernel):
    """A symbol survives to t with 1 - t, else it is drawn from `target`; data are the first `data` of its states."""

    event: qs.AbstractField = eqx.field(static=True)
    target: tuple[float, ...] = eqx.field(static=True)
    data: int = eqx.field(static=True)
    is_exact_at_zero: bool = eqx.field(default=True, static=True)

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def log_matrix(self, s: jax.Array | None, t: jax.Array) -> jax.Array:
        kept = 1.0 - t if s is None else (1.0 - t) / (1.0 - s)
        matrix = kept * jnp.eye(len(self.target)) + (1.0 - kept) * jnp.asarray(self.target)
        return qs.numerics.floored_log(matrix[: self.data] if s is None else matrix)

    def log_equilibrium(self) -> jax.Array:
        return qs.numerics.floored_log(jnp.asarray(self.target))

    def log_reference(self) -> jax.Array:
        return jnp.full(self.data, -math.log(self.data))


class Joint(qs.FiniteKernel):
    """Three symbols of another kernel as one: its reverse steps need not be independent."""

    element: Redraw
    event: qs.AbstractField = eqx.field(static=True)
    is_exact_at_zero: bool = eqx.field(default=True, static=True)

    def times(self, steps: int) -> np.ndarray:
        return self.element.times(steps)

    def log_matrix(self, s: jax.Array | None, t: jax.Array) -> jax.Array:
        return qs.numerics.floored_log(_cube(jnp.exp(self.element.log_matrix(s, t))))

    def log_equilibrium(self) -> jax.Array:
        return qs.numerics.floored_log(_cube(jnp.exp(self.element.log_equilibrium())))

    def log_reference(self) -> jax.Array:
        return jnp.log(_cube(jnp.exp(self.element.log_reference())))


def _cube(matrix: jax.Array) -> jax.Array:
    return jnp.kron(jnp.kron(matrix, matrix), matrix)


class Blurred(qs.AbstractDistribution):
    """With probability 0.3 another distribution: all patterns alike of the states that are `allowed` (size, states)."""

    clear: qs.AbstractDistribution
    allowed: jax.Array
    is_reparametrised: ClassVar[bool] = False

    def sample(self, key: jax.Array) -> jax.Array:
        raise NotImplementedError

    def log_prob(self, x: jax.Array) -> jax.Array:
        even = jnp.log(self.allowed / self.allowed.sum(axis=1, keepdims=True))
        chosen = jnp.take_along_axis(even, x.astype(int)[:, None], axis=1).sum()
        return jnp.logaddexp(math.log(0.7) + self.clear.log_prob(x), math.log(0.3) + chosen)


class WrongKernel(BinomialKernel):
    """A reverse chain that is wrong on purpose."""

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> Any:
        return Blurred(super().decode(params, z, t), jnp.ones((3, 2)))

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Any:
        return Blurred(BinomialKernel(self.options, self.event).reverse(params, z, s, t), jnp.ones((3, 2)))


class WrongRedraw(Redraw):
    """The same for absorption: what is no longer masked stays, the rest may become anything."""

    def _allowed(self, z: jax.Array, states: int) -> jax.Array:
        return jnp.where((z == self.data)[:, None], 1.0, jax.nn.one_hot(z, states))

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> Any:
        return Blurred(super().decode(params, z, t), self._allowed(z, self.data))

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Any:
        clear = Redraw(self.event, self.target, self.data).reverse(params, z, s, t)
        return Blurred(clear, self._allowed(z, len(self.target)))


class System(NamedTuple):
    kernel: qs.FiniteKernel
    xs: np.ndarray
    weights: np.ndarray
    times: np.ndarray


def times_of(*losses: float) -> np.ndarray:
    """Erasure times of a chain that loses these shares of what is left."""
    return 1.0 - np.cumprod(1.0 - np.array(losses))


def bits(rate: float, kind: type[BinomialKernel] = BinomialKernel) -> System:
    xs = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    weights = np.array([0.40, 0.05, 0.05, 0.10, 0.02, 0.08, 0.10, 0.20])
    return System(kind(BinomialOptions(base_rate=rate), qs.Binary((3,))), xs, weights, times_of(0.2, 0.4, 0.6))


def heartbeat(times: np.ndarray) -> System:
    xs = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    return System(BinomialKernel(BinomialOptions(), qs.Binary((4,))), xs, np.array([0.5, 0.5]), times)


def words(target: tuple[float, ...], times: np.ndarray, kind: type[Redraw] = Redraw) -> System:
    xs = np.array([[0, 1, 2], [1, 2, 0], [2, 2, 2]])
    return System(kind(qs.Categorical((3,), 3), target, 3), xs, np.array([0.5, 0.3, 0.2]), times)


def jointly(system: System) -> System:
    """The same with a reverse chain that can do anything: each sequence is one symbol."""
    kernel, xs, weights, times = system
    if isinstance(kernel, BinomialKernel):
        rate = kernel.options.base_rate
        kernel = Redraw(kernel.event, (1.0 - rate, rate), 2)
    assert isinstance(kernel, Redraw)
    codes = xs.astype(int) @ kernel.data ** np.arange(3)[::-1]
    return System(Joint(kernel, qs.Categorical((), kernel.data**3)), codes, weights, times)


UNIFORM, ABSORBING = (1 / 3, 1 / 3, 1 / 3), (0.0, 0.0, 0.0, 1.0)
SYSTEMS = {
    "bits exact": lambda: jointly(bits(0.5)),
    "bits": lambda: bits(0.5),
    "bits wrong": lambda: bits(0.5, WrongKernel),
    "bits 0.2": lambda: bits(0.2),
    "beats": lambda: heartbeat(times_of(0.2, 0.4, 0.6)),
    "beats erasure": lambda: heartbeat(np.arange(1, 4) / 3),
    "uniform exact": lambda: jointly(words(UNIFORM, times_of(0.3, 0.6))),
    "uniform": lambda: words(UNIFORM, times_of(0.3, 0.6)),
    "absorbing exact": lambda: jointly(words(ABSORBING, times_of(0.5, 1.0))),
    "absorbing": lambda: words(ABSORBING, times_of(0.5, 1.0)),
    "absorbing wrong": lambda: words(ABSORBING, times_of(0.5, 1.0), WrongRedraw),
}
# K, E log p, gap, KL0, Sigma, prior | EP_1 .. | L_1 .. | lambda | smallest and largest ESS fraction; nats
TABLE = """
bits exact      | -1.73048 -1.72887 .00161 .00008 .00169 .00169 | 0 0 0 | .76593 .62599 .28293 | 0 | .9961 .9980
bits            | -1.83991 -1.77268 .06723 .04388 .11111 .00169 | .05057 .04815 .01071 | .81649 .67414 .29364 | 0 | .4357 .9429
bits wrong      | -2.05888 -1.83952 .21936 .11072 .33009 .00169 | .18817 .10573 .03450 | .95410 .73172 .31742 | 0 | .1078 .4879
bits 0.2        | -1.84949 -1.76946 .08003 .04067 .12070 .01775 | .03946 .04956 .01392 | .76253 .66584 .33125 | 0 | .4101 .9385
beats           | -1.19665 -.89413 .30251 .20098 .50350 .00390 | .16232 .25266 .08462 | .21643 .54017 .36585 | .182075 | .5817 .5817
beats erasure   | -1.38298 -1.05018 .33281 .35703 .68984 0 | .45413 .20288 .03283 | .60550 .55095 .22653 | .300249 | .7227 .7227
uniform exact   | -1.09433 -1.03051 .06382 .00085 .06468 .06468 | 0 0 | .32153 .55214 | 0 | .8688 .8991
uniform         | -1.67483 -1.40935 .26548 .37969 .64518 .06468 | .38595 .19455 | .70748 .74669 | .313321 | .6454 .7641
absorbing exact | -1.02965 -1.02965 0 0 0 0 | 0 0 | .22312 .80653 | 0 | 1 1
absorbing       | -1.64736 -1.50849 .13888 .47883 .61771 0 | .25741 .36030 | .48053 1.16683 | .376964 | .6728 .8858
absorbing wrong | -2.00213 -1.91342 .08870 .88377 .97247 0 | .45886 .51361 | .68198 1.32015 | .584665 | .7556 .9245
"""
ROWS = {name.strip(): parts for name, *parts in (line.split("|") for line in TABLE.strip().splitlines())}


def best(system: System) -> qs.Diffusion:
    return qs.Diffusion(system.kernel, oracles.ExactDecoder(system.kernel, system.xs, system.weights))


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    """K, its split, likelihood, entropy production, and the log-weights, through the public oracles."""
    system = SYSTEMS[name]()
    kernel, xs, weights, times = system
    diffusion = best(system)
    totals, produced, measured, unreached, ess = (np.array(part.split(), float) for part in ROWS[name])
    close = {"rtol": 0, "atol": 0.6e-5}

    ledger = oracles.exact_ledger(diffusion, xs, weights, times)
    known = oracles.information(kernel, xs, weights, times)
    entropy = -float(weights @ np.log(weights))
    production = oracles.entropy_production(ledger, known, entropy)
    likelihood = weights @ oracles.log_likelihood(diffusion, xs, times)
    sigma = -entropy - ledger.bound
    found = [ledger.bound, likelihood, likelihood - ledger.bound, -entropy - likelihood, sigma, production.end]
    np.testing.assert_allclose(found, totals, **close)
    np.testing.assert_allclose(production.steps, produced, **close)
    np.testing.assert_allclose([ledger.first, *ledger.gaps], measured, **close)
    assert production.total == pytest.approx(sigma, abs=1e-12)
    assert production.steps.min() > -1e-12

    paths = [oracles.path_distribution(diffusion, x, times) for x in xs]
    p = np.exp(oracles.log_likelihood(diffusion, xs, times))
    jarzynski = np.array([path.moment(1) for path in paths])
    np.testing.assert_allclose(jarzynski, p, rtol=0, atol=1e-12)
    np.testing.assert_allclose([path.bound for path in paths], ledger.per_event, rtol=0, atol=1e-12)
    assert np.all([path.upper_bound >= np.log(p[i]) - 1e-12 for i, path in enumerate(paths)])
    everything = np.asarray(kernel.reference().nodes()[0], xs.dtype)
    all_p = np.exp(oracles.log_likelihood(diffusion, everything, times))
    assert all_p.sum() == pytest.approx(1.0, abs=1e-12)
    seen = (everything[:, None] == xs).reshape(len(all_p), len(xs), -1).all(axis=-1).any(axis=1)
    missed = all_p[~seen].sum() + sum(path.unreachable for path in paths)
    # the integral fluctuation theorem with its correction: E exp(-Sigma) = 1 - lambda
    assert jarzynski.sum() + missed == pytest.approx(1.0, abs=1e-12)
    assert missed == pytest.approx(float(unreached[0]), abs=0.6e-6)
    fractions = [path.ess_fraction for path in paths]
    np.testing.assert_allclose([min(fractions), max(fractions)], ess, rtol=0, atol=0.6e-4)

    if not name.endswith("wrong"):
        by_hand = best_by_hand(SYSTEMS[name.removesuffix(" exact")](), joint=name.endswith("exact"))
        np.testing.assert_allclose((ledger.bound, likelihood), by_hand, rtol=0, atol=1e-10)


def best_by_hand(system: System, joint: bool) -> tuple[float, float]:
    """K and E log p of the best reverse chain, from arrays over all (x, z_1, .., z_T) and plain probabilities."""
    kernel, xs, weights, times = system
    if isinstance(kernel, BinomialKernel):
        target = np.array([1.0 - kernel.options.base_rate, kernel.options.base_rate])
    else:
        assert isinstance(kernel, Redraw)
        target = np.array(kernel.target)
    size = xs.shape[1]
    states = np.array(list(itertools.product(range(len(target)), repeat=size)))

    def all_elements(one: np.ndarray) -> np.ndarray:
        out = one
        for _ in range(size - 1):
            out = np.kron(out, one)
        return out

    left = np.concatenate([[1.0], 1.0 - times])
    steps = [all_elements(b / a * np.eye(len(target)) + (1 - b / a) * target) for a, b in itertools.pairwise(left)]
    data = [int(np.flatnonzero((states == x).all(axis=1))[0]) for x in xs]
    q = weights[:, None] * steps[0][data]
    for step in steps[1:]:
        q = q[..., None] * step
    p = all_elements(target)
    for k in range(len(steps)):
        pair = q.sum(axis=tuple(axis for axis in range(q.ndim) if axis not in (k, k + 1)))
        back = pair / np.where(pair.sum(axis=0) > 0, pair.sum(axis=0), 1.0)
        if not joint:
            before = xs.astype(int) if k == 0 else states
            alike = before[:, None] == before  # [state, other state, element]
            back = np.einsum("abi,bz->aiz", alike, back).prod(axis=1)
        p = p * back.reshape(back.shape + (1,) * (q.ndim - k - 2))
    work = np.log(np.where(q > 0, p, 1.0)) - np.log(np.where(q > 0, q, 1.0))
    likelihood = p.sum(axis=tuple(range(1, q.ndim)))
    return float((q * work).sum() + weights @ np.log(weights)), float(weights @ np.log(likelihood))


def even(kernel: qs.FiniteKernel, times: np.ndarray) -> System:
    """Data that are even over all sequences of three."""
    values = range(len(kernel.log_reference()))
    xs = np.array(list(itertools.product(values, repeat=3)))
    return System(kernel, xs, np.full(len(xs), 1 / len(xs)), times)


LETTERS, BITS = qs.Categorical((3,), 3), qs.Binary((3,))
# lower <= exact <= paper's upper bound (where it holds) <= the corrected bound, nats, for one step
ENTROPIES = {
    "bits, second step": (bits(0.5), 0, (0.75729, 1.38327, 1.50121, 1.50121), True),
    "bits, third step": (bits(0.5), 1, (1.52796, 1.81089, 1.83259, 1.83259), True),
    "even bits under a biased coin": (
        even(BinomialKernel(BinomialOptions(base_rate=0.2), BITS), times_of(0.2, 0.4, 0.6)),
        0,
        (None, 1.42263, 1.29580, 1.69505),
        False,
    ),
    "uniform": (words(UNIFORM, times_of(0.3, 0.6)), 0, (1.69273, 2.24487, 2.85081, None), True),
    "even data under absorption": (
        even(Redraw(LETTERS, ABSORBING, 3), times_of(0.5, 0.9)),
        0,
        (None, 3.45465, 0.48762, None),
        False,
    ),
}


@pytest.mark.parametrize("name", ENTROPIES)
def test_conditional_entropies(name: str) -> None:
    """The paper's upper bound fails exactly where its condition does; the corrected one never."""
    (kernel, xs, weights, times), step, values, holds = ENTROPIES[name]
    found = oracles.conditional_entropies(kernel, xs, weights, times, oracles.information(kernel, xs, weights, times))
    assert np.all(found.lower <= found.exact + 1e-12)
    assert np.all(found.exact <= found.corrected_upper + 1e-12)
    assert bool(found.paper_upper_holds[step]) is holds
    bounds = (found.lower, found.exact, found.paper_upper, found.corrected_upper)
    for bound, value in zip(bounds, values, strict=True):
        assert value is None or bound[step] == pytest.approx(value, abs=0.6e-5)
