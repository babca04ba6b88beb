"""Mixtures whose parts have independent columns: numbers that are normal, normal numbers in bins, and frequencies of states.

A number that is not there has no term: so a row with a gap has the log-probability of what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from scipy.special import log_ndtr, ndtr

SIZES = (1, 2, 4, 8, 16, 32)
ROUNDS = 60
FEWEST_EACH = 5  # training rows for each part
EXTRA = 0.5  # rows by which every state counts more than it was seen
NARROWEST = 0.05  # deviation of a part, in those of the column
LOG_TAU = float(np.log(2.0 * np.pi))


@attrs.frozen(eq=False)
class Flat:
    """Rows as columns: `numbers` (N, r), nan where there is none, in bins of the `widths` (r,), 0 for a density, the outer ones
    open at `ends` (2, r); `states` (N, s) of so many `categories` (s,). Each row is there `counts` (N,) times, once by default.
    """

    numbers: np.ndarray
    widths: np.ndarray
    ends: np.ndarray
    states: np.ndarray
    categories: tuple[int, ...]
    counts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, chosen: slice | np.ndarray) -> Flat:
        """Some rows."""
        counts = None if self.counts is None else self.counts[chosen]
        return attrs.evolve(self, numbers=self.numbers[chosen], states=self.states[chosen], counts=counts)

    @property
    def total(self) -> int:
        """How many rows there are, copies too."""
        return len(self) if self.counts is None else int(self.counts.sum())

    def mean(self, values: np.ndarray) -> float:
        """The mean over rows of something that each (N,) has."""
        return float(np.average(values, weights=self.counts))

    def alone(self) -> Sequence[Flat]:
        """Each column as rows of its own."""
        reals, states = range(self.numbers.shape[1]), range(self.states.shape[1])
        return [self._only([j], []) for j in reals] + [self._only([], [j]) for j in states]

    def _only(self, reals: list[int], states: list[int]) -> Flat:
        categories = tuple(self.categories[j] for j in states)
        numbers, ends = self.numbers[:, reals], self.ends[:, reals]
        return Flat(numbers, self.widths[reals], ends, self.states[:, states], categories, self.counts)

    def vectors(self) -> np.ndarray:
        """Numbers, 0 where there is none, and a bit for every state."""
        bits = [np.eye(count)[codes] for codes, count in zip(self.states.T, self.categories, strict=True)]
        return np.concatenate([np.nan_to_num(self.numbers), *bits], axis=1)


@attrs.frozen(eq=False)
class Mixture:
    """K parts: weights (K,), means and deviations (K, r) of numbers, log frequencies (K, states) of each column of states."""

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    log_shares: tuple[np.ndarray, ...]

    def log_joint(self, rows: Flat) -> np.ndarray:
        """Log of weight times probability, a density of numbers without bins, of each row in each part, (N, K)."""
        found = np.tile(np.log(self.weights), (len(rows), 1))
        for j, column in enumerate(rows.numbers.T):
            is_there = ~np.isnan(column)
            x, mean, deviation = column[is_there, None], self.means[:, j], self.deviations[:, j]
            if rows.widths[j] == 0.0:
                found[is_there] += -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * LOG_TAU
            else:
                half, (low, high) = 0.5 * rows.widths[j], rows.ends[:, j]
                below = np.where(x <= low + half, -np.inf, x - half)
                above = np.where(x >= high - half, np.inf, x + half)
                found[is_there] += _log_between((below - mean) / deviation, (above - mean) / deviation)
        for codes, log_shares in zip(rows.states.T, self.log_shares, strict=True):
            found += log_shares.T[codes]
        return found

    def log_prob(self, rows: Flat) -> np.ndarray:
        """Nats, (N,)."""
        return np.logaddexp.reduce(self.log_joint(rows), axis=1)


def best_mixture(train: Flat, validation: Flat, sizes: Sequence[int] = SIZES) -> Mixture:
    """Fitted to `train`, with the number of parts that has the highest mean log-probability of `validation`.

    Larger ones are tried until two in a row are worse. Without validation rows every fifth of training takes their place.
    """
    if not len(validation) and len(train) >= FEWEST_EACH:
        is_held = np.arange(len(train)) % FEWEST_EACH == FEWEST_EACH - 1
        train, validation = train.rows(~is_held), train.rows(is_held)
    first, *larger = sizes
    best = _fitted(train, first)
    if not len(validation):
        return best
    value, worse = validation.mean(best.log_prob(validation)), 0
    for parts in larger:
        if worse == 2 or parts * FEWEST_EACH > train.total:
            break
        found = _fitted(train, parts)
        new = validation.mean(found.log_prob(validation))
        worse = 0 if new > value else worse + 1
        if new > value:
            best, value = found, new
    return best


def _fitted(rows: Flat, parts: int) -> Mixture:
    """By expectation and maximisation, from the rows that are nearest to some of them."""
    vectors = rows.vectors()
    # RandomState: its stream is frozen for all versions of numpy
    shares = None if rows.counts is None else rows.counts / rows.total
    parts = min(parts, len(vectors))
    centres = vectors[np.random.RandomState(parts).choice(len(vectors), parts, replace=False, p=shares)]
    nearest = ((centres**2).sum(axis=1) - 2.0 * vectors @ centres.T).argmin(axis=1)
    mixture = _maximised(rows, np.eye(parts)[nearest])
    for _ in range(ROUNDS if parts > 1 else 0):
        joint = mixture.log_joint(rows)
        mixture = _maximised(rows, np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)))
    return mixture


def _maximised(rows: Flat, shares: np.ndarray) -> Mixture:
    shares = shares if rows.counts is None else shares * rows.counts[:, None]
    is_there, numbers = ~np.isnan(rows.numbers), np.nan_to_num(rows.numbers)
    counts = shares.T @ is_there + 1e-9
    means = shares.T @ numbers / counts
    spread = np.maximum(shares.T @ numbers**2 / counts - means**2, 0.0)
    floors = np.maximum(NARROWEST, 0.3 * rows.widths)
    log_shares = []
    for codes, count in zip(rows.states.T, rows.categories, strict=True):
        seen = shares.T @ np.eye(count)[codes] + EXTRA / count
        log_shares.append(np.log(seen / seen.sum(axis=1, keepdims=True)))
    totals = shares.sum(axis=0) + 1e-9
    return Mixture(totals / totals.sum(), means, np.maximum(np.sqrt(spread), floors), tuple(log_shares))


def _log_between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Log of the probability of a unit normal number between two, computed in the tail where both are in one."""
    swapped = low > 0.0
    low, high = np.where(swapped, -high, low), np.where(swapped, -low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = log_ndtr(high) + np.log1p(-np.exp(np.minimum(log_ndtr(low) - log_ndtr(high), 0.0)))
    return np.where(high < -3.0, np.maximum(tail, -1e30), np.log(np.maximum(ndtr(high) - ndtr(low), 1e-300)))
