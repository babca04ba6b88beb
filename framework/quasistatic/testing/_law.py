"""What a law is, the registry of all of them, and how a component is held against one."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any, Literal

import attrs
import jax

from quasistatic.testing._reading import Reading
from quasistatic.testing._setting import Setting, widened

Outcome = Literal["holds", "broken", "expected", "not measured"]
Measure = Callable[..., Reading]
PROTOCOL = "the protocol"
PAPER = "Sohl-Dickstein et al. 2015"
WORK = "Sohl-Dickstein et al. 2015, eq. 9 to 14; Jarzynski 1997"
SETTINGS = 3  # in which a law is read


@attrs.frozen
class Verdict:
    """One law, held against one component: it `holds`, is `broken`, is broken as `expected`, or was `not measured`, and why.

    `unmeasured` says what was not looked at, also where the rest holds.
    """

    law: str
    component: str
    outcome: Outcome
    value: float
    tolerance: float
    unit: str
    reason: str
    why: str
    reference: str
    unmeasured: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing that was looked at is broken unexpectedly."""
        return self.outcome != "broken"


@attrs.frozen
class Law:
    """A statement that must hold for a component; calling it raises AssertionError where it is measured and does not.

    `why` is the statement, `reference` its source, `unseen` what it cannot see. `check` measures it on the component it was made
    for, in one setting. `expected_failure` is the reason why this component may break it, empty if it may not. `long` says that its
    draws take longer than its programs to be compiled, `quick` that `quasistatic check --quick` reads it.
    """

    name: str
    kind: str
    why: str
    reference: str
    check: Callable[[Setting], Reading]
    examples: int = 1
    expected_failure: str = ""
    long: bool = False
    quick: bool = True
    unseen: str = ""

    def measure(self, setting: Setting) -> Reading:
        """One reading; if it is suspect, a second one with ten times the draws."""
        reading = self.check(setting)
        return self.check(setting.repeated()) if reading.suspect else reading

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
        if reason and self.expected_failure:
            outcome, reason = "expected", self.expected_failure
        if not reading.is_measured:
            outcome, reason = "not measured", reading.unmeasured
        return Verdict(
            self.name,
            component,
            outcome,
            reading.value,
            reading.tolerance,
            reading.unit,
            reason,
            self.why,
            self.reference,
            reading.unmeasured,
        )

    def describe(self, reading: Reading) -> str:
        """One line on a broken law."""
        place = f" at {reading.where}" if reading.where else ""
        return (
            f"{self.kind} law {self.name!r} is broken{place}: {reading.value:.3g} {reading.unit}, "
            f"at most {reading.tolerance:.3g}. {self.why} ({self.reference})"
        )


@attrs.frozen
class Entry:
    """A law of a kind in the registry; `applies` tells from a component whether it is held to it."""

    kind: str
    name: str
    statement: str
    source: str
    measure: Measure
    applies: Callable[[Any], bool]
    settings: int
    long: bool
    quick: bool
    unseen: str

    def of(self, *subject: Any, expected_failure: str = "") -> Law:
        """The law for one component."""
        check = functools.partial(self.measure, *subject)
        tiers = self.long, self.quick, self.unseen
        return Law(self.name, self.kind, self.statement, self.source, check, self.settings, expected_failure, *tiers)


REGISTRY: dict[str, dict[str, Entry]] = {}  # by kind and name


def law(
    kind: str,
    name: str,
    statement: str,
    source: str = PROTOCOL,
    *,
    unseen: str,
    when: Callable[[Any], bool] = lambda component: True,
    once: bool = False,
    float64: bool = False,
    long: bool = False,
    quick: bool = True,
) -> Callable[[Measure], Measure]:
    """Enters a function of a component and a setting into the registry, as the law of this name.

    `unseen` says what it cannot see, for whoever trusts it. `when` says which components are held to it, `once` that it is read in
    the plain setting alone, `float64` that it is measured in float64 whatever the process runs in, `long` that its programs run
    longer than it takes to optimise them. A `quick` check reads neither what is long nor the laws of floats, keys and further
    questions, half of the time of all.
    """

    def enter(measure: Measure) -> Measure:
        entries = REGISTRY.setdefault(kind, {})
        if name in entries:
            raise ValueError(f"{kind} law {name!r} is there twice")
        taken = measure if long else _compiled_quickly(measure)
        taken = _in_float64(taken) if float64 else taken
        settings = 1 if once else SETTINGS
        entries[name] = Entry(kind, name, statement, source, taken, when, settings, long, quick and not long, unseen)
        return taken

    return enter


def _in_float64(measure: Measure) -> Measure:
    @functools.wraps(measure)
    def measured(component: Any, *more: Any) -> Reading:
        with jax.enable_x64(True):
            return measure(widened(component), *more)

    return measured


def _compiled_quickly(measure: Measure) -> Measure:
    """Most programs of a law run for less time than optimising them takes, so they are left as they are."""

    @functools.wraps(measure)
    def measured(*subject: Any) -> Reading:
        with _HASTE:
            return measure(*subject)

    return measured


class _Haste:
    """While any thread is inside, programs are compiled without most optimisations, in all of them."""

    FLAG = "jax_disable_most_optimizations"

    def __init__(self) -> None:
        self.lock, self.inside, self.before = threading.Lock(), 0, False

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = jax.config.read(self.FLAG)
                jax.config.update(self.FLAG, True)
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                jax.config.update(self.FLAG, self.before)


_HASTE = _Haste()
