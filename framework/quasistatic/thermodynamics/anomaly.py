"""Anomaly scores: each term of -K(x) is ranked among reference events; extreme ranks at either end are anomalous.

K alone ranks what has less entropy than the data above the data. Its terms, which tell noise levels apart, do not.
"""

from __future__ import annotations

import attrs
import numpy as np

from quasistatic._process.ledger import Ledger

__all__ = ["AnomalyScores", "anomaly_scores"]

CELLS = 2**24  # ranks at a time


@attrs.frozen(eq=False)
class AnomalyScores:
    """Of N events: `scores` (N,), higher is more anomalous, in nats, and `p_values` (N,).

    An event is put among the known ones. A score is its largest surprise -ln 2 min(F, 1 - F) over the terms, of which F is the
    share of that set below it. A p-value is the share of the set, itself included, that is at least as anomalous in it; of two with
    the same score the more anomalous is the one with the shorter tails in all terms together. Of events like the known ones a share
    p at most has p-values of p or less, however few are known (conformal prediction, Vovk et al. 2005).
    """

    scores: np.ndarray
    p_values: np.ndarray


def anomaly_scores(known: Ledger, found: Ledger) -> AnomalyScores:
    """Of the events of `found`, beside those of `known`, held out: of the same diffusion and `times`, each by a `key` of its own.

    A dozen `steps` with some `repeats` do. Raises ValueError where the two have other times, or fewer than two events are known.
    """
    if not np.array_equal(known.times, found.times):
        raise ValueError("anomaly_scores: expected two ledgers at the same times")
    if len(known.terms) < 2:
        raise ValueError(f"anomaly_scores: expected at least two known events, got {len(known.terms)}")
    count = len(known.terms) + 1
    tails, among_known = _tails(_ranks(known.terms, found.terms) + 1, count), _ranks(known.terms, known.terms)
    of_new, together, parts = _ordered(tails, count), max(1, CELLS // known.terms.size), []
    for start in range(0, len(of_new), together):
        rows = slice(start, start + together)
        new = found.terms[rows, None]
        # each known event, in the set with the new one
        of_known = _ordered(_tails(among_known + (new < known.terms) + (new <= known.terms), count), count)
        parts.append((1 + (of_known <= of_new[rows, None]).sum(axis=1)) / count)
    return AnomalyScores(-np.log(tails.min(axis=1) / count), np.concatenate(parts))


def _ranks(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How many of the known terms (n, M) are below each of the values (N, M), and how many not above, added: (N, M)."""
    ordered = np.sort(known, axis=0)
    sides = ([np.searchsorted(*pair, side=side) for pair in zip(ordered.T, values.T, strict=True)] for side in ("left", "right"))
    return np.sum([np.stack(ranks, axis=1) for ranks in sides], axis=0)


def _tails(ranks: np.ndarray, count: int) -> np.ndarray:
    """Twice as many events as are in the shorter tail, of each term: whole numbers, so that ties are ties."""
    return np.minimum(ranks, 2 * count - ranks)


def _ordered(tails: np.ndarray, count: int) -> np.ndarray:
    """A number for each event, the lower the more anomalous: by the shortest of its tails (..., M), then by all of them."""
    return np.asarray(tails.min(axis=-1) * (tails.shape[-1] * count + 1) + tails.sum(axis=-1))
