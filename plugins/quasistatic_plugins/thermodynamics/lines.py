"""What the commands print: a value with unit, samples, error and doubt."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

import quasistatic as qs


@attrs.frozen
class Line:
    """One value: where `doubt` has a reason against it, the value is not to be shown."""

    name: str
    label: str
    value: float
    standard_error: float
    unit: str
    per: str
    samples: str
    doubt: str | None = None

    def shown(self) -> str:
        """The value with its error and unit."""
        value = f"{self.value:.4f}" if abs(self.value) < 1e5 else f"{self.value:.4g}"
        error = "" if math.isnan(self.standard_error) else f" +- {self.standard_error:.4f}"
        return f"{value}{error} {self.unit}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a refused value is null, with the reason."""
        shown = {"value": self.value, "standard_error": self.standard_error}
        if self.doubt is not None:
            shown = dict.fromkeys(shown)  # type: ignore[assignment]
        return {**shown, "unit": self.unit, "per": self.per, "samples": self.samples, "refused": self.doubt}


def mean_line(
    event: qs.AbstractEvent, name: str, label: str, per_event: np.ndarray, samples: str, doubt: str | None = None
) -> Line:
    """The mean of values (N,) in nats per event, in the unit that people read."""
    count = len(per_event)
    error = float(per_event.std(ddof=1)) / math.sqrt(count)
    mean = qs.Estimate(float(per_event.mean()), error, "nats", events=count, units=event.units).customary()
    return Line(name, label, mean.value, mean.standard_error, mean.unit, mean.per, samples, doubt)
