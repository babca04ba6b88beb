"""Mixtures of normal distributions, fitted to training events, with a size chosen on validation events."""

from __future__ import annotations

import math
import warnings

import attrs
import numpy as np

ROWS = 4_000  # training events at most that a model is fitted to, so that it costs seconds
CHOOSING = 1_000  # validation events at most that a size is chosen on
MIXED_AT_MOST = 32  # elements: beyond, a mixture of full covariances costs more than it gains
FEWEST_EACH = 5  # training events for each part of a mixture
SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
FLOOR = 1e-4  # variance added to every covariance, in units of a column's variance: a repeated value is no spike


@attrs.frozen(eq=False)
class FittedMixture:
    """C normal distributions of vectors of `size` numbers: weights (C,), means (C, size), covariances (C, size, size)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def log_prob(self, xs: np.ndarray) -> np.ndarray:
        """Log densities in nats, (N,), of xs (N, size)."""
        found = [np.log(w) + normal_log_prob(xs - m, c) for w, m, c in zip(self.weights, self.means, self.covariances, strict=True)]
        return np.logaddexp.reduce(found, axis=0)


def normal_log_prob(xs: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Log densities in nats, (N,), of xs (N, size) under a centred normal distribution."""
    root = np.linalg.cholesky(covariance)
    constant = float(np.log(np.diag(root)).sum()) + 0.5 * len(root) * math.log(2.0 * math.pi)
    return -0.5 * (np.linalg.solve(root, xs.T) ** 2).sum(axis=0) - constant


def fit_mixture(train: np.ndarray, validation: np.ndarray) -> FittedMixture:
    """The mixture with as many parts as the events of `validation` (M, size) like best, fitted to `train` (N, size).

    Without validation events a part of those of training takes their place, see `choosing_events`.

    Elements are expected to have a variance of about one. There is one part where scikit-learn is not installed, and
    where events have many elements.
    """
    train, validation = choosing_events(train, validation)
    train, validation = np.asarray(train[:ROWS], np.float64), np.asarray(validation[:CHOOSING], np.float64)
    size = train.shape[1]
    best = one_normal(train)
    value, worse = float(best.log_prob(validation).mean()), 0
    for parts in SIZES if size <= MIXED_AT_MOST else ():
        found = fitted(parts, train) if parts * FEWEST_EACH <= len(train) and worse < 2 else None
        if found is None:
            break
        new = float(found.log_prob(validation).mean())
        worse = 0 if new > value else worse + 1
        if new > value:
            best, value = found, new
    return best


def one_normal(train: np.ndarray) -> FittedMixture:
    """The normal distribution of events (N, size)."""
    mean = train.mean(axis=0)
    covariance = (train - mean).T @ (train - mean) / len(train) + FLOOR * np.eye(train.shape[1])
    return FittedMixture(np.ones(1), mean[None], covariance[None])


def choosing_events(train: np.ndarray, validation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Events to fit to and to choose by: where there are no validation events, every fifth of training takes their place."""
    if len(validation) or len(train) < 5:
        return train, validation if len(validation) else train
    chosen = np.arange(len(train)) % 5 == 4
    return train[~chosen], train[chosen]


def fitted(parts: int, train: np.ndarray, seed: int = 0) -> FittedMixture | None:
    """A mixture of so many parts; None without scikit-learn, and for covariances that cannot be had from so few events."""
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError:
        return None
    with warnings.catch_warnings():  # one that has not converged is a model too
        warnings.simplefilter("ignore")
        try:
            model = GaussianMixture(parts, reg_covar=FLOOR, max_iter=200, random_state=seed).fit(train)
        except ValueError:
            return None
    return FittedMixture(model.weights_, model.means_, model.covariances_)
