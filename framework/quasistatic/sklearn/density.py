"""A density, by K."""

from __future__ import annotations

import functools
from typing import Any, Self

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from quasistatic._data.conversion import log_scale
from quasistatic._data.source import AbstractFramed, capability
from quasistatic._process.own_noise import terms_with_own_noise
from quasistatic._training.keys import Role, role_key
from quasistatic.sklearn.base import AbstractDiffusionEstimator


class DiffusionDensity(DensityMixin, AbstractDiffusionEstimator):  # type: ignore[misc]
    """A lower bound on the log-density of rows, K, in the units of the data; and samples.

    `options` are those of the recipe, `steps` T of the chain of K, `repeats` its draws for each row.
    """

    def __init__(self, *, options: Any = None, steps: int = 200, repeats: int = 2, random_state: Any = None):
        self.options, self.steps, self.repeats, self.random_state = options, steps, repeats, random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows X (N, D)."""
        self._fit_run(X)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """K of each row in nats, (N,), a function of that row alone; minus infinity for one outside of the model."""
        data = self._events(X)
        if not len(data):
            return np.full(len(data.outside), -np.inf)
        key, run = role_key(self._seed, Role.EVALUATION), self.run_
        terms = terms_with_own_noise(run.diffusion, data.x, key=key, steps=self.steps, side=data.side, repeats=self.repeats)
        # one after another: in what order numpy sums may depend on how many rows there are
        bounds = -functools.reduce(np.add, np.moveaxis(terms, 2, 0)).mean(axis=0)
        scale = log_scale(run.source, data.x)
        return self._in_order(data, bounds - (0.0 if scale is None else scale), -np.inf)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1) -> Any:
        """Rows in the units of the data: an array (n_samples, D), or a data frame where one was fitted that is not of numbers."""
        check_is_fitted(self, "run_")
        is_framed = capability(self.run_.source, AbstractFramed) is not None
        return self.run_.sample(n_samples, seed=self._seed, as_frame=is_framed)
