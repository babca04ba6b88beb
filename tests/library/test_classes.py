"""What noise leaves of a class, against exact values."""

from __future__ import annotations

import math

import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic.thermodynamics.order import class_timeline, log_snr


def test_the_class_is_one_of_two_bits() -> None:
    """The kernel noises bits on their own: what is left of a class that is the first bit is what is left of that bit."""
    xs, times = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.2, 0.5, 0.9])
    labels = xs[:, 0].astype(int)
    two, one = (qs.make("kernel", "binomial", qs.Binary((size,)), base_rate=0.3) for size in (2, 1))
    rows = np.repeat(np.arange(4), 1000)
    found = class_timeline(two, xs, labels, xs[rows], labels[rows], key=jr.key(0), times=times)
    exact = oracles.information(one, np.array([[0.0], [1.0]]), None, times)
    errors = (found.of_own - math.log(0.5)).std(axis=0) / math.sqrt(4000)
    assert np.all(np.abs(found.information - exact) < 5.0 * errors)
    np.testing.assert_allclose(found.of_own[:, 0], np.log(np.exp(found.log_posteriors[:, 0])[np.arange(4000), labels[rows]]))
    assert np.all(np.diff(found.by_class.mean(axis=1)) < 0.0)


def test_classes_merge_where_they_are_near() -> None:
    """Points at 0, 1 and 6: the near two first. Two points a distance r apart have their chance at 3/4 at one snr r^2."""
    kernel = qs.make("kernel", "gaussian", qs.Real((1,)))
    points, labels, times = np.array([[0.0], [1.0], [6.0]]), np.arange(3), np.linspace(0.0, 1.0, 201)
    rows = np.repeat(labels, 400)
    found = class_timeline(kernel, points, labels, points[rows], rows, key=jr.key(1), times=times)
    (near, *first), (far, *second) = found.merges()
    assert (first, second) == ([0, 1], [0, 2]) and near < far
    parting = found.parting()
    distances = np.array([1.0, 5.0, 6.0])
    heights = np.interp([parting[1, 0], parting[2, 1], parting[2, 0]], times, log_snr(kernel, times))
    # the mean of the logistic of a normal of mean d^2 / 2 and variance d^2, for d^2 = snr r^2
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    squares = np.linspace(0.5, 10.0, 2000)
    chance = (weights / weights.sum()) @ (1.0 / (1.0 + np.exp(-(0.5 * squares + np.sqrt(squares) * nodes[:, None]))))
    exact = np.log(np.interp(0.75, chance, squares)) - 2.0 * np.log(distances)
    np.testing.assert_allclose(heights, exact, atol=0.25)
    with pytest.raises(ValueError, match="of every class"):
        class_timeline(kernel, points, np.array([0, 2, 2]), points, labels, key=jr.key(0), times=times)
