"""Classes of rows: known ones, and ones that are learned without labels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, ClusterMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from quasistatic.kits.classes import fit_classes, learn_classes
from quasistatic.sklearn.base import AbstractDiffusionEstimator, is_mixed


class _AbstractClasses(AbstractDiffusionEstimator):
    def predict_proba(self, X: Any) -> np.ndarray:
        """p(class given x) by K given each class, (N, classes), a function of each row alone; even for one outside of the model."""
        data = self._events(X)
        with np.errstate(invalid="ignore"):
            found = np.exp(self.learned_.of(data, seed=self._seed)) if len(data) else np.zeros((0, self.learned_.count))
        even = 1.0 / self.learned_.count
        return self._in_order(data, np.where(np.isfinite(found).all(axis=1, keepdims=True), found, even), even)


class DiffusionClassifier(ClassifierMixin, _AbstractClasses):  # type: ignore[misc]
    """A network learns rows given their class; Bayes' rule gives the class back (Li et al. 2023).

    `options` are those of the recipe.
    """

    def __init__(self, *, options: Any = None, random_state: Any = None):
        self.options, self.random_state = options, random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows X (N, D) with their classes y (N,)."""
        if y is None:
            raise ValueError("DiffusionClassifier requires y to be passed, but the target y is None")
        self._checked(X, is_mixed(X), reset=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"expected at least two classes, got one class, {self.classes_[0]}")
        self._fit_run(X)
        data = self._events(X)
        updates, known = self.run_.task.options.updates, numbers[data.numbers]
        self.learned_ = fit_classes(self.run_, data, known, len(self.classes_), updates=updates, seed=self._seed)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, (N,)."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]


class DiffusionClusterer(ClusterMixin, _AbstractClasses):  # type: ignore[misc]
    """Classes that are learned without labels, by EM: `labels_` (N,).

    `method` makes the first groups: 'spectral', 'ward', 'kmeans'. `options` are those of the recipe.
    """

    def __init__(self, n_clusters: int = 8, *, method: str = "spectral", options: Any = None, random_state: Any = None):
        self.n_clusters, self.method, self.options, self.random_state = n_clusters, method, options, random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows X (N, D)."""
        self._fit_run(X)
        self.learned_ = learn_classes(self.run_, self.n_clusters, method=self.method, seed=self._seed)
        self.labels_ = self.predict(X)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The number of the class of each row, (N,)."""
        return self.predict_proba(X).argmax(axis=1)
