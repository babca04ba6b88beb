"""What the estimators share: a run in memory, and events from what users give."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import quasistatic as qs
from quasistatic._data.conversion import from_user
from quasistatic._data.source import AbstractFramed, capability


class AbstractDiffusionEstimator(BaseEstimator):  # type: ignore[misc]
    """A run of the recipe 'array' on arrays and frames of numbers, or of 'table' on frames that have other columns.

    `options` are those of the recipe, such as `{"training.updates": 1000}`. `random_state` fixes every draw.
    """

    options: Any
    random_state: Any
    run_: qs.Run

    def _fit_run(self, X: Any, **options: Any) -> None:
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        name = "table" if self._is_table(X) else "array"
        data = self._checked(X, name == "table", reset=True)
        # whole numbers from 0 on are numbers here, and no categories
        real = {} if name == "table" else {"source.support": "real"}
        given = {"seed": self._seed, "training.observers": [], **real, **options, **(self.options or {})}
        self.run_ = qs.train(qs.load_recipe(name, given), data)

    def _is_table(self, X: Any) -> bool:
        return is_mixed(X)

    def _events(self, X: Any) -> qs.Data:
        """Rows that are outside of the model are `outside`."""
        check_is_fitted(self, "run_")
        framed = capability(self.run_.source, AbstractFramed)
        values = self._checked(X, framed is not None, reset=False)
        return qs.Data(from_user(self.run_.source, values)) if framed is None else framed.read_frame(values)

    def _checked(self, X: Any, as_frame: bool, reset: bool) -> Any:
        if as_frame:
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1)

    def _in_order(self, data: qs.Data, values: np.ndarray, outside: float) -> np.ndarray:
        """Values (N, ...) of events as those of all rows, with `outside` in the place of those that are no events."""
        found = np.full((len(data) + len(data.outside), *values.shape[1:]), outside)
        found[data.numbers] = values
        return found


def is_mixed(X: Any) -> bool:
    """Whether it is a data frame with columns that are no numbers."""
    columns = getattr(X, "columns", None)
    if columns is None or not hasattr(X, "dtypes"):
        return False
    kinds = X.dtypes if isinstance(X.dtypes, list) else list(X.dtypes)
    return not all(getattr(kind, "is_numeric", lambda kind=kind: getattr(kind, "kind", "O") in "iuf")() for kind in kinds)
