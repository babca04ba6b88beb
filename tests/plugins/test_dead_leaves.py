"""Dead leaves: two pixels share a grey as often as the closed form has it, everywhere in the picture."""

import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.dead_leaves import DeadLeavesOptions
from quasistatic_plugins.dead_leaves.source import DEVIATION, DeadLeaves


def leaves(**options):
    return DeadLeaves(DeadLeavesOptions(**options))


@pytest.fixture(scope="module")
def greys():
    """Whole numbers (1500, 12, 12), of discs with radii from 1 to 6."""
    source = leaves(size=12, smallest=1.0, largest=6.0, noise=0.0, test_events=1_500)
    found = source.units.to_user(source.split("test").x)
    assert np.abs(found - np.round(found)).max() < 1e-3
    return source, np.round(found)


def test_greys_are_even_on_8_bits(greys):
    _, found = greys
    assert found.min() == 0 and found.max() == 255 and len(np.unique(found)) == 256
    # pictures are independent, their pixels are not: about 4 effective ones each
    assert abs(found.mean() - 127.5) < 5 * DEVIATION / np.sqrt(4 * len(found))
    assert abs(found.var() / DEVIATION**2 - 1.0) < 0.04


@pytest.mark.parametrize("distance", [1, 2, 4, 8, 11])
def test_two_pixels_share_a_disc_as_often_as_the_closed_form_has_it(greys, distance):
    source, found = greys
    chance = float(source.correlation(np.array([distance]))[0])
    shared = [(found[:, : 12 - distance] == found[:, distance:]), (found[:, :, : 12 - distance] == found[:, :, distance:])]
    expected = chance + (1.0 - chance) / 256  # of two discs one in 256 has the same grey
    for equal in shared:
        assert abs(equal.mean() - expected) < 5 * np.sqrt(0.25 / len(found))


def test_it_is_the_same_at_the_edge_of_the_picture_as_in_the_middle(greys):
    source, found = greys
    chance = float(source.correlation(np.array([2.0]))[0])
    expected = chance + (1.0 - chance) / 256
    for row, column in [(0, 0), (0, 5), (5, 9), (11, 9), (5, 5)]:
        equal = found[:, row, column] == found[:, row, column + 2]
        assert abs(equal.mean() - expected) < 5 * np.sqrt(0.25 / len(found))


def test_the_closed_form_has_its_limits():
    source = leaves(size=12, smallest=3.0, largest=3.0001)
    # two discs of radius r, centres d apart: for d = r they share 0.391 of their area, so 0.391 / (2 - 0.391) = 0.243
    assert np.allclose(source.correlation(np.array([0.0, 3.0, 6.1])), [1.0, 0.24297, 0.0], atol=1e-4)


def test_no_pixel_is_left_bare():
    source = leaves(size=12, smallest=3.0, largest=3.0001)
    covers = np.pi * 3.0**2 / (12 + 2 * 3.0) ** 2  # one disc a given pixel
    assert 0.5e-6 < 12**2 * (1.0 - covers) ** source.discs <= 1e-6


def test_noise_is_on_top_of_unit_variance():
    x = leaves(size=12, largest=6.0, noise=0.5, test_events=500).split("test").x
    assert abs(x.var() - 1.25) < 0.06
    assert len(np.unique(x)) > 0.9 * x.size


def test_without_noise_a_note_says_so():
    assert "no density" in leaves(noise=0.0).notes[0]
    assert leaves().notes == ()


def test_the_simple_model_has_the_exact_covariance():
    source = leaves(size=12, smallest=1.0, largest=6.0, test_events=1_500)
    x = source.split("test").x
    (values,) = source.baselines(x).values()
    # for the true covariance, the mean square away in units of it is the number of pixels
    flat = x.reshape(len(x), -1).astype(np.float64)
    covariance = flat.T @ flat / len(flat)
    fitted = -0.5 * (144 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + 144)
    # a fitted covariance of n numbers gains about n (n + 1) / 4 N nats on its own events
    assert 0.0 < fitted - values.mean() < 3 * 144 * 145 / 4 / len(x)


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"smallest": 4.0, "largest": 4.0}, "largest: expected more than smallest = 4.0, got 4.0"),
        ({"exponent": float("nan")}, "exponent: expected a finite number, got nan"),
    ],
)
def test_options_that_make_no_picture_are_refused(chosen, named):
    with pytest.raises(ValueError, match=named):
        DeadLeavesOptions(**chosen)


def test_discs_too_small_to_cover_a_picture_are_refused():
    with pytest.raises(qs.DataError, match=r"source.smallest: [\d,]+ discs would have to be drawn"):
        leaves(size=64, smallest=0.01, largest=0.1)
