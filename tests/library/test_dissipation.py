"""Dissipation of steps, grids that even it out, and entropy bounds, against exact values. Nats unless a name says bits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic.thermodynamics.steps import entropy_bounds, optimise_grid, reallocate, thermodynamic_length
from quasistatic.thermodynamics.work import dissipation
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import build
from quasistatic_plugins.gaussian.oracle import GaussianData
from quasistatic_plugins.heartbeat.ceiling import best_factorised_bound

XS = np.array(list(itertools.product((0.0, 1.0), repeat=2)))
SHARES = np.array([0.5, 0.1, 0.1, 0.3])
FIRST, LAST = 39.404040, 0.010101  # signal-to-noise ratios at the ends, of the published tables


def bits() -> qs.Diffusion:
    kernel = BinomialKernel(BinomialOptions(base_rate=0.3), qs.Binary((2,)))
    return qs.Diffusion(kernel, oracles.ExactDecoder(kernel, XS, SHARES), 3)


def normals(data: GaussianData) -> qs.Diffusion:
    """Exact means and the least variance, 'post' of the tables."""
    options = GaussianOptions(schedule="erasure", first_noise=0.0, last_survival=0.01, variance="posterior")
    kernel = build(options, qs.Real((data.size,)))
    return qs.Diffusion(kernel, data.model(kernel), 5)  # type: ignore[arg-type]


def draws(points: np.ndarray, shares: np.ndarray, count: int) -> np.ndarray:
    return np.repeat(points, np.round(shares * count).astype(int), axis=0)


# what a step dissipates


def doubled(cost: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """`measure` of `optimise_grid` from an exact cost: twice what halving a step saves is its dissipation."""

    def measure(knots: np.ndarray) -> tuple[float, np.ndarray]:
        whole = cost(knots)
        middles = [0.5 * (s + t) for s, t in itertools.pairwise(knots)]
        return whole, np.array([2.0 * (whole - cost(np.insert(knots, k + 1, m))) for k, m in enumerate(middles)])

    return measure


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("system", ["bits", pytest.param("normals", marks=pytest.mark.slow)])
def test_halving_a_step_saves_what_exact_ledgers_differ_by(system: str) -> None:
    """Term by term; of bits the first step too."""
    line = GaussianData([1.0], [[0.25]])
    diffusion, points, shares = (bits(), XS, SHARES) if system == "bits" else (normals(line), *line.nodes())
    found = dissipation(diffusion, draws(points, shares, 2500), key=jr.key(0), repeats=4)
    skip = int(found.knots[0] == 0)
    _, exact = doubled(lambda knots: -oracles.exact_ledger(diffusion, points, shares, knots[skip:]).bound)(found.knots)
    assert found.per_event.shape == (len(draws(points, shares, 2500)), len(exact))
    assert exact.min() > 0.0  # with a perfect network a finer grid never lowers K
    assert np.all(np.abs(found.mean - exact) < 5.0 * found.standard_errors)
    assert abs(found.total.value - exact.sum()) < 5.0 * found.total.standard_error


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_dissipation_of_the_chain_itself_is_a_divergence() -> None:
    """Objective 'ancestral', against the sum over all states of two half steps."""
    diffusion = bits()
    kernel, model = diffusion.kernel, diffusion
    found = dissipation(diffusion, draws(XS, SHARES, 10_000), key=jr.key(1), objective="ancestral")
    states = jnp.asarray(XS)

    @eqx.filter_jit
    def table(s: jax.Array, t: jax.Array, learned: bool) -> jax.Array:
        def of(z: jax.Array) -> jax.Array:
            step = kernel.reverse(model.params(z, t), z, s, t) if learned else kernel.transition(z, s, t)
            return jax.vmap(step.log_prob)(states)

        return jax.vmap(of)(states)

    for k, (s, t) in enumerate(itertools.pairwise(diffusion.times())):
        m = 0.5 * (s + t)
        late, early, whole = (np.asarray(table(*pair, True)) for pair in ((m, t), (s, m), (s, t)))  # [from later, to earlier]
        to_m, to_t, step = (np.asarray(table(*pair, False)) for pair in ((s, m), (m, t), (s, t)))  # [from earlier, to later]
        at_t = SHARES @ np.exp(np.stack([jax.vmap(kernel.marginal(x, t).log_prob)(states) for x in states]))
        # indices: z_t, z_m, z_s
        halves = late[:, :, None] + early[None]
        filled = whole[:, None, :] + to_m.T[None] + to_t.T[:, :, None] - step.T[:, None, :]
        exact = 2.0 * np.einsum("t,tms->", at_t, np.exp(halves) * (halves - filled))
        assert exact >= 0.0
        assert abs(found.mean[k + 1] - exact) < 5.0 * found.standard_errors[k + 1]


# published tables of the gap, from its closed form: normal data with these variances, steps between log-SNRs


def gap(log_snr: np.ndarray, variances: tuple[float, ...] = (0.25,)) -> float:
    """K of one infinitely fine chain less K of this one, with exact means and the least variance."""
    snr, lost = np.exp(log_snr), 0.0
    for variance in variances:
        rise = variance * (snr[:-1] - snr[1:]) / (1.0 + variance * snr[1:])
        lost += 0.5 * float((rise - np.log1p(rise)).sum())
    return lost


def even(steps: int) -> np.ndarray:
    return np.linspace(math.log(FIRST), math.log(LAST), steps + 1)


def test_grids_of_normal_data() -> None:
    """Starts and optima of the published tables; measured re-allocation comes within 3 % of the optimum."""
    for variances, start, best in (((0.25,), 0.373959, 0.153779), ((1.8, 0.2), 1.196594, 0.683245)):
        rounds = optimise_grid(doubled(lambda knots, variances=variances: gap(-knots, variances)), -even(10), 10)
        assert rounds[0].cost_nats == pytest.approx(start, abs=1e-6)
        reached = min(each.cost_nats for each in rounds)
        assert reached < 1.03 * best
        # one axis: the constant-speed grid is the best; two: it is only asymptotically
        assert len(variances) == 2 or reached > best - 1e-6


def test_length_of_normal_data() -> None:
    """The length of the path, and N times the gap of even steps in it, which tends to its square."""
    length = 1.190868
    _, dissipated = doubled(lambda knots: gap(-knots))(-even(400))
    assert thermodynamic_length(dissipated) == pytest.approx(length, rel=5e-3)
    steps = 999
    at = 0.5 * (math.log1p(0.25 * FIRST) + (math.log1p(0.25 * LAST) - math.log1p(0.25 * FIRST)) * np.arange(steps + 1) / steps)
    constant_speed = np.log(np.expm1(2.0 * at) / 0.25)
    assert steps * gap(constant_speed) == pytest.approx(length**2, rel=0.01)
    assert gap(constant_speed) == pytest.approx(0.5 * steps * math.expm1(2 * length / steps) - length, abs=1e-9)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_least_variance_loses_half_of_eulers_constant() -> None:
    """Erasure with the posterior's variance: gamma / 2 nats per dimension however many steps (variance 1, T = 10^4)."""
    data = GaussianData([0.0], [[1.0]])
    options = GaussianOptions(schedule="erasure", first_noise=0.0, last_survival=0.0, variance="posterior")
    kernel = build(options, qs.Real((1,)))
    diffusion = qs.Diffusion(kernel, data.model(kernel), 10_000)  # type: ignore[arg-type]
    found = oracles.exact_ledger(diffusion, *data.nodes())
    assert -data.entropy() - found.bound == pytest.approx(0.28858, abs=1e-4)


# the heartbeat: exact bounds of the best factorised chain, erasure, a fair coin


@pytest.mark.parametrize(
    ("steps", "start", "most"), [(5, 1.266673, 1.07), pytest.param(20, 0.258691, 0.218, marks=pytest.mark.slow)]
)
def test_grids_of_heartbeats(steps: int, start: float, most: float) -> None:
    """All steps move, the first, to data, too; in bits."""

    def lost(knots: np.ndarray) -> float:
        return -best_factorised_bound(5, 20, 0.5, 1.0 - knots[1:]) - math.log(5)

    rounds = optimise_grid(doubled(lost), np.arange(steps + 1) / steps)
    assert rounds[0].cost_nats / math.log(2) == pytest.approx(start, abs=1e-6)
    assert min(each.cost_nats for each in rounds) / math.log(2) <= most


# grids in general


def test_even_dissipation_stays_where_it_is() -> None:
    knots = np.array([0.0, 0.1, 0.4, 1.0])
    np.testing.assert_allclose(reallocate(knots, np.full(3, 0.7)), knots, atol=1e-12)
    assert len(optimise_grid(lambda at: (0.0, np.ones(len(at) - 1)), knots)) == 1
    moved = reallocate(knots, np.array([9.0, 1.0, 1.0]))
    assert np.all(np.diff(moved) > 0) and moved[1] < knots[1] and (moved[0], moved[-1]) == (0.0, 1.0)
    # what is measured with noise may be negative, or zero everywhere
    for noisy in ([-1.0, 2.0, 0.0], [0.0, 0.0, 0.0]):
        assert np.all(np.diff(reallocate(knots, np.array(noisy))) > 0)
    with pytest.raises(ValueError, match="finite dissipation"):
        reallocate(knots, np.array([1.0, np.nan, 1.0]))
    with pytest.raises(ValueError, match="4 knots and 2 steps"):
        reallocate(knots, np.ones(2))
    with pytest.raises(ValueError, match="at least two events"):
        dissipation(bits(), XS[:1], key=jr.key(0))


# entropy of a step back


@pytest.mark.usefixtures("x64")
def test_sampled_entropy_bounds_are_the_exact_ones() -> None:
    """And the learned entropy is above the true one, here by what a factorised step loses."""
    diffusion, count = bits(), 10_000
    times = np.asarray(diffusion.times())
    known = oracles.information(diffusion.kernel, XS, SHARES, times)
    exact = oracles.conditional_entropies(diffusion.kernel, XS, SHARES, times, known)
    found = entropy_bounds(diffusion, draws(XS, SHARES, count), key=jr.key(2))
    for name in ("lower", "paper_upper", "corrected_upper"):
        values = getattr(found, name)
        error = values.std(axis=0) / math.sqrt(count)
        assert np.all(np.abs(values.mean(axis=0) - getattr(exact, name)) < 5.0 * error + 1e-9), name
    error = found.learned.std(axis=0) / math.sqrt(count)
    assert np.all(found.learned.mean(axis=0) > exact.exact - 5.0 * error)
    assert np.all(found.corrected_upper.mean(axis=0) > exact.exact - 5.0 * error)
    assert not found.alarms.any()
    # no fair coin: where the paper's bound fails it is called unsure
    assert not np.any(~found.is_paper_upper_unsure & ~exact.paper_upper_holds)


class Louder(qs.AbstractDistribution):
    """Another distribution, with more than all probability."""

    right: qs.AbstractDistribution
    is_reparametrised: ClassVar[bool] = False

    def sample(self, key: jax.Array) -> jax.Array:
        return self.right.sample(key)

    def log_prob(self, x: jax.Array) -> jax.Array:
        return self.right.log_prob(x) + 2.0


class Leak(BinomialKernel):
    """Reverse steps that are not normalised."""

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Any:
        return Louder(super().reverse(params, z, s, t))


def test_a_step_that_knows_too_much_is_an_alarm() -> None:
    right = bits()
    assert isinstance(right.kernel, BinomialKernel)
    wrong = qs.Diffusion(Leak(right.kernel.options, right.kernel.event), right.model, 3)
    assert entropy_bounds(wrong, draws(XS, SHARES, 400), key=jr.key(3)).alarms.all()
