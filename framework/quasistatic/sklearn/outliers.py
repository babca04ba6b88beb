"""Outliers, with p-values."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin

import quasistatic as qs
from quasistatic.sklearn.base import AbstractDiffusionEstimator


class DiffusionOutlierDetector(OutlierMixin, AbstractDiffusionEstimator):  # type: ignore[misc]
    """How unusual rows are beside those of training: `Run.score`.

    `contamination` is the rate at which usual rows may be called outliers: by held-out rows, a share `held_out` of X, that p-values
    are taken beside. `options` are those of the recipe.
    """

    def __init__(self, *, contamination: float = 0.05, held_out: float = 0.2, options: Any = None, random_state: Any = None):
        self.contamination, self.held_out, self.options, self.random_state = contamination, held_out, options, random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows X (N, D), usual ones as far as is known."""
        if not 0.0 < self.contamination <= 0.5:
            raise ValueError(f"contamination: expected a rate above 0 and up to 0.5, got {self.contamination}")
        self._fit_run(X, **{"source.test_share": self.held_out})
        known = self.run_.score(self.run_.source.split("test"), rate=self.contamination, seed=self._seed)
        self.offset_ = -float(known.certificate.threshold)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Minus the score of each row, (N,), a function of that row alone; minus infinity for one outside of the model."""
        found = self._found(X)
        return self._in_order(found.data, -found.scores, -np.inf)

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` above the threshold, (N,): negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, else 1, (N,)."""
        return np.where(self.decision_function(X) < 0.0, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """The share of held-out rows, the row itself included, that is at least as unusual, (N,)."""
        found = self._found(X)
        return self._in_order(found.data, found.p_values, 1.0 / (len(found.known) + 1.0))

    def _found(self, X: Any) -> qs.Scores:
        events = self._events(X)
        return self.run_.score(events, rate=self.contamination, seed=self._seed)
