"""How far a component is from a law."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

# a statistical value is in standard errors, corrected for how many were compared: beyond SUSPECT (level 1e-3) it is measured
# again with ten times the draws, and beyond LIMIT (level 1e-6) there the law is broken
SUSPECT, LIMIT = 3.29, 4.89


@attrs.frozen
class Reading:
    """How far a component is from a law: `value`, in `unit`, at most `tolerance`; `where` names the place.

    `unmeasured` says what was not looked at, and why; if that is all there is, nothing `is_measured`.
    """

    value: float
    tolerance: float
    unit: str
    where: str = ""
    is_statistical: bool = False
    unmeasured: str = ""
    is_measured: bool = True

    @property
    def passed(self) -> bool:
        """False also where the value is not a number, but for one that was not measured."""
        return not self.is_measured or self.value <= self.tolerance

    @property
    def suspect(self) -> bool:
        """Whether it may still be chance, which more draws will show: an error is too small where rare draws are missing."""
        return self.is_statistical and SUSPECT < self.value < 4 * LIMIT


def statistical(value: float, where: str = "", unit: str = "standard errors") -> Reading:
    """A value in standard errors."""
    return Reading(value, LIMIT, unit, where, is_statistical=True)


def not_measured(why: str) -> Reading:
    """Nothing was looked at."""
    return Reading(math.nan, math.nan, "", unmeasured=why, is_measured=False)


def faults(found: Iterable[str], unit: str = "faults") -> Reading:
    """What is wrong, line by line; nothing may be."""
    lines = list(dict.fromkeys(found))
    return Reading(float(len(lines)), 0.0, unit, "; ".join(lines))


def worst(readings: Iterable[Reading]) -> Reading:
    """The reading that is furthest beyond its tolerance, or closest to it, and what none of them looked at."""

    def excess(reading: Reading) -> float:
        if math.isnan(reading.value):
            return math.inf
        return reading.value / reading.tolerance if reading.tolerance > 0 else reading.value

    found = list(readings)
    furthest = max([reading for reading in found if reading.is_measured] or found[:1], key=excess)
    missing = "; ".join(dict.fromkeys(part for reading in found for part in reading.unmeasured.split("; ") if part))
    return furthest if missing == furthest.unmeasured else attrs.evolve(furthest, unmeasured=missing)
