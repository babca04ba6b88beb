"""What a law is, and what it says of a component."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from quasistatic.testing._setting import Setting

Outcome = Literal["holds", "broken", "expected"]
# a statistical figure is in standard errors, corrected for how many were compared: beyond SUSPECT (level 1e-3) it is measured
# again with ten times the draws, and beyond LIMIT (level 1e-6) there the law is broken
SUSPECT, LIMIT = 3.29, 4.89


@attrs.frozen
class Reading:
    """How far a component is from a law: `figure`, in `unit`, at most `tolerance`; `where` says at which place."""

    figure: float
    tolerance: float
    unit: str
    where: str = ""
    statistical: bool = False

    @property
    def passed(self) -> bool:
        """False also where the figure is not a number."""
        return self.figure <= self.tolerance

    @property
    def suspect(self) -> bool:
        """Whether it may still be chance, and more draws will tell."""
        return self.statistical and SUSPECT < self.figure < 2 * LIMIT


def statistical(figure: float, where: str = "", unit: str = "standard errors") -> Reading:
    """A figure in standard errors."""
    return Reading(figure, LIMIT, unit, where, statistical=True)


def faults(found: Iterable[str], unit: str = "faults") -> Reading:
    """What is wrong, line by line; nothing may be."""
    lines = list(dict.fromkeys(found))
    return Reading(float(len(lines)), 0.0, unit, "; ".join(lines))


@attrs.frozen
class Verdict:
    """One law, held against one component: it `holds`, is `broken`, or is broken as `expected`, and why."""

    law: str
    component: str
    outcome: Outcome
    figure: float
    tolerance: float
    unit: str
    reason: str
    why: str
    reference: str

    @property
    def passed(self) -> bool:
        return self.outcome != "broken"


@attrs.frozen
class Law:
    """A statement that must hold for a component; calling it raises AssertionError where it does not.

    `why` says what it states, `reference` where it comes from. `check` measures it on the component it was made for, in one
    setting. `exception` is the reason why this component may break it, empty if it may not.
    """

    name: str
    kind: str
    why: str
    reference: str
    check: Callable[[Setting], Reading]
    examples: int = 1
    exception: str = ""

    def measure(self, setting: Setting) -> Reading:
        """One reading; where chance may have played a trick, that of ten times the draws."""
        reading = self.check(setting)
        return self.check(setting.again()) if reading.suspect else reading

    def read(self) -> Reading:
        """The worst reading over the settings that hypothesis chooses, the same ones every time."""
        from quasistatic.testing._examples import over_settings

        return over_settings(self.measure, self.examples)

    def __call__(self) -> None:
        reading = self.read()
        if not reading.passed:
            raise AssertionError(self.describe(reading))

    def verdict(self, component: str) -> Verdict:
        """The same as a value; whatever the component raises is a broken law."""
        try:
            reading = self.read()
        except Exception as error:
            reading, reason = Reading(math.nan, math.nan, ""), f"raised {type(error).__name__}: {error}"
        else:
            reason = "" if reading.passed else self.describe(reading)
        outcome: Outcome = "broken" if reason else "holds"
        if reason and self.exception:
            outcome, reason = "expected", self.exception
        return Verdict(
            self.name, component, outcome, reading.figure, reading.tolerance, reading.unit, reason, self.why, self.reference
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
