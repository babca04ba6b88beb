"""When order appears, and the landscape, on a mixture whose denoiser is exact: 1/2 N(-2, 1/4) + 1/2 N(2, 1/4). Nats.

Published values; what is drawn at random is held to five standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from bumps import OPTIONS, S2, M, Silent, mixture, times_of, two_bumps

import quasistatic as qs
from quasistatic.thermodynamics.landscape import (
    asymmetry,
    denoiser_of,
    empirical_denoiser,
    energy_difference,
    flow_log_prob,
    merge_tree,
    modes,
)
from quasistatic.thermodynamics.order import (
    class_information,
    clone_agreement,
    crossing,
    information_rate,
    integrated,
    peak,
    speciation_ladder,
    susceptibility,
    u_turn,
)
from quasistatic.thermodynamics.steps import flow_errors, lengths
from quasistatic_plugins.gaussian.kernel import GaussianKernel

pytestmark = pytest.mark.usefixtures("x64")
DDIM = qs.make("sampler", "ddim", manager=qs.PluginManager(["quasistatic_plugins.gaussian_samplers"]))


def events(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return M * rng.choice([-1.0, 1.0], (count, 1)) + math.sqrt(S2) * rng.standard_normal((count, 1))


# snr: I(X;Z), I(C;Z), mmse, E Var^2, clone agreement
TABLE = {
    0.10: (0.176441, 0.164095, 2.942724, 9.648816, 0.645569),
    0.30: (0.398095, 0.361935, 1.667408, 4.161827, 0.792732),
    0.50: (0.531378, 0.472486, 1.064396, 2.147835, 0.866765),
    1.00: (0.709222, 0.597650, 0.482114, 0.586476, 0.944900),
    10.0: (1.318481, 0.692099, 0.071793, 0.005218, 0.999442),
}


@pytest.mark.slow
def test_rate_and_susceptibility_of_published_levels() -> None:
    snr = np.array(sorted(TABLE, reverse=True))
    xs, times = events(20_000), times_of(snr)
    rate = information_rate(two_bumps(), xs, key=jr.key(0), times=times)
    chi = susceptibility(two_bumps(), xs, key=jr.key(1), times=times)
    np.testing.assert_allclose(rate.log_snr, np.log(snr), atol=1e-9)
    for found, truth in (
        (rate, [0.5 * u * TABLE[u][2] for u in snr]),
        (chi, [u**2 * TABLE[u][3] for u in snr]),
    ):
        assert np.all(np.abs(found.mean - truth) < 5.0 * found.standard_errors)


@pytest.mark.slow
def test_information_is_the_integral_of_its_rate() -> None:
    """From 100 down to each level; the rule's own error is below 1e-3."""
    snr = np.exp(np.linspace(math.log(100.0), math.log(0.01), 81))
    rate = information_rate(two_bumps(), events(2000), key=jr.key(2), times=times_of(snr))
    per_event = np.array([integrated(rate.log_snr, row)[0] for row in rate.per_event])
    assert abs(per_event.mean() - 2.301256) < 5.0 * per_event.std() / math.sqrt(2000) + 1e-3
    found = integrated(rate.log_snr, rate.mean)
    assert found[-1] == 0.0 and np.all(np.diff(found) < 0)


CALLS = []


class Counted(Silent):
    """Runs when it is traced."""

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        CALLS.append(t)
        return super().__call__(features, t, side, key=key)


@pytest.mark.parametrize("measure", [information_rate, susceptibility, lengths])
def test_a_second_measurement_compiles_nothing(measure: Callable[..., Any]) -> None:
    plain = two_bumps()
    diffusion = qs.Diffusion(plain.kernel, Counted(), 60)
    measure(diffusion, events(4), key=jr.key(0), times=times_of([10.0, 1.0]))
    before = len(CALLS)
    measure(diffusion, events(4), key=jr.key(1), times=times_of([5.0, 0.5]))
    assert 0 < before == len(CALLS)


def bayes(snr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels, points y and shares of an even grid, and P(upper class given y), for y = x + noise."""
    ys = np.linspace(-60.0, 60.0, 24_001)
    spread = S2 + 1.0 / snr[:, None]
    density = 0.5 * sum(np.exp(-0.5 * (ys - sign * M) ** 2 / spread) for sign in (-1.0, 1.0)) / np.sqrt(2 * math.pi * spread)
    return ys, density * (ys[1] - ys[0]), 1.0 / (1.0 + np.exp(np.clip(-2.0 * M * ys / spread, -700, 700)))


def test_speciation_markers() -> None:
    """Peaks and crossings of exact curves, as ratios of signal to noise, to 1e-3."""
    levels = np.linspace(math.log(0.05), math.log(3.0), 161)
    snr = np.exp(levels)
    _, share, r = bayes(snr)
    left = S2 / (1.0 + snr * S2)
    variance = left[:, None] + (M / (1.0 + snr * S2))[:, None] ** 2 * 4.0 * r * (1.0 - r)
    flux = 0.5 * snr * ((share * variance).sum(axis=1) - left)
    rate = 0.5 * snr * (share * variance).sum(axis=1)
    chi = snr**2 * (share * variance**2).sum(axis=1)
    agreement = (share * (r**2 + (1 - r) ** 2)).sum(axis=1)
    doubt = -(share * (r * np.log(np.maximum(r, 1e-300)) + (1 - r) * np.log(np.maximum(1 - r, 1e-300)))).sum(axis=1)
    found = [peak(levels, curve) for curve in (flux, rate, chi)]
    found += [crossing(levels, agreement, 0.775), crossing(levels, doubt, 0.5 * math.log(2))]
    np.testing.assert_allclose(np.exp(found), [0.36786, 0.49106, 0.79905, 0.26631, 0.27922], atol=1e-3)
    assert math.isnan(crossing(levels, agreement, 2.0))
    # the leading order: signal to noise times the largest variance is one
    scaled = np.concatenate([events(50_000), 0.1 * np.random.default_rng(1).standard_normal((50_000, 1))], axis=1)
    ladder = np.exp(speciation_ladder(scaled))
    np.testing.assert_allclose(ladder, [0.23529, 100.0], rtol=0.05)


def test_classes_from_their_probabilities() -> None:
    snr, count = np.array([0.1, 0.3, 0.5, 1.0, 10.0]), 20_000
    y = events(count) + np.random.default_rng(2).standard_normal((count, len(snr))) / np.sqrt(snr)
    r = 1.0 / (1.0 + np.exp(-2.0 * M * y / (S2 + 1.0 / snr)))
    posteriors = np.stack([1.0 - r, r], axis=-1)
    np.testing.assert_allclose(class_information(posteriors), [TABLE[u][1] for u in snr], atol=0.01)
    np.testing.assert_allclose(clone_agreement(posteriors), [TABLE[u][4] for u in snr], atol=0.01)


@pytest.mark.slow
def test_clones_part_where_the_noise_hides_the_class() -> None:
    """The chain's own clones: to 0.03, as 60 steps are not many."""
    diffusion, xs = two_bumps(), events(4000)
    for snr in (0.1, 0.5):
        chain = jnp.asarray(np.linspace(0.0, times_of([snr])[0], 60))
        pairs = np.sign(np.asarray(u_turn(diffusion, xs, chain, key=jr.key(3))))[..., 0]
        assert (pairs[:, 0] == pairs[:, 1]).mean() == pytest.approx(TABLE[snr][4], abs=0.03)


# the landscape


@pytest.mark.slow
def test_energy_by_the_probability_flow() -> None:
    diffusion, xs = two_bumps(), np.linspace(-4, 4, 21)[:, None]
    ends = [mixture(math.sqrt(u / (1 + u)), 1 / (1 + u)) for u in (100.0, 0.01)]
    found = flow_log_prob(diffusion, xs, key=jr.key(6), end=ends[1])
    np.testing.assert_allclose(found, jax.vmap(ends[0].log_prob)(xs), atol=1e-4)
    with pytest.raises(TypeError, match="kernel with a flow"):
        flow_log_prob(qs.Diffusion(Still(), Silent()), xs, key=jr.key(0))


@pytest.mark.slow
def test_energy_by_lines() -> None:
    """Of the exact field, differences of the exact density; with a turn, a loop is not closed but has its rate times its area."""
    t, xs = jnp.asarray(times_of([5.0])[0]), np.linspace(-4, 4, 21)[:, None]
    exact = -jax.vmap(mixture(math.sqrt(5 / 6), 1 / 6).log_prob)(xs)
    found = energy_difference(two_bumps(), xs[:-1], xs[1:], t)
    np.testing.assert_allclose(found, np.diff(exact), atol=1e-6)
    kernel, corners = GaussianKernel(OPTIONS, qs.Real((2,))), jnp.array([[0.0, 0], [1, 0], [1, 2], [0, 2], [0, 0]])
    around = energy_difference(qs.Diffusion(kernel, Turning(0.3)), corners[:-1], corners[1:], t).sum()
    a2 = 5 / 6
    assert float(around) == pytest.approx(-2.0 * 2.0 * math.sqrt(a2) * 0.3 / (1.0 - a2), abs=1e-6)


@pytest.mark.slow
def test_a_step_of_the_flow_is_off_by_its_square() -> None:
    """Half as long steps, a quarter of the error of each; and the flow's samples have the data's spread."""
    diffusion, xs = two_bumps(), events(500)
    sums = [flow_errors(diffusion, xs, key=jr.key(8), steps=steps).mean(axis=0).sum() for steps in (101, 201)]
    assert sums[0] / sums[1] == pytest.approx(2.0, rel=0.05)
    drawn = qs.sample(diffusion, 2000, key=jr.key(9), sampler=DDIM, steps=100)
    assert np.abs(drawn).mean() == pytest.approx(M, rel=0.05)
    with pytest.raises(TypeError, match="expected Gaussian noise"):
        flow_errors(qs.Diffusion(Still(), Silent()), np.ones((3, 1)), key=jr.key(0))


class Uneven(GaussianKernel):
    """The second element is destroyed three times as fast."""

    def _level(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        a = super()._level(t)[0] ** jnp.array([1.0, 3.0])
        return a, 1.0 - a**2

    def levels(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        a, noise = self._level(t)
        return jnp.log(a), jnp.log(noise)


def test_noise_that_is_not_one_number() -> None:
    """The flow of unit-normal data keeps them, element by element; what has one level of noise, or a basis, is refused."""
    kernel = Uneven(OPTIONS, qs.Real((2,)))
    knows_nothing = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=2, depth=1)
    diffusion, xs = qs.Diffusion(kernel, knows_nothing, 60), np.zeros((4, 2))
    drawn = qs.sample(diffusion, 4000, key=jr.key(0), sampler=DDIM)
    np.testing.assert_allclose(drawn.var(axis=0), 1.0, atol=0.15)
    times = np.array([0.2, 0.6])
    for refused in (
        lambda: information_rate(diffusion, xs, key=jr.key(1), times=times),
        lambda: denoiser_of(diffusion),
    ):
        with pytest.raises(TypeError, match=r"the same noise in all elements, of Uneven their ln u are .* apart"):
            refused()
    blur = qs.make("kernel", "blur", qs.Real((4, 4)), manager=qs.PluginManager(["quasistatic_blur"]))
    with pytest.raises(TypeError, match="BlurKernel has a basis"):
        information_rate(qs.Diffusion(blur, Silent(), 4), np.zeros((2, 4, 4)), key=jr.key(0), times=times)


class Still(qs.FiniteKernel):
    event: qs.AbstractField = qs.Binary((1,))
    is_exact_at_zero: bool = True

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def log_matrix(self, s: Any, t: jax.Array) -> jax.Array:
        return jnp.log(jnp.full((2, 2), 0.5))

    def log_equilibrium(self) -> jax.Array:
        return jnp.log(jnp.full(2, 0.5))

    def log_reference(self) -> jax.Array:
        return self.log_equilibrium()


class Turning(qs.AbstractModel):
    """Adds a rotation to what the reference knows."""

    strength: float

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        z = features[..., 0]
        return self.strength * jnp.stack([-z[1], z[0]])[:, None]


def test_a_field_that_turns_has_no_energy() -> None:
    """The score is -z and a turn of rate r: |J - J'|^2 = 8 r^2, and |J|^2 = 2 + 2 r^2."""
    kernel, t = GaussianKernel(OPTIONS, qs.Real((2,))), jnp.asarray(0.3)
    zs = jnp.asarray(np.random.default_rng(5).standard_normal((50, 2)))
    a2 = float(jnp.exp(qs.log_survival(kernel.schedule.log_odds(t))))
    for strength in (0.0, 0.3):
        found = asymmetry(qs.Diffusion(kernel, Turning(strength)), zs, t, key=jr.key(7))
        rate = math.sqrt(a2) * strength / (1.0 - a2)
        assert float(found) == pytest.approx(math.sqrt(8 * rate**2 / (2 + 2 * rate**2)), abs=1e-9)


@pytest.mark.parametrize(("variance", "count"), [(0.49, 3), (0.51, 4), (0.55, 1)])
def test_modes_of_a_triangle(variance: float, count: int) -> None:
    """Three points around a centre: a mode appears there before the others go, so modes are tracked and not counted."""
    angles = 2.0 * math.pi * np.arange(3) / 3
    triangle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    starts = np.concatenate([triangle, np.random.default_rng(6).uniform(-1, 1, (40, 2)), np.zeros((1, 2))])
    found, which = modes(empirical_denoiser(triangle), starts, math.sqrt(variance))
    assert len(found) == count == len(set(which))
    tree = merge_tree(empirical_denoiser(triangle), triangle, 0.3 * 1.05 ** np.arange(25))
    assert len(tree.modes) == 3 and len(tree.merges) == 2
    assert all(0.5 < sigma**2 < 0.62 for sigma, _, _ in tree.merges)


def test_two_bumps_merge_where_the_noise_covers_their_distance() -> None:
    """sigma^2 + s^2 = m^2, up to the 5 % of the ladder; for the model's denoiser."""
    tree = merge_tree(denoiser_of(two_bumps()), events(60), 0.5 * 1.05 ** np.arange(40))
    assert len(tree.modes) == 2 and tree.weights.sum() == pytest.approx(1.0)
    ((sigma, first, second),) = tree.merges
    assert (first, second) == (0, 1)
    assert math.sqrt(M**2 - S2) == pytest.approx(sigma, rel=0.06)


def test_four_points_merge_pair_by_pair() -> None:
    """Two points a distance 2 m apart merge at sigma = m, up to the 5 % of the ladder; what is far away does not matter."""
    points = np.array([[-3.0, -0.5], [-3.0, 0.5], [3.0, -1.0], [3.0, 1.0]])
    tree = merge_tree(empirical_denoiser(points), points, 0.3 * 1.05 ** np.arange(52))
    order = [sorted(points[number, 0] for number in (first, second)) for _, first, second in tree.merges]
    assert order == [[-3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]]
    assert [sigma for sigma, _, _ in tree.merges[:2]] == pytest.approx([0.5, 1.0], rel=0.06)
    assert 2.6 < tree.merges[2][0] < 3.0 * 1.06  # the nearer pair is the higher mode, and takes the other a little sooner
