"""Statistical values, all in standard errors, so that one limit serves whatever is compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import chdtrc, gammaln, log_ndtr, ndtri, ndtri_exp

from quasistatic._process.event import AbstractEvent

# what rounding may add to a difference of two means that are equal
ROUNDING = 2e-6
FAR = 100.0  # deviations
FLAT = 1e-10  # least eigenvalue of a correlation matrix that rounding leaves of 0


def scores(a: Any, b: Any) -> float:
    """Largest distance between the means of two samples (N, ...) in standard errors; `b` may be the exact mean."""
    a = np.asarray(a, np.float64)
    variance = a.var(axis=0) / len(a)
    mean = a.mean(axis=0)
    if np.ndim(b) == np.ndim(a):
        b = np.asarray(b, np.float64)
        variance = variance + b.var(axis=0) / len(b)
        b = b.mean(axis=0)
    floor = ROUNDING * np.maximum(1.0, np.abs(mean))
    away = np.abs(mean - b) / np.maximum(np.sqrt(variance), floor)
    return largest_of(float(np.max(away)), np.size(away))


def largest_of(score: float, count: int) -> float:
    """The largest of `count` scores as one score: as improbable as it is among so many (Bonferroni)."""
    log_chance = math.log(count) + log_ndtr(-score)  # of one tail
    return 0.0 if log_chance >= math.log(0.5) else float(-ndtri_exp(log_chance))


def chi_square(counts: Any, probabilities: Any, least: float = 10.0) -> float:
    """How far counts of cells are from their probabilities: the score of a normal distribution that is as improbable.

    Cells of fewer than `least` expected counts are pooled; a count in a cell of probability zero is infinitely far.
    """
    counts, probabilities = np.asarray(counts, np.float64), np.asarray(probabilities, np.float64)
    if np.any(counts[probabilities == 0] > 0):
        return math.inf
    expected = counts.sum() * probabilities
    order = np.argsort(expected)
    counts, expected = counts[order], expected[order]
    # the rarest cells become one, as many as it takes to expect `least` counts in it
    pooled = 1 + int(np.searchsorted(np.cumsum(expected), least))
    pooled = max(pooled, int(np.searchsorted(expected, least)))
    counts = np.append(counts[pooled:], counts[:pooled].sum())
    expected = np.append(expected[pooled:], expected[:pooled].sum())
    freedom = len(counts) - 1
    return 0.0 if freedom == 0 else float(-ndtri(chdtrc(freedom, np.sum((counts - expected) ** 2 / expected))))


def kolmogorov_smirnov(draws: Any, distribution: Callable[[np.ndarray], np.ndarray]) -> float:
    """How far draws (N, columns) are from a distribution function: the score of a normal distribution that is as improbable.

    The largest of the columns as one (Kolmogorov 1933), good far out in the tail too.
    """
    levels = np.sort(distribution(np.asarray(draws, np.float64)), axis=0)
    count = len(levels)
    steps = np.arange(count + 1)[:, None] / count
    away = np.max(np.maximum(levels - steps[:-1], steps[1:] - levels))
    # of two tails, as is a score's
    log_chance = -2.0 * (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) ** 2 * away**2
    return 0.0 if log_chance >= math.log(0.5) else largest_of(float(-ndtri_exp(log_chance)), levels.shape[1])


def flat(states: Any) -> np.ndarray:
    """States (N, ...), a pytree, as rows of numbers (N, size)."""
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(states)], 1)


def are_symbols(rows: np.ndarray) -> np.ndarray:
    """Which columns of draws (N, size) hold values that come again and again, as those of a density never do."""
    return np.array([len(np.unique(column)) < 0.5 * len(column) for column in rows.T])


def are_flat(rows: np.ndarray) -> bool:
    """Whether the numbers among draws (N, size) lie on a set of fewer dimensions, which has no density in all of them."""
    numbers = rows[:, ~are_symbols(rows)]
    if numbers.shape[1] < 2:
        return False
    return bool(np.linalg.eigvalsh(np.corrcoef(numbers, rowvar=False))[0] < FLAT)


def lows_of(event: AbstractEvent) -> np.ndarray:
    """The bounds of the columns of `flat` events from below, -inf where there is none."""
    bounds = {name: getattr(field, "low", None) for name, field in event.parts().items() if not field.is_discrete}
    each = [np.full(field.size, -np.inf if bounds.get(name) is None else bounds[name]) for name, field in event.parts().items()]
    return np.concatenate(each)


def inside(fitted: np.ndarray, read: np.ndarray, log_probs: np.ndarray, symbols: np.ndarray, lows: np.ndarray) -> float:
    """How far the mean of g / p over draws `read` (N, size) of p, which has these log-probabilities, is from 1: a score.

    g is of the draws `fitted`, and inside of p: for numbers a normal distribution with half of their covariance, or, above
    `lows` (size,), gammas with half of their variances; for columns that are `symbols` their shares.
    """
    above = ~symbols & np.all(fitted > lows, axis=0) & np.isfinite(lows)
    # far from the bound a gamma is a normal distribution, and its logarithm a difference of large numbers
    above[above] = (fitted - lows)[:, above].mean(axis=0) < FAR * fitted[:, above].std(axis=0)
    free = ~symbols & ~above
    log_g = _log_normal(fitted[:, free], read[:, free]) if free.any() else np.zeros(len(read))
    log_g += _log_gamma(fitted[:, above] - lows[above], read[:, above] - lows[above])
    seen, counts = np.unique(fitted[:, symbols], axis=0, return_counts=True)
    share_of = dict(zip(map(tuple, seen), counts / len(fitted), strict=True))
    log_g += np.log([share_of.get(tuple(row), 1e-300) for row in read[:, symbols]])
    # two draws of no weight and of twice the usual: what is too rare to have been drawn counts as an error
    weights = np.append(np.exp(np.minimum(log_g - log_probs, 300.0)), [0.0, 2.0])
    return scores(weights[:, None], np.ones(1))


def _log_normal(fitted: np.ndarray, read: np.ndarray) -> np.ndarray:
    """log density at rows of a normal distribution with the mean of `fitted` rows and half of their covariance."""
    mean, deviation = fitted.mean(axis=0), np.sqrt(0.5 * fitted.var(axis=0))
    # scaled first, as columns may differ by many orders
    root = np.linalg.cholesky(np.corrcoef(fitted, rowvar=False).reshape(len(mean), -1))
    scaled = np.linalg.solve(root, ((read - mean) / deviation).T)
    constant = np.log(deviation * np.diag(root)).sum() + 0.5 * len(mean) * math.log(2.0 * math.pi)
    return -0.5 * np.sum(scaled**2, axis=0) - constant


def _log_gamma(fitted: np.ndarray, read: np.ndarray) -> np.ndarray:
    """log density at rows of independent gammas with the means of `fitted` rows and half of their variances."""
    mean, variance = fitted.mean(axis=0), 0.5 * fitted.var(axis=0)
    shape, rate = mean**2 / variance, mean / variance
    return np.sum(shape * np.log(rate) - gammaln(shape) + (shape - 1.0) * np.log(read) - rate * read, axis=1)


def moments(state: Any) -> jax.Array:
    """First and second moments of one state, a row of numbers."""
    row = jnp.concatenate([jnp.ravel(leaf).astype(jnp.result_type(float)) for leaf in jax.tree.leaves(state)])
    return jnp.concatenate([row, jnp.outer(row, row).ravel()])


def counts_of(states: Any, cells: Any) -> np.ndarray:
    """How often each of the cells (M, ...) occurs among states (N, ...)."""
    same = (flat(states)[:, None, :] == flat(cells)[None, :, :]).all(axis=-1)
    return same.sum(axis=0)
