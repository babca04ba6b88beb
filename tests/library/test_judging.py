"""Measures of pictures are what they are called, against closed forms and brute force."""

import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.estimate import estimate
from quasistatic.kits import arrays
from quasistatic.kits.pictures.judging import chance_below, frechet, principal_components
from quasistatic_plugins.parzen.window import BANDWIDTHS, log_density, parzen

RANDOM = np.random.RandomState(0)


def test_the_nearest_training_picture_is_found():
    train, xs = RANDOM.normal(size=(40, 6)).astype(np.float32), RANDOM.normal(size=(9, 6)).astype(np.float32)
    distances, numbers = qs.numerics.nearest(xs, train)
    brute = np.sqrt(((xs[:, None] - train) ** 2).sum(axis=2))
    np.testing.assert_array_equal(numbers, brute.argmin(axis=1))
    np.testing.assert_allclose(distances, brute.min(axis=1), rtol=1e-4)
    np.testing.assert_array_equal(qs.numerics.nearest(train, train)[0], 0.0)  # a copy is at no distance, to the last bit
    others, numbers = qs.numerics.nearest(train, train, np.arange(40))
    between = np.sqrt(((train[:, None] - train) ** 2).sum(axis=2)) + np.diag(np.full(40, np.inf))
    np.testing.assert_array_equal(numbers, between.argmin(axis=1))
    np.testing.assert_allclose(others, between.min(axis=1), rtol=1e-4)


def test_a_chance_counts_pairs_and_half_of_ties():
    a, b = np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0])
    pairs = [(x < y) + 0.5 * (x == y) for x in a for y in b]
    assert chance_below(a, b) == pytest.approx(np.mean(pairs))
    assert chance_below(a, a) == 0.5


@pytest.mark.parametrize("count", [200, 12])  # more pictures than pixels, and fewer
def test_principal_components_are_those_of_the_covariance(count):
    train = RANDOM.normal(size=(count, 20)) * np.linspace(1, 4, 20)
    axes = principal_components(train, 5)
    values, vectors = np.linalg.eigh(np.cov(train, rowvar=False))
    np.testing.assert_allclose(np.abs(axes.T @ vectors[:, -5:]), np.eye(5), atol=1e-6)
    assert values[-1] > values[-5]
    assert principal_components(train[:3], 5).shape == (20, 2)  # three pictures vary along two directions


def test_the_frechet_distance_of_normal_distributions_is_the_closed_form():
    a = RANDOM.normal(size=(500, 3))
    a = (a - a.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(a, rowvar=False, bias=True))).T  # exactly unit normal
    scales, shift = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.0, -2.0])
    assert frechet(a, a * scales + shift) == pytest.approx((shift**2).sum() + ((scales - 1) ** 2).sum(), rel=1e-9)
    assert abs(frechet(a, a)) < 1e-9


@pytest.fixture(scope="module")
def pictures():
    x = np.cumsum(RANDOM.normal(size=(200, 5, 5)), axis=1)
    return arrays.array_source(x)


def test_copies_show_and_held_out_pictures_do_not(pictures):
    train, test = pictures.split("train").x, pictures.split("test").x
    copies, fair = pictures.judge(train[:40]), pictures.judge(test)
    assert copies["nearer_to_training_than_validation"] == 1.0
    assert 0.2 < fair["nearer_to_training_than_validation"] < 0.8
    far = pictures.judge(test + 3.0)
    name = next(name for name in fair if name.startswith("frechet") and not name.endswith("validation"))
    assert name == "frechet_25_components" and far[name] > fair[name] + 0.9 * 25 * 9
    assert far[f"{name}_of_validation"] == pytest.approx(fair[f"{name}_of_validation"])


def test_a_source_says_that_its_events_are_pictures():
    """A shape does not: rows of a matrix are none, and an array may be told to be or not to be."""

    def kind(shape, **options):
        source = arrays.array_source(RANDOM.normal(size=(50, *shape)), arrays.ArrayChoices(**options))
        return qs.sources.capability(source, qs.sources.AbstractPictures) is not None

    assert [kind((5, 5)), kind((5, 6, 3)), kind((8, 3)), kind((9,)), kind((4, 5, 2))] == [True, True, False, False, False]
    assert kind((8, 3), pictures="yes") and not kind((5, 5), pictures="no")
    with pytest.raises(qs.DataError, match=r"source\.pictures: events are"):
        kind((9,), pictures="yes")
    assert qs.sources.capability(qs.make("source", "heartbeat"), qs.sources.AbstractPictures) is None


def test_bits_per_pixel_sum_over_colours():
    assert qs.Real((4, 6, 3)).units == {"dim": 72, "pixel": 24} and qs.Binary((4, 6)).units == {"dim": 24, "pixel": 24}
    assert qs.Real((4, 6, 2)).units == {"dim": 48} and qs.Categorical((24,)).units == {"dim": 24, "symbol": 24}
    value = estimate(np.full(3, -24.0), {"dim": 72, "pixel": 24})
    assert value.to("bits/pixel").value == pytest.approx(3 * value.to("bits/dim").value) == pytest.approx(-1 / np.log(2))
    assert value.to("bits/pixel").to("nats").value == pytest.approx(-24.0)
    with pytest.raises(KeyError):
        estimate(np.zeros(3), {"dim": 72}).to("bits/pixel")


def test_a_parzen_window_is_a_mean_of_densities():
    samples, xs = RANDOM.rand(7, 3), RANDOM.rand(5, 3)
    squares = ((xs[:, None] - samples) ** 2).sum(axis=2)
    expected = np.log(np.mean(np.exp(-squares / (2 * 0.2**2)) / (2 * np.pi * 0.2**2) ** 1.5, axis=1))
    np.testing.assert_allclose(log_density(samples, xs, 0.2), expected, rtol=1e-9)


def test_the_bandwidth_is_chosen_on_validation_pictures_and_the_error_is_that_of_the_mean():
    samples, validation, test = RANDOM.rand(50, 3), RANDOM.rand(1_200, 3), RANDOM.rand(40, 3)
    found = parzen(samples, validation, test)
    assert list(BANDWIDTHS) == list(np.logspace(-1, 0, 10))
    means = [log_density(samples, validation[:1_000], width).mean() for width in BANDWIDTHS]
    assert found.bandwidth == BANDWIDTHS[int(np.argmax(means))]
    values = log_density(samples, test, found.bandwidth)
    assert (found.nats, found.standard_error) == (values.mean(), values.std() / np.sqrt(40))
    assert (found.samples, found.events) == (50, 40)
