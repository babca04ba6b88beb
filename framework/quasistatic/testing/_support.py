"""Which figures an event may have."""

from __future__ import annotations

import numpy as np

from quasistatic._event import Event


def inside(x: np.ndarray, event: Event) -> np.ndarray:
    """Whether each figure of events (N, *event) is one that the event declares."""
    if event.quantised:
        assert event.low is not None and event.high is not None and event.levels is not None
        spacing = (event.high - event.low) / (event.levels - 1)
        level = (x - event.low) / spacing
        return (np.abs(level - np.round(level)) < 1e-3) & (level > -0.5) & (level < event.levels - 0.5)
    if event.support == "binary":
        return (x == 0) | (x == 1)
    if event.support == "categorical":
        return (x == np.round(x)) & (x >= 0) & (x < (event.categories or 0))
    return np.isfinite(x)
