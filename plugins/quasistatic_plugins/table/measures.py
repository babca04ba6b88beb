"""What rows are worth, as the field measures it: shapes of columns, trends of pairs, and a classifier that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quasistatic_plugins.table.columns import Column
from quasistatic_plugins.table.layout import states_of

BINS = 10  # of numbers, beside states
FOLDS = 5
COMPARED = 2_000  # rows at most


def judged(columns: Sequence[Column], samples: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Measures of values (N, columns), nan where they are missing, against `test`, beside those of as many training rows."""
    alike = train[np.linspace(0, len(train) - 1, min(len(samples), len(train))).astype(int)]
    found = {}
    for name, rows in (("", samples), ("_of_training", alike)):
        found[f"column_shapes{name}"] = column_shapes(columns, rows, test)
        found[f"pair_trends{name}"] = pair_trends(columns, rows, test)
    vectors = _Vectors(columns, train)
    for name, rows in (("", samples), ("_of_training", alike)):
        area = told_apart(vectors(rows[:COMPARED]), vectors(test[:COMPARED]))
        if area is not None:
            found[f"told_apart{name}"] = area
    near, held_out = (_nearest(vectors(train), vectors(rows[:COMPARED])) for rows in (samples, test))
    found["distance_to_closest_training_row"] = float(np.median(near))
    found["distance_to_closest_training_row_of_test"] = float(np.median(held_out))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def column_shapes(columns: Sequence[Column], a: np.ndarray, b: np.ndarray) -> float:
    """The mean over columns of 1 minus the Kolmogorov-Smirnov statistic, or of states 1 minus the total variation distance."""
    return float(np.mean([_shape(column, a[:, j], b[:, j]) for j, column in enumerate(columns)]))


def _shape(column: Column, x: np.ndarray, y: np.ndarray) -> float:
    if not column.is_number:
        return _overlap(_states(column, x)[:, None], _states(column, y)[:, None])
    x, y = np.sort(x[~np.isnan(x)]), np.sort(y[~np.isnan(y)])
    if not len(x) or not len(y):
        return 0.0
    places = np.concatenate([x, y])
    below = [np.searchsorted(each, places, "right") / len(each) for each in (x, y)]
    return 1.0 - float(np.abs(below[0] - below[1]).max())


def pair_trends(columns: Sequence[Column], a: np.ndarray, b: np.ndarray) -> float:
    """The mean over pairs: of numbers 1 minus half the difference of their correlations, else the overlap of frequencies.

    A number beside states is cut into ten bins of equal width, over what `b` has of it.
    """
    found = []
    for i, one in enumerate(columns):
        for j in range(i):
            other = columns[j]
            if one.is_number and other.is_number:
                found.append(1.0 - 0.5 * abs(_correlation(a[:, i], a[:, j]) - _correlation(b[:, i], b[:, j])))
            else:
                pairs = [
                    np.stack([_binned(one, rows[:, i], b[:, i]), _binned(other, rows[:, j], b[:, j])], axis=1) for rows in (a, b)
                ]
                found.append(_overlap(*pairs))
    return float(np.mean(found)) if found else 1.0


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    known = ~(np.isnan(x) | np.isnan(y))
    if not known.any():
        return 0.0
    x, y = (each[known] - each[known].mean() for each in (x, y))
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale > 0 else 0.0


def _binned(column: Column, x: np.ndarray, of: np.ndarray) -> np.ndarray:
    """States as they are; numbers by the bin of `of`, missing ones in one of their own."""
    if not column.is_number:
        return _states(column, x)
    edges = np.linspace(np.nanmin(of), np.nanmax(of), BINS + 1)[1:-1]
    return np.where(np.isnan(x), BINS, np.searchsorted(edges, x, "right"))


def _states(column: Column, x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), len(column.states), x).astype(int)


def _overlap(x: np.ndarray, y: np.ndarray) -> float:
    """1 minus the total variation distance between how often rows of states occur."""
    _, where = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
    where = where.ravel()
    shares = [np.bincount(part, minlength=where.max() + 1) / len(part) for part in (where[: len(x)], where[len(x) :])]
    return 1.0 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


class _Vectors:
    """Rows as vectors: numbers in deviations of the training rows, with a bit for missing ones, and a bit for every state."""

    def __init__(self, columns: Sequence[Column], train: np.ndarray):
        self._columns = columns
        self._means = [float(np.nanmean(train[:, j])) if column.is_number else 0.0 for j, column in enumerate(columns)]
        self._scales = [float(np.nanstd(train[:, j])) or 1.0 if column.is_number else 1.0 for j, column in enumerate(columns)]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        found = []
        for j, column in enumerate(self._columns):
            if column.is_number:
                found.append(np.nan_to_num((rows[:, [j]] - self._means[j]) / self._scales[j]))
                found.append(np.isnan(rows[:, [j]]).astype(float))
            else:
                found.append(np.eye(states_of(column))[np.minimum(_states(column, rows[:, j]), states_of(column) - 1)])
        return np.concatenate(found, axis=1)


def told_apart(a: np.ndarray, b: np.ndarray) -> float | None:
    """The area under the curve of a logistic regression that tells rows of `a` from those of `b`, on rows that it was not fitted
    to: a half where it cannot. None without scikit-learn, or for too few rows.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
    except ImportError:
        return None
    if min(len(a), len(b)) < 2 * FOLDS:
        return None
    rows, labels = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    chance = cross_val_predict(LogisticRegression(max_iter=1_000), rows, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, chance))


def _nearest(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    squares = (train**2).sum(axis=1) - 2.0 * rows @ train.T + (rows**2).sum(axis=1)[:, None]
    return np.sqrt(np.maximum(squares.min(axis=1), 0.0))
