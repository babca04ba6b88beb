"""Mixtures of round Gaussians: density, moments and draws agree."""

import math

import attrs
import jax
import jax.random as jr
import numpy as np
import pytest
from matplotlib.figure import Figure

from quasistatic_plugins.gaussian_mixture import GaussianMixtureOptions
from quasistatic_plugins.gaussian_mixture.source import GaussianMixture

THREE = {
    "means": ((0.0, 0.0), (6.0, 0.0), (0.0, 3.0)),
    "deviation": 0.7,
    "weights": (1.0, 2.0, 5.0),
}


def mixture(**options):
    return GaussianMixture(GaussianMixtureOptions(**options))


def test_default_is_the_two_bumps_at_unit_scale():
    source = mixture()
    scale = math.sqrt(4.25)
    assert source.units.scale == pytest.approx(scale) and source.units.shift == pytest.approx(0)
    raw = np.array([-2.0, 0.0, 0.3, 2.5])
    bumps = [np.exp(-((raw - mean) ** 2) / 0.5) / math.sqrt(0.5 * math.pi) for mean in (-2, 2)]
    expected = np.log(0.5 * (bumps[0] + bumps[1])) + math.log(scale)
    np.testing.assert_allclose(source.log_prob(raw[:, None] / scale), expected, rtol=1e-13)


def test_density_integrates_to_one_with_moments_zero_and_one():
    source = mixture(**THREE)
    axis = np.arange(-5, 5, 0.05)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = np.exp(source.log_prob(points)) * 0.05**2
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(weights @ points, 0, atol=1e-9)
    assert weights @ (points**2).mean(axis=1) == pytest.approx(1, abs=1e-9)


def test_draws_have_the_density():
    source = mixture(**THREE)
    x = source.split("test").x
    mean = [(6 * 2) / 8, (3 * 5) / 8]
    assert source.units.shift == pytest.approx(mean)
    nearest = ((x[:, None] - source.means) ** 2).sum(axis=-1).argmin(axis=1)
    share = np.bincount(nearest, minlength=3) / len(x)
    assert share == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.02)
    for bump in range(3):
        spread = (x[nearest == bump] - source.means[bump]).std()
        assert spread == pytest.approx(0.7 / source.units.scale, rel=0.06)
    # the mean log-likelihood of an integral over the plane, not of the draws
    axis = np.arange(-5, 5, 0.05)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    log_prob = source.log_prob(points)
    truth = (np.exp(log_prob) * log_prob).sum() * 0.05**2
    values = source.log_prob(x)
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(len(x))


def test_rare_bumps_are_drawn_as_often_as_they_should():
    source = mixture(means=((0.0,), (100.0,)), weights=(0.99, 0.01), deviation=1.0)
    x = np.asarray(jax.vmap(lambda key: source.draw(None, key=key)[0])(jr.split(jr.key(0), 50_000)))
    assert (x > 1).mean() == pytest.approx(0.01, abs=4 * math.sqrt(0.01 / 50_000))


def test_splits_are_fixed_and_disjoint():
    sizes = {"validation_events": 200, "test_events": 300}
    splits = [mixture(**sizes).split(name).x for name in ("train", "validation", "test")]
    assert [len(x) for x in splits] == [200, 200, 300]
    assert len(np.unique(np.concatenate(splits))) == 700
    for name, x in zip(("train", "validation", "test"), splits, strict=True):
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, mixture(**sizes).split(name).x)


def test_draw_is_pure_in_its_key():
    source = mixture(**THREE)
    x, side = source.draw(None, key=jr.key(5))
    assert side is None and x.dtype == np.float32
    np.testing.assert_allclose(x, jax.jit(source.draw)(None, key=jr.key(5))[0], rtol=0, atol=1e-6)
    assert not np.array_equal(x, source.draw(None, key=jr.key(6))[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"means": ()}, "same length"),
        ({"means": ((1.0,), (1.0, 2.0))}, "same length"),
        ({"means": ((), ())}, "at least 1"),
        ({"deviation": 0.0}, "deviation"),
        ({"weights": (1.0,)}, "expected 2, one for each of means"),
        ({"weights": (1.0, 0.0)}, "positive"),
        ({"weights": (1.0, math.inf)}, "positive"),
    ],
)
def test_options_that_make_no_mixture_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        attrs.evolve(GaussianMixtureOptions(), **options)


def test_render_draws_the_true_density_over_the_histogram():
    axes = Figure().add_subplot()
    source = mixture()
    source.render(source.split("validation").x, axes)
    (line,) = axes.lines
    x, y = line.get_data()
    assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-3)
    assert sum(bar.get_height() * bar.get_width() for bar in axes.patches) == pytest.approx(1, abs=1e-6)


def test_render_draws_points_in_the_plane():
    axes = Figure().add_subplot()
    source = mixture(**THREE)
    source.render(source.split("validation").x[:40], axes)
    assert len(axes.collections[0].get_offsets()) == 40
