"""Simple models of columns: closed forms where there are any, normalised, and chosen on validation."""

import math

import numpy as np
import pytest

from quasistatic.kits.tables.densities import simple_models


def three(events, seed=0):
    """Training, validation and test rows."""
    rng = np.random.default_rng(seed)
    return [events(rng, count) for count in (600, 100, 200)]


def columns(rng, count):
    x = rng.normal(size=(count, 2))
    return np.column_stack([100 + 20 * x[:, 0], 0.01 * (x[:, 0] + 0.5 * x[:, 1])])


def peaks(rng, count):
    return rng.choice([-5.0, 5.0], (count, 1)) + 0.5 * rng.normal(size=(count, 1))


def named(found, start):
    (value,) = [value for name, value in found.items() if name.startswith(start)]
    return value


def normal(xs, mean, covariance):
    away = xs - mean
    return -0.5 * (np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away) + np.linalg.slogdet(2 * np.pi * covariance)[1])


def test_gaussians_are_those_of_the_training_rows():
    train, validation, test = three(columns)
    found = simple_models(train, validation, test)
    covariance = np.cov(train.T, bias=True)
    floored = covariance + 1e-4 * np.diag(np.diag(covariance))
    mean = train.mean(axis=0)
    np.testing.assert_allclose(found["full Gaussian"], normal(test, mean, floored), atol=1e-6)
    np.testing.assert_allclose(found["independent Gaussians"], normal(test, mean, np.diag(np.diag(covariance))), atol=1e-6)
    assert all(values.shape == (200,) for values in found.values()) and len(found) == 4


def test_a_mixture_finds_two_peaks_and_no_more():
    train, validation, test = three(peaks)
    found = simple_models(train, validation, test)
    truth = np.logaddexp(*(normal(test, centre, np.array([[0.25]])) for centre in (-5.0, 5.0))) - math.log(2)
    assert any(name.startswith(("mixture of 2 ", "mixture of 3 ")) for name in found)
    assert named(found, "mixture").mean() == pytest.approx(truth.mean(), abs=0.03)
    assert truth.mean() - 0.1 < named(found, "kernel density").mean() < truth.mean() + 0.03


def test_densities_sum_to_one():
    train, validation, _ = three(peaks)
    grid = np.linspace(-9, 9, 6001)[:, None]
    for name, values in simple_models(train, validation, grid).items():
        if "Gaussians" not in name or "mixture" in name:
            assert np.exp(values).sum() * 0.003 == pytest.approx(1, abs=1e-3), name


def test_the_scale_of_a_column_does_not_matter():
    train, validation, test = three(columns)
    scale = np.array([1e-3, 40.0])
    plain = simple_models(train, validation, test)
    scaled = simple_models(train * scale, validation * scale, test * scale)
    for name, values in plain.items():
        np.testing.assert_allclose(scaled[name] + np.log(scale).sum(), values, atol=1e-6)


def test_without_scikit_learn_three_are_left(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.mixture", None)
    found = simple_models(*three(columns))
    assert [name.partition(",")[0] for name in found] == ["independent Gaussians", "full Gaussian", "kernel density"]


def test_few_rows_of_many_columns():
    rng = np.random.default_rng(0)
    for rows, size in ((7, 30), (7, 1), (2, 3)):
        few = simple_models(np.ones((rows, size)), np.ones((1, size)), np.ones((2, size)))
        assert all(np.isfinite(values).all() for values in few.values())
    found = simple_models(rng.normal(size=(12, 40)), rng.normal(size=(3, 40)), rng.normal(size=(4, 40)))
    assert set(found) > {"independent Gaussians"} and all(np.isfinite(values).all() for values in found.values())
