"""Missing cells."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from quasistatic.sklearn.base import AbstractDiffusionEstimator


class DiffusionImputer(OneToOneFeatureMixin, TransformerMixin, AbstractDiffusionEstimator):  # type: ignore[misc]
    """Rows whose missing cells are filled with the median of their distribution given the others, or, with `draw`, with one draw.

    `particles` are those of `Run.impute`, `options` those of the recipe 'table'.
    """

    def __init__(self, *, draw: bool = False, particles: int = 128, options: Any = None, random_state: Any = None):
        self.draw, self.particles, self.options, self.random_state = draw, particles, options, random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows X (N, D), of which any cell may be missing."""
        self._fit_run(X)
        return self

    def transform(self, X: Any) -> Any:
        """The rows, known cells as they are: an array (N, D) of one, a data frame of a data frame."""
        check_is_fitted(self, "run_")
        frame = self._checked(X, True, reset=False)
        found = self.run_.impute(frame, draws=1, particles=self.particles, seed=self._seed)
        filled = found.draws[0] if self.draw else found.median
        return filled if hasattr(X, "columns") else filled.to_numpy()

    def _is_table(self, X: Any) -> bool:
        return True

    def _checked(self, X: Any, as_frame: bool, reset: bool) -> Any:
        """Arrays as frames without names of their own."""
        if hasattr(X, "columns"):
            return super()._checked(X, True, reset)
        values = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=1 + reset)
        names = [f"x{number}" for number in range(values.shape[1])]
        return pl.DataFrame(dict(zip(names, values.T, strict=True))).with_columns(pl.all().fill_nan(None))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
