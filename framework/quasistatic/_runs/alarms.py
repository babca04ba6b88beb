"""From scores to alarms: p-values beside held-out events, a threshold with a certificate, and lists with few false alarms.

Nothing here knows where scores come from, only that held-out events and usual ones are of one distribution.
"""

from __future__ import annotations

import attrs
import numpy as np
from scipy.special import betaincinv

CONFIDENCE = 0.95


@attrs.frozen
class Certificate:
    """With this `confidence` the rate of usual events that are flagged is `at_most`; on average over held-out sets it is `mean`."""

    threshold: float
    mean: float
    at_most: float
    confidence: float = CONFIDENCE


def p_values(known: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The share of the held-out scores `known` (n,) and of itself that is at least each of `scores` (N,): (N,).

    Of usual events a share p at most has p-values of p or less (split conformal prediction, Papadopoulos et al. 2002).
    """
    above = len(known) - np.searchsorted(np.sort(known), scores, side="left")
    return np.asarray((1.0 + above) / (len(known) + 1.0))


def certificate(known: np.ndarray, rate: float) -> Certificate:
    """The k-th highest of n held-out scores with k = rate (n + 1) rounded down: above it p-values are `rate` or less.

    The rate of usual events above the k-th highest of n is Beta(k, n + 1 - k), whatever their distribution (Wilks 1941); where
    k is 0 nothing is flagged.
    """
    count = len(known)
    rank = flagged_rank(count, rate)
    if rank == 0:
        return Certificate(np.inf, 0.0, 0.0)
    threshold = float(np.sort(known)[count - rank])
    return Certificate(threshold, rank / (count + 1.0), float(betaincinv(rank, count + 1 - rank, CONFIDENCE)))


def flagged_rank(count: int, rate: float) -> int:
    """Which of `count` held-out scores, from the highest, is the threshold of a `rate`; 0 where the rate is too low for so few."""
    return int(np.floor(rate * (count + 1.0) * (1.0 + 1e-12)))


def discoveries(p_values: np.ndarray, false_share: float) -> np.ndarray:
    """A list of p-values (N,), as booleans, of which at most `false_share` are usual events on average.

    Benjamini & Hochberg 1995; holds for conformal p-values, which share their held-out events (Bates et al. 2023).
    """
    count = len(p_values)
    ordered = np.sort(p_values)
    passing = np.flatnonzero(ordered <= false_share * np.arange(1, count + 1) / max(count, 1))
    return p_values <= ordered[passing[-1]] if len(passing) else np.zeros(count, bool)
