"""Numbers of events, averaged."""

from __future__ import annotations

import math

import attrs
import numpy as np


def standard_errors(per_event: np.ndarray) -> np.ndarray:
    """Of the means over events, from values (N, ...)."""
    with np.errstate(invalid="ignore"):
        return per_event.std(axis=0, ddof=1) / math.sqrt(len(per_event))


@attrs.frozen(eq=False)
class PerEvent:
    """A quantity of each of N events, (N, M), in nats."""

    per_event: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(M,)"""
        return self.per_event.mean(axis=0)

    @property
    def standard_errors(self) -> np.ndarray:
        """Of `mean`, (M,)."""
        return standard_errors(self.per_event)
