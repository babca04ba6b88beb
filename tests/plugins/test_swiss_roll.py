"""The swiss roll: its density is exact, and its points have that density."""

import math

import jax
import jax.random as jr
import numpy as np
import pytest
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic_plugins.swiss_roll import SwissRollOptions
from quasistatic_plugins.swiss_roll.source import MEAN, _quadrature, build

SPLITS = ("train", "validation", "test")
# noise before scaling, scale, -h in bits of the scaled data: an independent sum, theta and the plane on even grids
TABLE = [
    (0.05, 6.78928, 1.38107),
    (0.10, 6.78983, 0.37943),
    (0.20, 6.79204, -0.62330),
    (0.30, 6.79572, -1.210248),
    (0.50, 6.80748, -1.948968),
    (0.75, 6.83040, -2.531983),
    (1.00, 6.86235, -2.937937),
]


def roll(**options):
    return build(SwissRollOptions(**options))


def grid(source, step):
    """Points all over the plane that the roll covers, in model units, and the area of each."""
    radius = 4.5 * math.pi + 7 * source.options.noise
    axis = np.arange(-radius, radius, step)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return source.units.to_model(points), (step / source.units.scale) ** 2


def expected_log_prob(source):
    """E log p by Gauss rules along the curve and across it: for noise far below the gap between turns."""
    edges = np.sqrt(np.linspace((1.5 * math.pi) ** 2, (4.5 * math.pi) ** 2, 11))
    # panels next to the ends as short as the noise: log p bends there
    short = 0.8 * source.options.noise * 4.0 ** np.arange(3)
    edges = np.sort(np.concatenate([edges, edges[0] + short / edges[0], edges[-1] - short / edges[-1]]))
    abscissas, weights = np.polynomial.legendre.leggauss(3)
    half = np.diff(edges)[:, None] / 2
    theta, share = (edges[:-1, None] + half * (1 + abscissas)).ravel(), (half * weights).ravel() / (3 * math.pi)
    normal, normal_share = np.polynomial.hermite_e.hermegauss(3)
    noise = np.stack(np.meshgrid(normal, normal), axis=-1).reshape(-1, 2)
    noise_share = np.outer(normal_share, normal_share).ravel() / (2 * math.pi)
    curve = theta[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1)
    points = curve[:, None] + source.options.noise * noise
    values = source.log_prob(source.units.to_model(points.reshape(-1, 2))).reshape(len(theta), -1)
    return share @ values @ noise_share


@pytest.mark.parametrize(("noise", "scale", "bits"), TABLE)
def test_scale_and_entropy_are_those_of_the_table(noise, scale, bits):
    source = roll(noise=noise)
    assert source.units.scale == pytest.approx(scale, abs=6e-6)
    if noise <= 0.3:
        assert expected_log_prob(source) / math.log(2) == pytest.approx(bits, abs=5e-5)
        return
    points, area = grid(source, noise / 1.5)
    log_prob = source.log_prob(points)
    density = np.exp(log_prob)
    assert density.sum() * area == pytest.approx(1, abs=1e-9)
    assert (density * log_prob).sum() * area / math.log(2) == pytest.approx(bits, abs=1e-5)


def test_moments_of_the_density_are_zero_and_one():
    source = roll(noise=0.5)
    points, area = grid(source, 0.33)
    weights = np.exp(source.log_prob(points)) * area
    np.testing.assert_allclose(weights @ points, 0, atol=1e-9)
    assert weights @ (points**2).mean(axis=1) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_density_is_the_integral_over_the_curve(noise):
    source = roll(noise=noise)
    theta = np.linspace(1.5 * math.pi, 4.5 * math.pi, 500_001)
    near = np.asarray(source.units.to_user(source.split("test").x[:3].astype(float)))
    end = 1.5 * math.pi * np.array([0.0, -1.0])  # the inner end of the curve
    for point in [*near, end, end + 20 * noise, np.array([5.0, 5.0])]:
        squares = (theta * np.cos(theta) - point[0]) ** 2 + (theta * np.sin(theta) - point[1]) ** 2
        exponents = -squares / (2 * noise**2)
        top = exponents.max()
        terms = np.exp(exponents - top)
        mean = (terms.sum() - 0.5 * (terms[0] + terms[-1])) / (len(theta) - 1)
        expected = top + math.log(mean) - math.log(2 * math.pi * noise**2) + 2 * math.log(source.units.scale)
        found = source.log_prob(source.units.to_model(point)[None])
        assert found == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("deviations", [3, 10, 30])
def test_density_beyond_the_outer_end_of_the_curve(deviations):
    # there only the very end counts, over a length of noise / deviations
    source = roll(noise=0.2)
    end = 4.5 * math.pi
    outward = np.array([-end, 1.0]) / math.hypot(end, 1)
    point = np.array([0.0, end]) + 0.2 * deviations * outward
    theta = end - np.linspace(0, 0.5, 1_000_001)
    squares = (theta * np.cos(theta) - point[0]) ** 2 + (theta * np.sin(theta) - point[1]) ** 2
    exponents = -squares / (2 * 0.2**2)
    integral = np.trapezoid(np.exp(exponents - exponents[0]), -theta) / (3 * math.pi)
    expected = exponents[0] + math.log(integral / (2 * math.pi * 0.2**2)) + 2 * math.log(source.units.scale)
    assert source.log_prob(source.units.to_model(point)[None]) == pytest.approx([expected], abs=1e-6)


def test_log_prob_does_not_depend_on_company():
    source = roll(noise=0.05)
    xs = source.split("test").x[:300]
    np.testing.assert_allclose(source.log_prob(xs)[250:], source.log_prob(xs[250:]), rtol=0, atol=1e-9)
    assert source.log_prob(xs).dtype == np.float64


def test_drawn_points_have_the_density():
    source = roll(noise=0.5)
    x = source.split("test").x
    values = source.log_prob(x) / math.log(2)
    assert abs(values.mean() + 1.94894) < 4 * values.std() / math.sqrt(len(x))
    assert np.abs(x.mean(axis=0)).max() < 4 / math.sqrt(len(x)) * 1.1
    assert (x**2).mean() == pytest.approx(1, abs=0.03)
    # angle and radius agree but for the noise, and the radius covers all turns evenly
    raw = source.units.to_user(x)
    radius = np.hypot(*raw.T)
    assert np.quantile(radius, [0.25, 0.5, 0.75]) == pytest.approx(np.pi * np.array([2.25, 3.0, 3.75]), abs=0.2)


def test_without_noise_there_is_no_density():
    source = roll(noise=0.0)
    x = source.split("validation").x
    assert qs.sources.capability(source, qs.sources.AbstractTruth) is None
    raw = source.units.to_user(x.astype(float))
    theta = np.hypot(*raw.T)
    np.testing.assert_allclose(raw, theta[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1), atol=1e-4)


def test_splits_are_fixed_disjoint_and_of_the_sizes_asked_for():
    source = roll(validation_events=300, test_events=700)
    splits = {name: source.split(name).x for name in SPLITS}
    assert [len(splits[name]) for name in SPLITS] == [300, 300, 700]
    assert all(x.dtype == np.float32 and source.event.check(x) is not None for x in splits.values())
    assert len(np.unique(np.concatenate(list(splits.values())), axis=0)) == 1300
    for name in SPLITS:
        np.testing.assert_array_equal(splits[name], roll(validation_events=300, test_events=700).split(name).x)
    assert not np.array_equal(splits["test"], roll(seed=1, test_events=700).split("test").x)


def test_splits_do_not_change_with_the_precision(x64):
    x = roll().split("validation").x
    assert x.dtype == np.float32
    assert x[0] == pytest.approx(FIRST, abs=2e-6)


# the first validation event: a change of the stream would silently change what every run is measured on
FIRST = [-1.7089038, -0.04694314]


def test_splits_are_those_of_every_release():
    assert roll().split("validation").x[0] == pytest.approx(FIRST, abs=2e-6)


def test_keys_of_a_run_do_not_make_events_of_a_split():
    source = roll(test_events=1000)
    role = jr.fold_in(jr.key(0), 1)
    keys = [jr.split(role, 1000), jr.split(jr.key(0), 1000), jax.vmap(lambda i: jr.fold_in(role, i))(np.arange(1000))]
    drawn = np.concatenate([jax.vmap(lambda key: source.draw(None, key=key)[0])(k) for k in keys])
    both = np.concatenate([np.unique(drawn, axis=0), *(source.split(name).x for name in SPLITS)])
    assert len(np.unique(both, axis=0)) == len(both)


def test_draw_is_pure_in_its_key():
    source = roll()
    first, side = source.draw(None, key=jr.key(3))
    assert side is None and first.shape == (2,) and first.dtype == np.float32
    np.testing.assert_array_equal(first, source.draw(None, key=jr.key(3))[0])
    assert not np.array_equal(first, source.draw(None, key=jr.key(4))[0])
    np.testing.assert_allclose(first, jax.jit(source.draw)(None, key=jr.key(3))[0], rtol=0, atol=1e-6)
    assert source.stored() is None


def test_mean_is_that_of_the_curve():
    theta = np.linspace(1.5 * math.pi, 4.5 * math.pi, 1_000_001)
    mean = [np.trapezoid(theta * f(theta), theta) / (3 * math.pi) for f in (np.cos, np.sin)]
    assert pytest.approx(mean, abs=1e-9) == MEAN


def test_covariance_and_length_of_the_curve():
    """And in thin noise the entropy is that of the way along the curve, and of the noise across it."""
    nodes, log_shares = _quadrature(0.05)
    shares = np.exp(log_shares)
    away = nodes - MEAN
    assert (shares * away.T) @ away == pytest.approx(np.array([[43.86432, 4.28798], [4.28798, 48.31929]]), abs=6e-6)
    along = math.log2(3 * math.pi) + shares @ np.log2(np.hypot(1.0, np.linalg.norm(nodes, axis=1)))
    assert along == pytest.approx(6.418379, abs=6e-7)
    thin = roll(noise=0.05)
    raw = -expected_log_prob(thin) / math.log(2) + 2.0 * math.log2(thin.units.scale)
    assert raw == pytest.approx(along + math.log2(0.05 * math.sqrt(2 * math.pi * math.e)), abs=2e-3)


def test_render_draws_the_points():
    axes = Figure().add_subplot()
    source = roll(validation_events=50)
    qs.pictures.draw_field(source.split("validation").x, source.event, axes)
    assert len(axes.collections[0].get_offsets()) == 50
