"""Features of rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from quasistatic.sklearn.base import AbstractDiffusionEstimator


class DiffusionTransformer(TransformerMixin, AbstractDiffusionEstimator):  # type: ignore[misc]
    """Rows as vectors of what a run knows of them: `Run.features`, whose options `by`, `time` and `repeats` are.

    `options` are those of the recipe.
    """

    def __init__(self, *, by: str = "mean", time: Any = "auto", repeats: int = 16, options: Any = None, random_state: Any = None):
        self.by, self.time, self.repeats, self.options, self.random_state = by, time, repeats, options, random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows X (N, D)."""
        self._fit_run(X)
        known = self._features(self.run_.source.split("train", 1), self.time)
        self.time_, self._names = known.time, known.names
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Features (N, F), each row's a function of that row alone; nan for one outside of the model."""
        data = self._events(X)
        found = self._features(data, self.time_)
        return self._in_order(found.data, found.values, np.nan)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the F features."""
        check_is_fitted(self, "run_")
        return np.array(self._names, object)

    def _features(self, data: Any, time: Any) -> Any:
        by: Any = self.by
        return self.run_.features(data, by=by, time="auto" if time is None else time, seed=self._seed, repeats=self.repeats)
