"""Simple models of real columns, to read K against: fitted to training events, their sizes chosen on validation events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from quasistatic.kits.tables.normal_mixtures import FLOOR, choosing_events, fit_mixture, normal_log_prob

BANDWIDTHS = np.geomspace(0.02, 1.5, 16)  # in deviations of a column
CELLS = 2**20  # distances at a time

LogDensity = Callable[[np.ndarray], np.ndarray]


INDEPENDENT = "independent Gaussians"


def simple_models(train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Log densities in nats of each of `test` (M, size), by the names of the models; the scale of a column does not matter.

    Independent Gaussians, a full one, a kernel density, and a mixture of Gaussians where scikit-learn is installed.
    """
    train, validation = choosing_events(train, validation)
    mean, deviation = _moments(train)
    train, validation, test = ((np.asarray(x, np.float64) - mean) / deviation for x in (train, validation, test))
    log_volume = float(np.log(deviation).sum())
    found = {name: log_density(test) - log_volume for name, log_density in _fitted(train, validation)}
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def independent_gaussians(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Log densities in nats of each of `test` (M, size) under a Gaussian for each column."""
    mean, deviation = _moments(train)
    return normal_log_prob((np.asarray(test, np.float64) - mean) / deviation, np.eye(len(mean))) - float(np.log(deviation).sum())


def _moments(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    train = np.asarray(train, np.float64)
    return train.mean(axis=0), np.maximum(train.std(axis=0), 1e-12)


def _fitted(train: np.ndarray, validation: np.ndarray) -> Iterator[tuple[str, LogDensity]]:
    size = train.shape[1]
    yield INDEPENDENT, lambda xs: normal_log_prob(xs, np.eye(size))
    if size > 1 and len(train) > size:
        covariance = train.T @ train / len(train) + FLOOR * np.eye(size)
        yield "full Gaussian", lambda xs: normal_log_prob(xs, covariance)
    yield _kernel_density(train, validation)
    mixture = fit_mixture(train, validation)
    if len(mixture) > 1:
        yield f"mixture of {len(mixture)} Gaussians", mixture.log_prob


def _kernel_density(train: np.ndarray, validation: np.ndarray) -> tuple[str, LogDensity]:
    tried = _densities(train, validation, BANDWIDTHS).mean(axis=1)
    chosen = BANDWIDTHS[int(np.argmax(tried))]
    return f"kernel density, bandwidth {chosen:.2g}", lambda xs: _densities(train, xs, np.array([chosen]))[0]


def _densities(train: np.ndarray, xs: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Log of the mean of Gaussians around all training events, (bandwidths, N)."""
    found = np.empty((len(bandwidths), len(xs)))
    norms, rows = (train**2).sum(axis=1), max(1, CELLS // len(train))
    for start in range(0, len(xs), rows):
        part = xs[start : start + rows]
        distance = np.maximum((part**2).sum(axis=1)[:, None] + norms - 2.0 * part @ train.T, 0.0)
        nearest = distance.min(axis=1)
        for number, width in enumerate(bandwidths):
            shares = np.exp(-0.5 * (distance - nearest[:, None]) / width**2).mean(axis=1)
            constant = train.shape[1] * math.log(width * math.sqrt(2.0 * math.pi))
            found[number, start : start + rows] = np.log(shares) - 0.5 * nearest / width**2 - constant
    return found
