"""What rows are worth, as the field measures it: shapes of columns, trends of pairs, and classifiers that separate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.columns import Column

BINS = 10  # of numbers, beside states
FOLDS = 5
COMPARED = 2_000  # rows at most
GIVEAWAYS = 3  # columns at most that are named
LEAST = 0.05  # share of one that is
SURE = 4.0  # deviations that an AUC has by chance: beyond them columns are named


def judged(columns: Sequence[Column], samples: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Measures of values (N, columns), nan where they are missing, against `test`, beside those of as many training rows.

    `classifier_auc_linear` and `classifier_auc_trees` are how well samples are separated from test rows: 0.5 where they cannot be,
    1 where every one can. Columns that give samples away are named, the most telling first: `given_away_by_NAME` is the share
    of the column in what the trees know. Without scikit-learn, or for too few rows, they are left out.
    """
    alike = train[np.linspace(0, len(train) - 1, min(len(samples), len(train))).astype(int)]
    found = {}
    for name, rows in (("", samples), ("_of_training", alike)):
        found[f"column_shapes{name}"] = column_shapes(columns, rows, test)
        found[f"pair_trends{name}"] = pair_trends(columns, rows, test)
    vectors = _Vectors(columns, train)
    found |= _separation(columns, vectors, {"": samples, "_of_training": alike}, test)
    near, held_out = (qs.numerics.nearest(vectors(rows[:COMPARED]), vectors(train))[0] for rows in (samples, test))
    found["distance_to_closest_training_row"] = float(np.median(near))
    found["distance_to_closest_training_row_of_test"] = float(np.median(held_out))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _separation(
    columns: Sequence[Column], vectors: _Vectors, compared: Mapping[str, np.ndarray], test: np.ndarray
) -> dict[str, float]:
    """What classifiers find between rows, by the endings of the names of measures, and `test`."""
    try:
        from threadpoolctl import threadpool_limits  # scikit-learn has it
    except ImportError:
        return {}
    found: dict[str, float] = {}
    with threadpool_limits(1):  # on so few rows threads gain nothing, and wait for one another where cores are busy
        for name, rows in compared.items():
            linear = crossed("linear", vectors(rows[:COMPARED]), vectors(test[:COMPARED]))
            trees = crossed("trees", rows[:COMPARED], test[:COMPARED])
            if linear and trees:
                found |= {f"classifier_auc_linear{name}": mean_auc(linear), f"classifier_auc_trees{name}": mean_auc(trees)}
                shares = {} if name else giveaways(trees)
                found |= {f"given_away_by_{columns[number].name}": share for number, share in shares.items()}
    return found


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
    return x.astype(int)


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
                found.append(np.eye(column.state_count)[np.minimum(_states(column, rows[:, j]), column.state_count - 1)])
        return np.concatenate(found, axis=1)


@attrs.frozen(eq=False)
class Fold:
    """A classifier, and rows (n, k) that it was not fitted to, with labels (n,) that say which of two samples they are of."""

    classifier: Any
    rows: np.ndarray
    labels: np.ndarray

    def auc(self, rows: np.ndarray) -> float:
        """The area under the curve, of these rows in the place of its own."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self.labels, self.classifier.predict_proba(rows)[:, 1]))


def crossed(kind: Literal["linear", "trees"], a: np.ndarray, b: np.ndarray) -> list[Fold]:
    """Classifiers of rows (N, k) of `a` and of `b`, each fitted to all folds but its own; trees take nan where a cell is missing.

    They are logistic regressions, or trees, boosted until rows held out of the fit are separated no better. Nothing without
    scikit-learn, or for too few rows. Source: Lopez-Paz & Oquab 2017 (classifier two-sample tests).
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold
    except ImportError:
        return []
    if min(len(a), len(b)) < 2 * FOLDS:
        return []
    rows, labels = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    found = []
    for fitted, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels):
        if kind == "linear":
            classifier = LogisticRegression(max_iter=1_000)
        else:
            classifier = HistGradientBoostingClassifier(early_stopping=True, random_state=0)
        found.append(Fold(classifier.fit(rows[fitted], labels[fitted]), rows[held_out], labels[held_out]))
    return found


def mean_auc(folds: Sequence[Fold]) -> float:
    """Of rows that classifiers were not fitted to: a half where nothing separates them."""
    return float(np.mean([fold.auc(fold.rows) for fold in folds]))


def giveaways(folds: Sequence[Fold]) -> dict[int, float]:
    """The numbers of the columns that separate rows, the most telling first, with their shares.

    A column is worth the AUC that is lost where its values are shuffled over rows that the classifier was not fitted to. It is
    named if that is more than two standard errors over folds, and LEAST of what all columns are worth; and no column is where
    the AUC itself may be chance. Of columns that say the same each is worth less than it would be alone.
    Source: Breiman 2001, section 10 (permutation importance).
    """
    random, counts = np.random.RandomState(0), np.sum([np.bincount(fold.labels, minlength=2) for fold in folds], axis=0)
    by_chance = np.sqrt((counts.sum() + 1) / (12.0 * counts.prod()))
    if mean_auc(folds) < 0.5 + SURE * by_chance:
        return {}
    kept = np.array([[fold.auc(_shuffled(fold.rows, j, random)) for j in range(fold.rows.shape[1])] for fold in folds])
    lost = np.array([[fold.auc(fold.rows)] for fold in folds]) - kept
    worth, error = lost.mean(axis=0), lost.std(axis=0, ddof=1) / np.sqrt(len(folds))
    total = np.maximum(worth, 0.0).sum()
    telling = np.argsort(-worth)[:GIVEAWAYS]
    return {int(j): float(worth[j] / total) for j in telling if worth[j] > max(2.0 * error[j], LEAST * total)}


def _shuffled(rows: np.ndarray, j: int, random: np.random.RandomState) -> np.ndarray:
    found = rows.copy()
    found[:, j] = random.permutation(rows[:, j])
    return found
