"""Numbers within bounds as numbers without: far from a bound nearly as they are, near it by their logarithm.

With u = x - low, T(x) = x + s log(1 - exp(-u / s)), the inverse of a softplus with the scale s: a large s makes it a logarithm,
a small one leaves numbers as they are. An upper bound is the mirror image of it. In float64, on the host.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

SCALES = np.geomspace(0.02, 50.0, 24)  # tried, in deviations of the numbers
ROUNDS = 200  # bisections of an interval, more than float64 has digits


@attrs.frozen
class Bend:
    """The bounds of numbers, None where there is none, and the scale s."""

    low: float | None = None
    high: float | None = None
    scale: float = 1.0

    @property
    def is_straight(self) -> bool:
        """Whether there is no bound, and numbers are used as they are."""
        return self.low is None and self.high is None

    def keeps(self, x: np.ndarray) -> bool:
        """Whether numbers (N,) within the bounds are finite on the line: float64 has some too near to a bound."""
        with np.errstate(divide="ignore"):
            return bool(np.isfinite(self.to_line(x)).all())

    def to_line(self, x: np.ndarray) -> np.ndarray:
        """Numbers (N,) within the bounds as any real numbers."""
        found = np.array(x, np.float64)
        if self.low is not None:
            found = found + self.scale * np.log(-np.expm1(-(x - self.low) / self.scale))
        if self.high is not None:
            found = found - self.scale * np.log(-np.expm1(-(self.high - x) / self.scale))
        return found

    def log_slope(self, x: np.ndarray) -> np.ndarray:
        """log dT/dx, (N,)."""
        slope = np.ones(np.shape(x))
        with np.errstate(over="ignore"):
            if self.low is not None:
                slope = slope + 1.0 / np.expm1((x - self.low) / self.scale)
            if self.high is not None:
                slope = slope + 1.0 / np.expm1((self.high - x) / self.scale)
        return np.log(slope)

    def from_line(self, y: np.ndarray) -> np.ndarray:
        """The way back; strictly within the bounds up to rounding."""
        y = np.asarray(y, np.float64)
        if self.low is None and self.high is None:
            return y
        if self.high is None:
            assert self.low is not None
            return self.low + self.scale * np.logaddexp(0.0, (y - self.low) / self.scale)
        if self.low is None:
            return self.high - self.scale * np.logaddexp(0.0, (self.high - y) / self.scale)
        low, high = np.full(y.shape, float(self.low)), np.full(y.shape, float(self.high))
        for _ in range(ROUNDS):
            middle = 0.5 * (low + high)
            with np.errstate(divide="ignore"):
                is_above = self.to_line(middle) > y
            low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
            if np.all(high - low <= 4e-16 * np.maximum(np.abs(low), np.abs(high))):
                break
        return 0.5 * (low + high)


def fit_bend(x: np.ndarray, low: float | None, high: float | None) -> Bend:
    """The scale with which numbers (N,) strictly within the bounds are nearest to a normal distribution, by its likelihood."""
    if low is None and high is None:
        return Bend()
    deviation = float(np.std(x)) or 1.0

    def likelihood(scale: float) -> float:
        bend = Bend(low, high, scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(np.mean(bend.log_slope(x)) - 0.5 * np.log(np.var(bend.to_line(x))))
        return value if math.isfinite(value) else -math.inf

    return Bend(low, high, float(max(SCALES * deviation, key=likelihood)))
