"""Model units of a table: from its training rows alone, a few at a time, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import quasistatic as qs

WHITEN_AT_MOST = 512  # elements: their covariance is a matrix in memory
DEPENDENT = 1e-9  # of a column's variance: what is left of one that others determine


def standardise(table: qs.files.Table, rows: np.ndarray, scale: str) -> tuple[qs.Units, np.ndarray]:
    """Units of real data, and the deviation of each element (*event).

    Every element is centred. `scale` is 'columns' (each by its own deviation), 'one' (all by the rms deviation), or
    'whiten' (the full covariance becomes the unit matrix). Raises DataError for an element that is constant.
    """
    mean, variance, constant = _moments(table, rows)
    if constant.any():
        raise qs.DataError(
            f"{table.name}: constant in the training split: {table.names(constant)}; a constant has an infinite "
            "density: leave it out (source.drop), or set source.support if the numbers are categories or levels"
        )
    deviation = np.sqrt(variance)
    if not (deviation.min() > 1e-100 and deviation.max() < 1e100):
        extreme = deviation.max() if deviation.max() >= 1e100 else deviation.min()
        raise qs.DataError(f"{table.name}: the numbers spread over {extreme:.3g}, too extreme; choose another unit")
    if scale == "one":
        return qs.Units(mean, math.sqrt(float(variance.mean()))), deviation
    units = qs.Units(mean, deviation)
    return (qs.Units(mean, deviation, _mixing(table, rows, units)) if scale == "whiten" else units), deviation


def centred(table: qs.files.Table, rows: np.ndarray) -> qs.Units:
    """Units of levels: one shift and one scale for all elements, of which some may be constant."""
    mean, variance, _ = _moments(table, rows)
    middle = float(mean.mean())
    return qs.Units(middle, math.sqrt(float(np.mean(variance + (mean - middle) ** 2))))


def _moments(table: qs.files.Table, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance, and whether all numbers are the same, of each element."""
    # deviations from one event are small where the numbers themselves may be large
    origin = next(table.chunks(rows[:1]))[0]
    total, low, high = np.zeros_like(origin), np.zeros_like(origin), np.zeros_like(origin)
    with np.errstate(over="ignore", invalid="ignore"):
        for chunk in table.chunks(rows):
            away = chunk - origin
            total = total + away.sum(axis=0)
            low, high = np.minimum(low, away.min(axis=0)), np.maximum(high, away.max(axis=0))
        mean = origin + total / len(rows)
        variance = sum(((chunk - mean) ** 2).sum(axis=0) for chunk in table.chunks(rows)) / len(rows)
    return mean, variance, low == high


def _mixing(table: qs.files.Table, rows: np.ndarray, units: qs.Units) -> np.ndarray:
    """The lower triangular root of the correlations. Raises DataError where elements determine one another."""
    size = math.prod(table.values.shape[1:])
    if size > WHITEN_AT_MOST:
        raise qs.DataError(
            f'{table.name}: source.scale = "whiten" takes events of at most {WHITEN_AT_MOST} numbers, these have {size}'
        )
    flat: Iterator[np.ndarray] = (units.to_model(chunk).reshape(len(chunk), -1) for chunk in table.chunks(rows))
    correlations = sum(chunk.T @ chunk for chunk in flat) / len(rows)
    values, vectors = np.linalg.eigh(correlations)
    if values[0] < DEPENDENT * size:
        bound = (np.abs(vectors[:, 0]) > 0.1).reshape(table.values.shape[1:])
        raise qs.DataError(
            f"{table.name}: {table.names(bound)} determine one another in the training split, so that no density exists "
            'and source.scale = "whiten" cannot be; leave one of them out (source.drop)'
        )
    return np.linalg.cholesky(correlations)
