"""A value with its unit and its standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import numpy as np

from quasistatic._process.shown import as_line, as_table

Unit = str  # 'nats' or 'bits', or 'bits/dim' and so on, for each of the units of an event
ONE: Mapping[str, int] = {"dim": 1}


def customary_unit(size: int) -> Unit:
    """What people read of an event of `size` elements: bits for a small one, nats for a larger one."""
    return "bits" if size <= 32 else "nats"


@attrs.frozen(repr=False)
class Estimate:
    """A value with its unit, standard error, and the number of events behind it.

    `units` are those of an event, and how many of each it has in the mean. Where that number varies, `varying` is what its
    variation adds to or takes off the standard error of a value for each of them, as a factor.
    """

    value: float
    standard_error: float
    unit: Unit
    per: str = "event"
    events: int = 0
    units: Mapping[str, float] = ONE
    varying: Mapping[str, float] = attrs.field(factory=dict)

    def to(self, unit: Unit) -> Estimate:
        """The same value in another unit; bits/dim divide by the number of elements of an event.

        bits/pixel divide by that of its pixels, so that they sum over colours; bits/symbol are those of all events over the symbols
        of all events. KeyError for what is no picture, or no sequence.
        """
        nats = {"nats": 1.0, "bits": math.log(2), **{f"bits/{name}": math.log(2) * count for name, count in self.units.items()}}
        factor = nats[self.unit] / nats[unit]
        error = self.standard_error * factor * self._varying(unit) / self._varying(self.unit)
        return attrs.evolve(self, value=self.value * factor, standard_error=error, unit=unit)

    def _varying(self, unit: Unit) -> float:
        return self.varying.get(unit.removeprefix("bits/"), 1.0)

    def customary(self) -> Estimate:
        """The same value in the unit that people read."""
        return self.to(customary_unit(int(self.units["dim"])))

    def __str__(self) -> str:
        error = "" if math.isnan(self.standard_error) else f" +- {self.standard_error:.4f}"  # a single event has none
        return f"{self.value:.4f}{error} {self.unit}"

    def __repr__(self) -> str:
        return as_line("Estimate", self._rows())

    def _repr_html_(self) -> str:
        return as_table("Estimate", self._rows())

    def _rows(self) -> dict[str, object]:
        return {"value": f"{self} per {self.per}" if "/" not in self.unit else self, "events": self.events}


def estimate(per_event: np.ndarray, units: Mapping[str, int | np.ndarray] = ONE) -> Estimate:
    """Mean of values in nats per event (N,), with the standard error of that mean; `units` of all events, or (N,) of each.

    Both are nan for no events. The error of a value per unit, of which events have different numbers, is that of a ratio of two
    means (Cochran 1977, section 2.11).
    """
    values = np.asarray(per_event, np.float64)
    count = len(values)
    counts = {name: float(np.mean(each)) for name, each in units.items() if np.size(each)}
    if not count:
        return Estimate(math.nan, math.nan, "nats", units=counts)
    if not np.isfinite(values).all():  # an event to which the model gives no probability
        return Estimate(float(values.mean()), math.nan, "nats", events=count, units=counts)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    varying = {name: _varying(values, each) for name, each in units.items() if np.ptp(each) > 0}
    return Estimate(float(values.mean()), error, "nats", events=count, units=counts, varying=varying)


def _varying(values: np.ndarray, counts: int | np.ndarray) -> float:
    """The standard deviation of what is left of the values where each has its share by its number, over that of the values."""
    left = values - values.mean() / np.mean(counts) * counts
    spread = values.std()
    return float(left.std() / spread) if spread > 0 else 1.0
