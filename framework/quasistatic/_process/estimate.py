"""A value with its unit and its standard error."""

from __future__ import annotations

import math
from typing import Literal

import attrs
import numpy as np

Unit = Literal["nats", "bits", "bits/dim", "bits/pixel"]


def customary_unit(size: int) -> Unit:
    """What people read of an event of `size` elements: bits for a small one, nats for a larger one."""
    return "bits" if size <= 32 else "nats"


@attrs.frozen
class Estimate:
    """A value with its unit, standard error, and the number of events behind it; `size` and `pixels` are those of an event."""

    value: float
    standard_error: float
    unit: Unit
    per: Literal["event"] = "event"
    events: int = 0
    size: int = 1
    pixels: int | None = None

    def to(self, unit: Unit) -> Estimate:
        """The same value in another unit; bits/dim divide by the number of elements of an event.

        bits/pixel divide by that of its pixels, so that they sum over colours; KeyError for what is no picture.
        """
        nats = {"nats": 1.0, "bits": math.log(2), "bits/dim": math.log(2) * self.size}
        if self.pixels is not None:
            nats["bits/pixel"] = math.log(2) * self.pixels
        factor = nats[self.unit] / nats[unit]
        return attrs.evolve(self, value=self.value * factor, standard_error=self.standard_error * factor, unit=unit)

    def customary(self) -> Estimate:
        """The same value in the unit that people read."""
        return self.to(customary_unit(self.size))

    def __str__(self) -> str:
        return f"{self.value:.4f} +- {self.standard_error:.4f} {self.unit}"


def estimate(per_event: np.ndarray, size: int, pixels: int | None = None) -> Estimate:
    """Mean of values in nats per event (N,), with the standard error of that mean."""
    values = np.asarray(per_event, np.float64)
    count = len(values)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return Estimate(float(values.mean()), error, "nats", events=count, size=size, pixels=pixels)
