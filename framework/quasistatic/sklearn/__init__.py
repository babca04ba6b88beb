"""Diffusion models as estimators of scikit-learn (the extra `sklearn`): fitted in memory, on arrays or data frames."""

from __future__ import annotations

from quasistatic.errors import InputError

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise InputError('quasistatic.sklearn needs scikit-learn: pip install "quasistatic[sklearn]"') from error

from quasistatic.sklearn.classes import DiffusionClassifier, DiffusionClusterer
from quasistatic.sklearn.density import DiffusionDensity
from quasistatic.sklearn.features import DiffusionTransformer
from quasistatic.sklearn.imputer import DiffusionImputer
from quasistatic.sklearn.outliers import DiffusionOutlierDetector

__all__ = [
    "DiffusionClassifier",
    "DiffusionClusterer",
    "DiffusionDensity",
    "DiffusionImputer",
    "DiffusionOutlierDetector",
    "DiffusionTransformer",
]
