"""Simple models of real columns, to read K against: fitted to training events, their sizes chosen on validation events."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np

ROWS = 4_000  # training events at most that a model is fitted to, so that it costs seconds
CHOOSING = 1_000  # validation events at most that a size is chosen on
MIXED_AT_MOST = 32  # elements: beyond, a mixture of full covariances costs more than it gains
FEWEST_EACH = 5  # training events for each Gaussian of a mixture
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
BANDWIDTHS = np.geomspace(0.02, 1.5, 16)  # in deviations of a column
FLOOR = 1e-6  # variance added to every covariance, in units of a column's variance
CELLS = 2**20  # distances at a time

LogDensity = Callable[[np.ndarray], np.ndarray]


def simple_models(train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Log densities in nats of each of `test` (M, size), by the names of the models; the scale of a column does not matter.

    Independent Gaussians, a full one, a kernel density, and a mixture of Gaussians where scikit-learn is installed.
    """
    train = np.asarray(train, np.float64)
    mean, deviation = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-12)
    train, validation, test = ((np.asarray(x, np.float64) - mean) / deviation for x in (train, validation, test))
    log_volume = float(np.log(deviation).sum())
    found = {name: log_density(test) - log_volume for name, log_density in _fitted(train, validation)}
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def _fitted(train: np.ndarray, validation: np.ndarray) -> Iterator[tuple[str, LogDensity]]:
    size = train.shape[1]
    yield "independent Gaussians", _gaussian(np.eye(size))
    if size > 1 and len(train) > size:
        yield "full Gaussian", _gaussian(train.T @ train / len(train) + FLOOR * np.eye(size))
    yield _kernel_density(train, validation)
    if size <= MIXED_AT_MOST:
        yield from _mixture(train, validation)


def _gaussian(covariance: np.ndarray) -> LogDensity:
    """Centred."""
    root = np.linalg.cholesky(covariance)
    constant = float(np.log(np.diag(root)).sum()) + 0.5 * len(root) * math.log(2.0 * math.pi)
    return lambda xs: -0.5 * (np.linalg.solve(root, xs.T) ** 2).sum(axis=0) - constant


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


def _mixture(train: np.ndarray, validation: np.ndarray) -> Iterator[tuple[str, LogDensity]]:
    """With as many Gaussians as validation events like best; nothing without scikit-learn."""
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError:
        return
    best, since, chosen = -math.inf, 0, None
    for size in SIZES:
        if size * FEWEST_EACH > len(train) or since == 2:
            break
        model = GaussianMixture(size, reg_covar=FLOOR, max_iter=200, random_state=0)
        with warnings.catch_warnings():  # one that has not converged is a simple model too
            warnings.simplefilter("ignore")
            try:
                value = float(model.fit(train).score(validation))
            except ValueError:  # covariances that cannot be had from so few events
                break
        since += 1
        if value > best:
            best, since, chosen = value, 0, model
    if chosen is not None:
        yield f"mixture of {chosen.n_components} Gaussian{'s' if chosen.n_components > 1 else ''}", chosen.score_samples
