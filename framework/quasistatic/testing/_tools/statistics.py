"""Statistical values, all in standard errors, so that one limit serves whatever is compared."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import chdtrc, log_ndtr, ndtri, ndtri_exp

# what rounding may add to a difference of two means that are equal
ROUNDING = 2e-6


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


def flat(states: Any) -> np.ndarray:
    """States (N, ...), a pytree, as rows of numbers (N, size)."""
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(states)], 1)


def moments(state: Any) -> jax.Array:
    """First and second moments of one state, a row of numbers."""
    row = jnp.concatenate([jnp.ravel(leaf).astype(jnp.result_type(float)) for leaf in jax.tree.leaves(state)])
    return jnp.concatenate([row, jnp.outer(row, row).ravel()])


def counts_of(states: Any, cells: Any) -> np.ndarray:
    """How often each of the cells (M, ...) occurs among states (N, ...)."""
    same = (flat(states)[:, None, :] == flat(cells)[None, :, :]).all(axis=-1)
    return same.sum(axis=0)
