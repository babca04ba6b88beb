"""Numbers: stable logarithms, uniform draws, nearest neighbours."""

from __future__ import annotations

import numpy as np

from quasistatic._process.distribution import uniform as uniform
from quasistatic._process.finite import FLOOR as FLOOR
from quasistatic._process.finite import floored_log as floored_log
from quasistatic._process.finite import log_normalise as log_normalise

CELLS = 2**24  # distances at a time


def nearest(xs: np.ndarray, others: np.ndarray, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each of `xs` (M, size) to the nearest of `others` (N, size), and the number of that one, (M,) both.

    `own` (M,) are the numbers of `xs` among the others, if they are: a row is no neighbour of itself.
    """
    norms, distances, numbers = (others**2).sum(axis=1), [], []
    rows = max(1, CELLS // len(others))
    for start in range(0, len(xs), rows):
        part = xs[start : start + rows]
        squares = norms - 2.0 * part @ others.T
        if own is not None:
            squares[np.arange(len(part)), own[start : start + rows]] = np.inf
        chosen = squares.argmin(axis=1)
        numbers.append(chosen)
        # of the pair itself, so that a copy is at no distance, to the last bit
        distances.append(np.sqrt(((part - others[chosen]) ** 2).sum(axis=1)))
    return np.concatenate(distances), np.concatenate(numbers)
