"""Numbers: stable logarithms, uniform draws, nearest neighbours."""

from __future__ import annotations

import numpy as np

from quasistatic._process.distribution import uniform as uniform
from quasistatic._process.finite import FLOOR as FLOOR
from quasistatic._process.finite import floored_log as floored_log
from quasistatic._process.finite import log_normalise as log_normalise

ROWS, OTHERS = 256, 4096  # of distances that are worked out at a time: they stay in the caches


def nearest(xs: np.ndarray, others: np.ndarray, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each of `xs` (M, size) to the nearest of `others` (N, size), and the number of that one, (M,) both.

    `own` (M,) are the numbers of `xs` among the others, if they are: a row is no neighbour of itself.
    """
    norms, least, numbers = (others**2).sum(axis=1), np.full(len(xs), np.inf), np.zeros(len(xs), np.int64)
    for first in range(0, len(others), OTHERS):
        block = slice(first, first + OTHERS)
        for start in range(0, len(xs), ROWS):
            part = slice(start, start + ROWS)
            squares = norms[block] - 2.0 * xs[part] @ others[block].T
            if own is not None:
                here = np.flatnonzero((own[part] >= first) & (own[part] < first + OTHERS))
                squares[here, own[part][here] - first] = np.inf
            chosen = squares.argmin(axis=1)
            found = squares[np.arange(len(chosen)), chosen]
            is_nearer = found < least[part]
            least[part][is_nearer], numbers[part][is_nearer] = found[is_nearer], chosen[is_nearer] + first
    # of the pair itself, so that a copy is at no distance, to the last bit
    return np.sqrt(((xs - others[numbers]) ** 2).sum(axis=1)), numbers
