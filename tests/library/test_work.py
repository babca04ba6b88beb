"""Log-weights of paths and what follows from them, against closed forms and enumeration. Nats.

Tolerances of what is drawn at random are five standard errors; seeds are fixed.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.special

import quasistatic as qs
from quasistatic import oracles
from quasistatic.thermodynamics.work import (
    bar,
    crooks,
    cumulant_estimate,
    forward_weights,
    importance_weighted,
    jarzynski,
    model_weights,
    paired_crooks,
    sandwich_bound,
)
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel
from quasistatic_plugins.gaussian.oracle import (
    GaussianData,
    LogWeightDistribution,
    affine_chain,
    log_weight_distribution,
)

pytestmark = pytest.mark.usefixtures("x64")

OPTIONS = GaussianOptions(schedule="erasure", first_noise=0.0, last_survival=0.01, variance="forward")
DATA = GaussianData([1.0], [[0.25]])
AT = np.array([1.5])
XS = np.array(list(itertools.product((0.0, 1.0), repeat=2)))
SHARES = np.array([0.5, 0.1, 0.1, 0.3])


def line(kernel: type[GaussianKernel] = GaussianKernel) -> qs.Diffusion:
    """Table 'beta' of one normal number: exact means, the noise of the forward step."""
    model = DATA.model(GaussianKernel(OPTIONS, qs.Real((1,))))
    return qs.Diffusion(kernel(OPTIONS, qs.Real((1,))), model, 10)


def bits(kernel: type[BinomialKernel] = BinomialKernel) -> qs.Diffusion:
    options = BinomialOptions(base_rate=0.3)
    model = oracles.ExactDecoder(BinomialKernel(options, qs.Binary((2,))), XS, SHARES)
    return qs.Diffusion(kernel(options, qs.Binary((2,))), model, 3)


def exact(diffusion: qs.Diffusion) -> LogWeightDistribution:
    kernel = diffusion.kernel
    assert isinstance(kernel, GaussianKernel)
    return log_weight_distribution(affine_chain(diffusion), kernel.schedule.log_odds(diffusion.times()), AT)


def both_sides(found: LogWeightDistribution, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-weights of exact draws of q(path given x) and of p(path given x): quadratic in independent normals."""
    rng = np.random.default_rng(seed)
    left = 1.0 - found.curvature
    forward = rng.standard_normal((count, len(left)))
    backward = found.slope / left + rng.standard_normal((count, len(left))) / np.sqrt(left)
    first, second = (found.offset + e @ found.slope + 0.5 * e**2 @ found.curvature for e in (forward, backward))
    return first, second


def near(value: float, truth: float, error: float) -> bool:
    return abs(value - truth) < 5.0 * error


# forward paths


def test_terms_of_forward_paths_have_the_means_of_the_ledger() -> None:
    """Term by term: a sign, an index or a missing end is seen in its own place."""
    for diffusion, xs, shares in ((bits(), XS, SHARES), (line(), *DATA.nodes())):
        truth = oracles.exact_ledger(diffusion, xs, shares)
        found = forward_weights(diffusion, xs, key=jr.key(0), paths=3000)
        assert found.terms.shape == (len(xs), 3000, len(diffusion.times()) + 1)
        errors = found.terms.std(axis=1) / math.sqrt(3000)
        assert np.all(np.abs(found.terms.mean(axis=1) + truth.terms) < 5.0 * errors + 1e-12)


@pytest.mark.slow
def test_forward_weights_are_those_of_all_paths() -> None:
    """Mean, variance and Jarzynski's average of every event, against all 64 paths."""
    diffusion = bits()
    found = forward_weights(diffusion, XS, key=jr.key(1), paths=4000).totals
    for x, weights in zip(XS, found, strict=True):
        truth = oracles.path_distribution(diffusion, x)
        average = jarzynski(weights)
        assert near(weights.mean(), truth.bound, weights.std() / math.sqrt(4000))
        assert average.doubt is None
        assert near(average.value_nats, math.log(truth.moment(1)), average.standard_error_nats)
        assert average.ess / 4000 == pytest.approx(truth.ess_fraction, rel=0.1)


def test_what_has_less_entropy_looks_likely() -> None:
    """K ranks N(0, 0.8) in 100 dimensions above its own N(0, 1): AUROC is the distribution function of F at 0.8, 0.133."""
    kernel = GaussianKernel(OPTIONS, qs.Real((100,)))
    normal = GaussianData(np.zeros(100), np.eye(100))
    diffusion, rng = qs.Diffusion(kernel, normal.model(kernel), 2), np.random.default_rng(4)
    own, others = (np.sqrt(v) * rng.standard_normal((400, 100)) for v in (1.0, 0.8))
    surprise = [-qs.ledger(diffusion, xs, key=jr.key(5)).per_event for xs in (own, others)]
    area = float(np.mean(surprise[1][:, None] > surprise[0]))
    assert near(area, float(scipy.special.fdtr(100, 100, 0.8)), math.sqrt(area * (1.0 - area) / 400))


def test_a_path_depends_on_its_event_and_its_number_alone() -> None:
    diffusion = bits()
    few = forward_weights(diffusion, XS[:2], key=jr.key(2), paths=5)
    many = forward_weights(diffusion, XS, key=jr.key(2), paths=5)
    np.testing.assert_allclose(many.terms[:2], few.terms, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_float32_keeps_the_sum() -> None:
    """A thousand steps in single precision, against the exact mean."""
    jax.config.update("jax_enable_x64", False)
    kernel = GaussianKernel(OPTIONS, qs.Real((1,)))
    single = forward_weights(qs.Diffusion(kernel, DATA.model(kernel), 1000), AT[None], key=jr.key(5), paths=400).totals
    jax.config.update("jax_enable_x64", True)
    # K(x) of the table 'beta', T = 1000
    assert near(single.mean(), -0.73636, single.std() / 20)
    assert single.var() == pytest.approx(0.01098, rel=0.35)


# closed forms: one normal number, T = 10


def test_published_values_of_one_side() -> None:
    """Values of 2e5 paths each; theirs and ours are good to 2e-3."""
    truth = exact(line())
    w, _ = both_sides(truth, 200_000, 0)
    average = jarzynski(w)
    assert near(average.value_nats, -0.73812, average.standard_error_nats)
    assert near(average.value_nats, truth.log_moment(1), average.standard_error_nats)
    assert average.ess / 200_000 == pytest.approx(0.8822, abs=0.005)
    assert average.doubt is None
    assert cumulant_estimate(w) == pytest.approx(truth.log_moment(1), abs=6e-3)
    assert importance_weighted(w, 10) == pytest.approx(-0.74413, abs=4e-3)


def test_published_values_of_both_sides() -> None:
    truth = exact(line())
    forward, backward = both_sides(truth, 100_000, 1)
    log_p = truth.log_moment(1)
    assert near(backward.mean(), truth.upper_bound, backward.std() / math.sqrt(100_000))
    upper = sandwich_bound(backward[:10_000], forward[:90_000].reshape(10_000, 9))
    assert near(upper.mean(), -0.73216, math.hypot(upper.std() / 100, 7e-4))
    assert -importance_weighted(-backward, 10) == pytest.approx(-0.73381, abs=4e-3)
    found = bar(forward, backward)
    assert near(found.value_nats, log_p, found.standard_error_nats) and found.doubt is None
    line_found = crooks(forward, backward)
    assert near(line_found.slope, 1.0, line_found.slope_error)
    assert near(line_found.intercept_nats, -log_p, line_found.intercept_error_nats)
    assert line_found.slope_error == pytest.approx(0.014, rel=0.1)


def test_pairs_of_one_event_have_slope_one() -> None:
    """One path from each side for every event, whatever its log p; halved log-weights have slope two."""
    forward, backward = both_sides(exact(line()), 20_000, 5)
    events = np.random.default_rng(0).normal(0.0, 30.0, 20_000)
    found = paired_crooks(forward + events, backward + events)
    assert near(found.slope, 1.0, found.slope_error) and found.doubt is None
    halved = paired_crooks(0.5 * (forward + events), 0.5 * (backward + events))
    assert halved.slope == pytest.approx(2.0 * found.slope, rel=1e-6) and halved.deviation > 5.0


def test_bounds_close_in_on_the_truth() -> None:
    truth = exact(line())
    forward, backward = both_sides(truth, 64_000, 2)
    particles = (1, 2, 4, 16, 64)
    lower = [float(importance_weighted(forward, k)) for k in particles]
    harmonic = [-float(importance_weighted(-backward, k)) for k in particles]
    upper = [sandwich_bound(backward[:1000], forward.reshape(1000, 64)[:, : k - 1]).mean() for k in particles]
    assert sorted(lower) == lower and lower[0] == pytest.approx(forward.mean(), abs=1e-12)
    assert sorted(harmonic, reverse=True) == harmonic and harmonic[0] == pytest.approx(backward.mean(), abs=1e-12)
    assert sorted(upper, reverse=True) == upper and upper[0] == pytest.approx(backward[:1000].mean(), abs=1e-12)
    assert lower[-1] < truth.log_moment(1) + 3e-3 and truth.log_moment(1) - 5e-3 < min(upper[-1], harmonic[-1])


def test_error_of_the_acceptance_ratio_is_calibrated() -> None:
    """300 repetitions with uneven numbers of paths: deviations over the stated errors have a deviation of one."""
    truth = exact(line())
    forward, backward = both_sides(truth, 300 * 200, 3)
    scores = []
    for one, other in zip(forward.reshape(300, 200), backward.reshape(300, 200), strict=True):
        found = bar(one, other[:100])
        scores.append((found.value_nats - truth.log_moment(1)) / found.standard_error_nats)
    assert abs(np.mean(scores)) < 5.0 / math.sqrt(300)
    assert 0.9 < np.std(scores) < 1.1


def test_difference_of_free_energy() -> None:
    """Two wells of which one is twice as wide in two dimensions: ln 4, as they are, and far apart with a map."""
    rng = np.random.default_rng(6)
    narrow, wide = rng.standard_normal((4000, 2)), 2.0 * rng.standard_normal((3000, 2))

    def ratio(x: np.ndarray) -> np.ndarray:
        return 0.5 * (x**2).sum(axis=1) * (1.0 - 0.25)

    found = bar(ratio(narrow), ratio(wide))
    assert near(found.value_nats, math.log(4), found.standard_error_nats) and found.doubt is None
    # 20 to the right there is no overlap; moved back there is
    away = wide + 20.0
    apart = bar(*(0.5 * (x**2).sum(axis=1) - 0.125 * ((x - 20.0) ** 2).sum(axis=1) for x in (narrow, away)))
    assert "overlap" in str(apart.doubt)
    moved = bar(ratio(narrow), ratio(away - 20.0))
    assert near(moved.value_nats, math.log(4), moved.standard_error_nats)


# what cannot be trusted says so


def test_heavy_tails_are_refused() -> None:
    rng = np.random.default_rng(0)
    for shape, words in ((0.3, "None"), (0.85, "Pareto k"), (1.2, "effective sample size")):
        w = shape * rng.exponential(size=200_000)  # exp(w) has a Pareto tail of this shape
        found = jarzynski(w)
        assert found.pareto_k == pytest.approx(shape, abs=0.15)
        assert words in str(found.doubt)
    few = jarzynski(3.0 * rng.standard_normal(64))
    assert "effective sample size" in str(few.doubt)
    assert jarzynski(np.zeros(100)).pareto_k == -math.inf and jarzynski(np.zeros(10)).pareto_k == math.inf


@pytest.mark.parametrize("paths", [128, 512, 4096])
@pytest.mark.parametrize("variance", [0.5, 1.0, 2.0, 4.0])
def test_an_average_without_doubt_covers_the_truth(variance: float, paths: int) -> None:
    """Nine intervals of ten; of normal log-weights, and of some with a longer lower tail."""
    rng, scale = np.random.default_rng(0), variance**0.5 / 2.0
    normal = variance**0.5 * rng.standard_normal((200, paths)) - variance / 2.0
    skewed = -scale * rng.gamma(4.0, size=(200, paths)) + 4.0 * math.log1p(scale)
    for weights in (normal, skewed):
        sure = [each for each in map(jarzynski, weights) if each.doubt is None]
        covers = sum(abs(each.value_nats) <= 1.96 * each.standard_error_nats for each in sure)
        if len(sure) > 20:
            assert covers / len(sure) >= 0.9 - 2.0 * math.sqrt(0.09 / len(sure))
        if paths > 40.0 * math.exp(2.4 * variance):
            assert len(sure) > 150  # so it does not refuse all


def test_sides_without_overlap_are_refused() -> None:
    forward, backward = np.linspace(-9, -8, 50), np.linspace(5, 6, 50)
    found = crooks(forward, backward)
    assert math.isnan(found.slope) and "overlap" in str(found.doubt)
    assert "overlap" in str(bar(forward, backward).doubt)
    assert math.isnan(paired_crooks(forward, backward).slope)
    alike = crooks(np.zeros(9), np.zeros(9))
    assert "no slope" in str(alike.doubt)


def test_messages() -> None:
    for call, words in (
        (lambda: importance_weighted(np.zeros((2, 3)), 4), "particles: expected 1 to 3"),
        (lambda: bar(np.zeros(1), np.zeros(3)), "forward: expected at least two finite"),
        (lambda: crooks(np.zeros(3), np.array([0.0, -np.inf])), "backward: .* 1 are not finite"),
        (lambda: model_weights(line(), 0, key=jr.key(0)), "at least one event"),
        (lambda: forward_weights(line(), np.zeros((1, 1)), key=jr.key(0), steps=[0.5, 0.4, 1]), "increasing times"),
        (
            lambda: forward_weights(line(), np.zeros((1, 1)), key=jr.key(0), paths=0),
            "forward paths: .* one .* got 0",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            call()  # type: ignore[no-untyped-call]
    assert "not all log-weights" in (jarzynski(np.append(np.zeros(500), np.nan)).doubt or "")


# the theorems, and kernels that break them


class LateStep(GaussianKernel):
    """A posterior with the noise of another step: an index off by one."""

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        step = self._step(s, jnp.minimum(t + 0.1, 1.0))
        return qs.Normal(step.z_weight * z + step.x_weight * x, jnp.full_like(z, step.variance))


class WrongEnd(GaussianKernel):
    """An equilibrium where the process does not end; the model starts there, but log-weights are told otherwise."""

    def marginal(self, x: jax.Array, t: jax.Array) -> qs.Normal:
        right = super().marginal(x, t)
        return qs.Normal(right.loc + 0.5 * (t == 1.0), right.variance)


class NoFirst(GaussianKernel):
    """A first step that is missing from log p."""

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> Any:
        return Unseen(super().decode(params, z, t))

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        return self.bridge(super().decode(params, z, t), z, s, t)


class Unseen(qs.AbstractDistribution):
    of: Any
    is_reparametrised = False

    def sample(self, key: jax.Array) -> jax.Array:
        return self.of.sample(key)

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jnp.zeros(())


def joint_check(diffusion: qs.Diffusion, count: int = 20_000) -> tuple[float, float]:
    """Distances from the fluctuation theorems in standard errors: slope, and intercept, of the joint Crooks ratio."""
    xs = np.asarray(DATA.mean + 0.5 * np.random.default_rng(4).standard_normal((count, 1)))

    def log_r(x: np.ndarray) -> np.ndarray:
        return -0.5 * ((x[:, 0] - 1.0) ** 2 / 0.25 + math.log(2.0 * math.pi * 0.25))

    forward = forward_weights(diffusion, xs, key=jr.key(6)).totals[:, 0] - log_r(xs)
    drawn, weights = model_weights(diffusion, count, key=jr.key(7))
    found = crooks(forward, weights.totals[:, 0] - log_r(drawn))
    return found.deviation, abs(found.intercept_nats) / found.intercept_error_nats


def test_the_detailed_theorem_holds_for_a_model_and_its_kernel() -> None:
    assert max(joint_check(line())) < 5.0


@pytest.mark.parametrize("kernel", [LateStep, WrongEnd, NoFirst])
def test_a_broken_kernel_breaks_it(kernel: type[GaussianKernel]) -> None:
    assert max(joint_check(line(kernel))) > 5.0


def test_bidirectional_sandwich_of_the_models_own_events() -> None:
    """IW and U of the model's events, around its exact density, which is normal."""
    diffusion, count = line(), 2000
    xs, came_by = model_weights(diffusion, count, key=jr.key(8))
    forward = forward_weights(diffusion, xs, key=jr.key(9), paths=16).totals
    density = affine_chain(diffusion).data()
    truth = np.array([density.log_prob(x) for x in xs])
    lower, upper = importance_weighted(forward), sandwich_bound(came_by.totals[:, 0], forward[:, 1:])
    for difference, sign in ((lower - truth, -1.0), (upper - truth, 1.0)):
        assert sign * difference.mean() > -5.0 * difference.std() / math.sqrt(count)
    assert 0.0 < (upper - lower).mean() < 0.03
