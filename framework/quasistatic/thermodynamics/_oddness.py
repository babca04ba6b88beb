"""How odd events are beside others: each term of -K(x) has a rank among theirs, and both ends of the ranks are odd.

K alone ranks what has less entropy than the data above the data. Its terms, which tell noise levels apart, do not.
"""

from __future__ import annotations

import attrs
import numpy as np

from quasistatic._process.ledger import Ledger


@attrs.frozen(eq=False)
class Oddness:
    """Of N events: `scores` (N,), higher is odder, in nats, and `p_values` (N,).

    A score is the largest surprise -ln 2 min(F, 1 - F) over the terms of an event, of which F is the share of known events below.
    A p-value is the share of known events whose scores among each other are at least as high; both count the event itself as one.
    """

    scores: np.ndarray
    p_values: np.ndarray


def oddness(known: Ledger, found: Ledger) -> Oddness:
    """Of the events of `found`, beside those of `known`: events held out, of the same diffusion, `times` and `key`.

    A dozen `steps` with some `repeats` do. Raises ValueError where the two have other times, or fewer than two events are known.
    """
    if not np.array_equal(known.times, found.times):
        raise ValueError("oddness: expected two ledgers at the same times")
    if len(known.terms) < 2:
        raise ValueError(f"oddness: expected at least two known events, got {len(known.terms)}")
    scores = _scores(known.terms, found.terms)
    of_known = np.sort(_scores(known.terms, known.terms))
    higher = len(of_known) - np.searchsorted(of_known, scores, side="left")
    return Oddness(scores, (1.0 + higher) / (1.0 + len(of_known)))


def _scores(known: np.ndarray, found: np.ndarray) -> np.ndarray:
    """From terms (n, M) and (N, M) to (N,)."""
    below, upto = (
        np.stack([np.searchsorted(np.sort(of_known), values, side=side) for of_known, values in zip(known.T, found.T, strict=True)])
        for side in ("left", "right")
    )
    share = (0.5 * (below + upto) + 0.5) / (1.0 + len(known))  # ties, as of a term that is always 0, are in the middle
    return np.asarray(-np.log(2.0 * np.minimum(share, 1.0 - share).min(axis=0)))
