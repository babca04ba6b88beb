"""Mixtures whose parts have independent columns: normal numbers, normal numbers in bins, and frequencies of states."""

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


@attrs.frozen(eq=False)
class Flat:
    """Rows as columns: `numbers` (N, r); `counts` (N, c) in bins of the widths (c,), the outer ones open at `ends` (2, c);
    `states` (N, s) of so many `categories` (s,).
    """

    numbers: np.ndarray
    counts: np.ndarray
    widths: np.ndarray
    ends: np.ndarray
    states: np.ndarray
    categories: tuple[int, ...]

    def rows(self, chosen: slice) -> Flat:
        """Some rows."""
        return attrs.evolve(self, numbers=self.numbers[chosen], counts=self.counts[chosen], states=self.states[chosen])

    def alone(self) -> Sequence[Flat]:
        """Each column as rows of its own."""
        nothing = attrs.evolve(
            self, numbers=self.numbers[:, :0], counts=self.counts[:, :0], widths=self.widths[:0], ends=self.ends[:, :0],
            states=self.states[:, :0], categories=(),
        )  # fmt: skip
        found = [attrs.evolve(nothing, numbers=self.numbers[:, [j]]) for j in range(self.numbers.shape[1])]
        found += [
            attrs.evolve(nothing, counts=self.counts[:, [j]], widths=self.widths[[j]], ends=self.ends[:, [j]])
            for j in range(self.counts.shape[1])
        ]
        found += [attrs.evolve(nothing, states=self.states[:, [j]], categories=(count,)) for j, count in enumerate(self.categories)]
        return found

    def vectors(self) -> np.ndarray:
        """Numbers, and a bit for every state."""
        bits = [np.eye(count)[codes] for codes, count in zip(self.states.T, self.categories, strict=True)]
        return np.concatenate([self.reals, *bits], axis=1)

    @property
    def reals(self) -> np.ndarray:
        return np.concatenate([self.numbers, self.counts], axis=1)


@attrs.frozen(eq=False)
class Mixture:
    """K parts: weights (K,), means and deviations (K, r + c) of numbers and counts, log frequencies (K, states) of each column."""

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    log_shares: tuple[np.ndarray, ...]

    def log_joint(self, rows: Flat) -> np.ndarray:
        """Log of weight times probability, a density of numbers, of each row in each part, (N, K)."""
        split = rows.numbers.shape[1]
        found = np.tile(np.log(self.weights), (len(rows.reals), 1))
        for j, column in enumerate(rows.reals.T):
            mean, deviation = self.means[:, j], self.deviations[:, j]
            if j < split:
                away = (column[:, None] - mean) / deviation
                found += -0.5 * away**2 - np.log(deviation) - 0.5 * np.log(2.0 * np.pi)
            else:
                half, (low, high) = 0.5 * rows.widths[j - split], rows.ends[:, j - split]
                below = np.where(column <= low + half, -np.inf, column - half)
                above = np.where(column >= high - half, np.inf, column + half)
                found += _log_between(*((edge[:, None] - mean) / deviation for edge in (below, above)))
        for codes, log_shares in zip(rows.states.T, self.log_shares, strict=True):
            found += log_shares.T[codes]
        return found

    def log_prob(self, rows: Flat) -> np.ndarray:
        """Nats, (N,)."""
        return np.logaddexp.reduce(self.log_joint(rows), axis=1)


def best_mixture(train: Flat, validation: Flat) -> Mixture:
    """Fitted to `train`, with as many parts as `validation` likes best."""
    count = len(train.states)
    found = [_fitted(train, parts) for parts in SIZES if parts == 1 or parts * FEWEST_EACH <= count]
    return max(found, key=lambda mixture: mixture.log_prob(validation).mean())


def _fitted(rows: Flat, parts: int) -> Mixture:
    """By expectation and maximisation, from the rows that are nearest to some of them."""
    vectors = rows.vectors()
    # RandomState: its stream is frozen for all versions of numpy
    centres = vectors[np.random.RandomState(parts).choice(len(vectors), parts, replace=False)]
    nearest = ((centres**2).sum(axis=1) - 2.0 * vectors @ centres.T).argmin(axis=1)
    mixture = _maximised(rows, np.eye(parts)[nearest])
    for _ in range(ROUNDS if parts > 1 else 0):
        joint = mixture.log_joint(rows)
        mixture = _maximised(rows, np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)))
    return mixture


def _maximised(rows: Flat, shares: np.ndarray) -> Mixture:
    totals, reals = shares.sum(axis=0) + 1e-9, rows.reals
    means = shares.T @ reals / totals[:, None]
    spread = np.maximum(shares.T @ reals**2 / totals[:, None] - means**2, 0.0)
    floors = np.concatenate([np.full(rows.numbers.shape[1], NARROWEST), np.maximum(NARROWEST, 0.3 * rows.widths)])
    log_shares = []
    for codes, count in zip(rows.states.T, rows.categories, strict=True):
        seen = shares.T @ np.eye(count)[codes] + EXTRA / count
        log_shares.append(np.log(seen / seen.sum(axis=1, keepdims=True)))
    return Mixture(totals / totals.sum(), means, np.maximum(np.sqrt(spread), floors), tuple(log_shares))


def _log_between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Log of the probability of a unit normal number between two, computed in the tail where both are in one."""
    swapped = low > 0.0
    low, high = np.where(swapped, -high, low), np.where(swapped, -low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = log_ndtr(high) + np.log1p(-np.exp(np.minimum(log_ndtr(low) - log_ndtr(high), 0.0)))
    return np.where(high < -3.0, np.maximum(tail, -1e30), np.log(np.maximum(ndtr(high) - ndtr(low), 1e-300)))
