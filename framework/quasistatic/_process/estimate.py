"""A value with its unit and its standard error."""

from __future__ import annotations

import math
from typing import Literal

import attrs
import numpy as np

from quasistatic._process.shown import as_line, as_table

Unit = Literal["nats", "bits", "bits/dim", "bits/pixel", "bits/symbol"]


def customary_unit(size: int) -> Unit:
    """What people read of an event of `size` elements: bits for a small one, nats for a larger one."""
    return "bits" if size <= 32 else "nats"


@attrs.frozen(repr=False)
class Estimate:
    """A value with its unit, standard error, and the number of events behind it; `size` and `pixels` are those of an event.

    `symbols` is how many symbols an event has in the mean; where that varies, `varying` is what its variation adds to or takes off
    the standard error of a value for each symbol, as a factor.
    """

    value: float
    standard_error: float
    unit: Unit
    per: Literal["event"] = "event"
    events: int = 0
    size: int = 1
    pixels: int | None = None
    symbols: float | None = None
    varying: float = 1.0

    def to(self, unit: Unit) -> Estimate:
        """The same value in another unit; bits/dim divide by the number of elements of an event.

        bits/pixel divide by that of its pixels, so that they sum over colours; bits/symbol are those of all events over the symbols
        of all events. KeyError for what is no picture, or no sequence.
        """
        nats = {"nats": 1.0, "bits": math.log(2), "bits/dim": math.log(2) * self.size}
        if self.pixels is not None:
            nats["bits/pixel"] = math.log(2) * self.pixels
        if self.symbols is not None:
            nats["bits/symbol"] = math.log(2) * self.symbols
        factor = nats[self.unit] / nats[unit]
        varying = self.varying ** ((unit == "bits/symbol") - (self.unit == "bits/symbol"))
        return attrs.evolve(self, value=self.value * factor, standard_error=self.standard_error * factor * varying, unit=unit)

    def customary(self) -> Estimate:
        """The same value in the unit that people read."""
        return self.to(customary_unit(self.size))

    def __str__(self) -> str:
        error = "" if math.isnan(self.standard_error) else f" +- {self.standard_error:.4f}"  # a single event has none
        return f"{self.value:.4f}{error} {self.unit}"

    def __repr__(self) -> str:
        return as_line("Estimate", self._rows())

    def _repr_html_(self) -> str:
        return as_table("Estimate", self._rows())

    def _rows(self) -> dict[str, object]:
        return {"value": f"{self} per {self.per}" if "/" not in self.unit else self, "events": self.events}


def estimate(per_event: np.ndarray, size: int, pixels: int | None = None, symbols: np.ndarray | int | None = None) -> Estimate:
    """Mean of values in nats per event (N,), with the standard error of that mean; `symbols`, of each event (N,) or of all.

    Both are nan for no events. The error of a value for each symbol is that of a ratio of two means (Cochran 1977, section 2.11).
    """
    values = np.asarray(per_event, np.float64)
    count = len(values)
    if not count:
        return Estimate(math.nan, math.nan, "nats", size=size, pixels=pixels)
    if not np.isfinite(values).all():  # an event to which the model gives no probability
        return Estimate(float(values.mean()), math.nan, "nats", events=count, size=size, pixels=pixels)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    found = Estimate(float(values.mean()), error, "nats", events=count, size=size, pixels=pixels)
    if symbols is None:
        return found
    counts = np.broadcast_to(np.asarray(symbols, np.float64), values.shape)
    away = values - values.mean() / counts.mean() * counts
    spread = values.std()
    varying = float(away.std() / spread) if spread > 0 and np.ptp(counts) > 0 else 1.0
    return attrs.evolve(found, symbols=float(counts.mean()), varying=varying)
