"""Simple models of rows that say how unusual one is, by columns: neighbours, columns alone, and mixtures as they are and bent.

None is best on all tables, and which is best cannot be seen without labels; together they are seldom far behind it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import attrs
import numpy as np

from quasistatic.kits.tables.normal_mixtures import FEWEST_EACH, MIXED_AT_MOST, FittedMixture, fitted, one_normal

ROWS = 2_000  # training rows at most
SCALING = 500  # of these, how many stand for all
NEAREST = 5
BANDWIDTH = 0.3  # in deviations of a column
FLOOR = 0.05  # of the variances along the axes of neighbours, in those of the columns
PARTS, RESAMPLED = (1, 2, 4, 8), 3  # the sizes of mixtures, and how many samples of the training rows each is fitted to
MOST_MIXED = 128  # elements: beyond, mixtures have one part
POWERS = (-3.0, 5.0)  # within which the power of a bend stays: beyond, float64 has no such numbers
LOG_TAU = math.log(2.0 * math.pi)

Surprises = Mapping[str, Mapping[str, np.ndarray]]


@attrs.frozen(eq=False)
class Ensemble:
    """Mixtures of vectors, one after another: M members with C parts in all.

    `member` (C,) is the number of each part's mixture; `is_without` (M, n) says which training rows a member was not fitted to.
    """

    member: np.ndarray
    constants: np.ndarray  # (C,): log weight less that of the normalisation
    means: np.ndarray  # (C, size)
    inverse_roots: np.ndarray  # (C, size, size)
    is_without: np.ndarray

    @classmethod
    def fit(cls, train: np.ndarray) -> Ensemble:
        """To samples of the rows of `train` (n, size) with replacement."""
        count, size = train.shape
        repeats = RESAMPLED if size <= MIXED_AT_MOST else 1
        rng, found, is_without = np.random.RandomState(0), [], []
        for parts in PARTS:
            for number in range(repeats if parts == 1 or (parts * FEWEST_EACH <= count and size <= MOST_MIXED) else 0):
                rows = rng.randint(0, count, count)
                mixture = one_normal(train[rows]) if parts == 1 else fitted(parts, train[rows], number)
                if mixture is not None:
                    found.append(mixture)
                    is_without.append(np.bincount(rows, minlength=count) == 0)
        return cls._of(found, np.array(is_without))

    @classmethod
    def _of(cls, mixtures: Sequence[FittedMixture], is_without: np.ndarray) -> Ensemble:
        covariances = np.concatenate([each.covariances for each in mixtures])
        roots = np.linalg.cholesky(covariances)
        halves = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        logs = np.log(np.concatenate([each.weights for each in mixtures]))
        member = np.repeat(np.arange(len(mixtures)), [len(each) for each in mixtures])
        constants = logs - halves - 0.5 * LOG_TAU * covariances.shape[1]
        return cls(member, constants, np.concatenate([each.means for each in mixtures]), np.linalg.inv(roots), is_without)

    def terms(self, x: np.ndarray, row: int | None) -> np.ndarray:
        """Minus the mean log density of x (size,), by its elements, (size,); of a training row, of members without it.

        The distance from a part's mean is a sum over elements; what no element has is shared by all.
        """
        away = x - self.means
        along = np.matmul(self.inverse_roots, away[:, :, None])
        pulls = 0.5 * away * np.matmul(self.inverse_roots.swapaxes(1, 2), along)[:, :, 0]  # (C, size)
        joint = self.constants - pulls.sum(axis=1)
        starts = np.flatnonzero(np.diff(self.member, prepend=-1))
        totals = np.logaddexp.reduceat(joint, starts)  # (M,)
        members = np.ones(len(totals), bool) if row is None else self.is_without[:, row]
        members = members if members.any() else np.ones(len(totals), bool)
        weights = np.exp(joint - totals[self.member]) * members[self.member] / members.sum()
        own = weights @ pulls
        return np.asarray(own + (-totals[members].mean() - own.sum()) / len(own))


@attrs.frozen(eq=False)
class RowModels:
    """Models of vectors (size,) fitted to training ones; element j of a vector is of column `columns[j]`."""

    columns: tuple[str, ...]
    shift: np.ndarray
    scale: np.ndarray
    train: np.ndarray  # (n, size), scaled
    axes: np.ndarray  # (size, size): along its columns all variances are about one
    along: np.ndarray  # (n, size): training rows along the axes
    powers: np.ndarray
    bent_scale: tuple[np.ndarray, np.ndarray]
    mixtures: Ensemble
    bent_mixtures: Ensemble

    @classmethod
    def fit(cls, train: np.ndarray, columns: Sequence[str]) -> RowModels:
        """To the first of the vectors `train` (n, size), n at least 2, size at least 1."""
        train = np.asarray(train[:ROWS], np.float64)
        shift, scale = train.mean(axis=0), _deviations(train)
        train = (train - shift) / scale
        variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(train.T)))
        axes = axes / np.sqrt(np.maximum(variances, 0.0) + FLOOR)
        powers = np.array([_power(column) for column in train.T])
        bent = _bent(train, powers)
        bent_scale = bent.mean(axis=0), _deviations(bent)
        bent_mixtures = Ensemble.fit((bent - bent_scale[0]) / bent_scale[1])
        ensemble = Ensemble.fit(train)
        return cls(tuple(columns), shift, scale, train, axes, train @ axes, powers, bent_scale, ensemble, bent_mixtures)

    def surprises(self, vectors: np.ndarray | None) -> Surprises:
        """Terms (N,) of each of `vectors` (N, size), by models and columns; None for training rows, each beside the others."""
        rows: list[tuple[np.ndarray, int | None]]
        if vectors is None:
            rows = [(x, number) for number, x in enumerate(self.train[:SCALING])]
        else:
            rows = [(x, None) for x in (np.asarray(vectors, np.float64) - self.shift) / self.scale]
        models: Mapping[str, Callable[[np.ndarray, int | None], np.ndarray]] = {
            "neighbours": self._neighbours,
            "columns alone": self._alone,
            "mixtures": self.mixtures.terms,
            "mixtures of bent columns": self._of_bent,
        }
        # row by row, in one shape: so a row's numbers are the same in any company, to the bit
        found = {name: np.array([model(*row) for row in rows]).reshape(len(rows), -1) for name, model in models.items()}
        return {name: self._by_column(terms) for name, terms in found.items()}

    def _by_column(self, terms: np.ndarray) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for column, own in zip(self.columns, terms.T, strict=True):
            found[column] = found[column] + own if column in found else own
        return found

    def _neighbours(self, x: np.ndarray, row: int | None) -> np.ndarray:
        """The mean distance from the nearest training rows, where all axes of the cloud are about as long."""
        away = x - self.train
        along = self.along - _product(x, self.axes)
        distances = np.sqrt((along**2).sum(axis=1))
        if row is not None:
            distances[row] = np.inf
        nearest = np.argsort(distances, kind="stable")[: min(NEAREST, len(distances) - (row is not None))]
        pulls = away[nearest] * -np.matmul(along[nearest], self.axes.T)
        return np.asarray((pulls / np.maximum(distances[nearest], 1e-12)[:, None]).mean(axis=0))

    def _alone(self, x: np.ndarray, row: int | None) -> np.ndarray:
        """Minus the log density of each number under smoothed training numbers of its column."""
        exponents = -0.5 * ((x - self.train) / BANDWIDTH) ** 2
        if row is not None:
            exponents[row] = -np.inf
        return math.log(len(self.train) * BANDWIDTH) - np.logaddexp.reduce(exponents, axis=0)

    def _of_bent(self, x: np.ndarray, row: int | None) -> np.ndarray:
        shift, scale = self.bent_scale
        return self.bent_mixtures.terms((_bent(x[None], self.powers)[0] - shift) / scale, row)


def _product(x: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.matmul(x[None], axes)[0]


def _deviations(train: np.ndarray) -> np.ndarray:
    found = train.std(axis=0)
    return np.where(found > 1e-6, found, 1.0)


def _power(column: np.ndarray) -> float:
    """The Yeo-Johnson power that makes a column nearest to normal; 1, no bend, where there is none."""
    from scipy.stats import yeojohnson_normmax  # its import sets filters of warnings

    if np.ptp(column) < 1e-6:
        return 1.0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = float(yeojohnson_normmax(column))
    return float(np.clip(found, *POWERS)) if math.isfinite(found) else 1.0


def _bent(rows: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Rows (N, size) with each column raised to its power (Yeo & Johnson 2000)."""
    is_up = rows >= 0.0
    power = np.where(is_up, powers, 2.0 - powers)
    log = np.log1p(np.abs(rows))
    safe = np.where(np.abs(power) < 1e-6, 1.0, power)
    with np.errstate(over="ignore"):
        bent = np.where(np.abs(power) < 1e-6, log, np.expm1(np.minimum(power * log, 50.0)) / safe)
    return np.where(is_up, bent, -bent)
