"""Statistical figures, all in standard errors, so that one limit serves whatever is compared."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# what rounding may add to a difference of two means that are equal
ROUNDING = 2e-6


def scores(a: np.ndarray, b: np.ndarray | float) -> float:
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
    chance = count * math.erfc(score / math.sqrt(2.0))
    if not chance > 0.0:  # too far out to be told from infinity, or not a number
        return score
    return 0.0 if chance >= 1.0 else -NormalDist().inv_cdf(chance / 2.0)


def chi_square(counts: np.ndarray, probabilities: np.ndarray, least: float = 10.0) -> float:
    """How far counts of cells are from their probabilities, in standard deviations (Wilson & Hilferty 1931).

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
    if freedom == 0:
        return 0.0
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    scale = 2.0 / (9.0 * freedom)
    return ((statistic / freedom) ** (1.0 / 3.0) - (1.0 - scale)) / math.sqrt(scale)


def flat(states: Any) -> np.ndarray:
    """States (N, ...), a pytree, as rows of figures (N, size)."""
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(states)], 1)


def moments(state: Any) -> jax.Array:
    """First and second moments of one state, a row of figures."""
    row = jnp.concatenate([jnp.ravel(leaf).astype(jnp.result_type(float)) for leaf in jax.tree.leaves(state)])
    return jnp.concatenate([row, jnp.outer(row, row).ravel()])


def counts_of(states: Any, cells: Any) -> np.ndarray:
    """How often each of the cells (M, ...) occurs among states (N, ...)."""
    same = (flat(states)[:, None, :] == flat(cells)[None, :, :]).all(axis=-1)
    return same.sum(axis=0)
