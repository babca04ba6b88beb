"""What a law is, and what it says of a component."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import attrs


@attrs.frozen
class Reading:
    """How far a component is from a law: `figure`, in `unit`, at most `tolerance`; `where` says at which place."""

    figure: float
    tolerance: float
    unit: str
    where: str = ""

    @property
    def passed(self) -> bool:
        """False also where the figure is not a number."""
        return self.figure <= self.tolerance


@attrs.frozen
class Verdict:
    """One law, held against one component."""

    law: str
    component: str
    passed: bool
    figure: float
    tolerance: float
    unit: str
    reason: str


@attrs.frozen
class Law:
    """A statement that must hold for a component; calling it raises AssertionError where it does not.

    `why` says what breaks without it, `reference` where it comes from. `check` measures it on the component it was made for.
    """

    name: str
    kind: str
    why: str
    reference: str
    check: Callable[[], Reading]

    def __call__(self) -> None:
        reading = self.check()
        if not reading.passed:
            raise AssertionError(self.describe(reading))

    def verdict(self, component: str) -> Verdict:
        """The same as a value; whatever the component raises is a broken law."""
        try:
            reading = self.check()
        except Exception as error:
            reason = f"raised {type(error).__name__}: {error}"
            return Verdict(self.name, component, False, math.nan, math.nan, "", reason)
        reason = "" if reading.passed else self.describe(reading)
        return Verdict(
            self.name, component, reading.passed, reading.figure, reading.tolerance, reading.unit, reason
        )

    def describe(self, reading: Reading) -> str:
        """One line on a broken law."""
        place = f" at {reading.where}" if reading.where else ""
        return (
            f"{self.kind} law {self.name!r} is broken{place}: {reading.figure:.3g} {reading.unit}, "
            f"at most {reading.tolerance:.3g}. {self.why} ({self.reference})"
        )


def worst(readings: Iterable[Reading]) -> Reading:
    """The reading that is furthest beyond its tolerance, or closest to it."""

    def excess(reading: Reading) -> float:
        if math.isnan(reading.figure):
            return math.inf
        return reading.figure / reading.tolerance if reading.tolerance > 0 else reading.figure

    return max(readings, key=excess)
