"""Conditions on rows, such as 'vote=Dole' and 'age>60', as limits of the numbers and states of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.columns import LATTICE, Column
from quasistatic.kits.tables.gaps import possible_states
from quasistatic.kits.tables.layout import NUMBERS, Layout

FORM = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)
SIGNS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}


def limits_where(layout: Layout, conditions: Sequence[str]) -> qs.sources.Limits:
    """What all of the conditions say of a row. Raises InputError naming the condition."""
    found = {k: _Own.free(column) for k, column in enumerate(layout.columns)}
    for text in conditions:
        k, sign, value = _read(layout.columns, text)
        found[k] = found[k].and_also(_where(layout.columns[k], sign, value, text))
        if not found[k].states.any():
            raise qs.InputError(f"where: {text!r}: no row fulfils it with the others")
    states, lowest, highest = {}, {}, {}
    for name in dict.fromkeys(slot.part for slot in layout.slots):
        slots = layout.part(name)
        if name == NUMBERS:
            ends = np.array([found[slot.column].ends(layout, slot) for slot in slots])
            lowest[name], highest[name] = ends[None, :, 0], ends[None, :, 1]
        else:
            states[name] = np.array([found[slot.column].states for slot in slots])[None]
    return qs.sources.Limits(states, lowest, highest)


@attrs.frozen(eq=False)
class _Own:
    """What conditions say of a column: which states it may have, and from where to where its numbers lie."""

    column: Column
    states: np.ndarray
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def free(cls, column: Column) -> _Own:
        return cls(column, np.ones(column.state_count, bool))

    def and_also(self, other: _Own) -> _Own:
        low, high = max(self.low, other.low), min(self.high, other.high)
        states = self.states & other.states
        if self.column.is_number and low > high:
            states = np.where(np.arange(len(states)) == 0, False, states)
        return _Own(self.column, states, low, high)

    def ends(self, layout: Layout, slot: object) -> tuple[float, float]:
        """In model units; those of numbers that are known are equal."""
        assert hasattr(slot, "place")
        if not self.states[0]:
            return -np.inf, np.inf
        place, bend = slot.place, self.column.bend
        low = -np.inf if bend.low is not None and self.low <= bend.low else self.low
        high = np.inf if bend.high is not None and self.high >= bend.high else self.high
        with np.errstate(all="ignore"):
            line = [bend.to_line(np.array([end]))[0] if np.isfinite(end) else end for end in (low, high)]
        found = [float((end - layout.shift[place]) / layout.scale[place]) for end in line]
        return found[0], found[1]


def _read(columns: Sequence[Column], text: str) -> tuple[int, str, str]:
    match = FORM.fullmatch(text)
    signs = ", ".join(SIGNS)
    if match is None:
        raise qs.InputError(f"where: expected a column, one of {signs} and a value, such as 'age>60', got {text!r:.80}")
    names = [column.name for column in columns]
    name = match["name"]
    if name not in names:
        raise qs.InputError(f"where: {text!r:.80}: there is no column {name!r}  (there is: {', '.join(names[:20])})")
    return names.index(name), match["sign"], match["value"]


def _where(column: Column, sign: str, value: str, text: str) -> _Own:
    """What one condition says. Raises InputError for a value that the column cannot have."""
    possible = np.array(possible_states(column))
    first = int(column.is_number)
    if value in column.states and sign in ("=", "!="):
        is_it = np.arange(len(possible)) == first + column.states.index(value)
        return _Own(column, is_it if sign == "=" else possible & ~is_it)
    if column.is_number:
        assert column.form is not None
        number = float(column.form.parse(pl.Series([value], dtype=pl.String))[0])
        numbers = np.array([np.nan, *column.atoms, *[np.nan] * (len(column.states) - len(column.atoms))])
    else:
        number = _number(value)
        numbers = np.array([_number(state) for state in column.states])
    if np.isnan(number) or (np.isnan(numbers[first:][possible[first:]]).all() and not column.is_number):
        raise qs.InputError(f"where: {text!r:.80}: {value!r:.40} is not among what the column holds ({column.describe()})")
    with np.errstate(invalid="ignore"):
        states = possible & SIGNS[sign](numbers, number)
    if not column.is_number:
        if not states.any():
            raise qs.InputError(f"where: {text!r:.80}: the column has no such cell ({column.describe()})")
        return _Own(column, states)
    if sign == "!=":
        raise qs.InputError(f"where: {text!r:.80}: of a column of numbers expected one of =, <, <=, >, >=")
    low, high = _ends(column, sign, number)
    is_held = column.holds(np.array([number]))[0] and number not in column.atoms
    states[0] = is_held if sign == "=" else _is_open(column, low, high)
    if not states.any():
        raise qs.InputError(f"where: {text!r:.80}: the column has no such number ({column.describe()})")
    return _Own(column, states, low, high)


def _ends(column: Column, sign: str, number: float) -> tuple[float, float]:
    """Where numbers lie; on a lattice the ends are half a step off, so that bins are in or out as a whole."""
    if sign == "=":
        return number, number
    edge = number
    if column.step:
        counted = (number - column.low) / column.step
        is_below = sign in (">", "<=")
        steps = np.floor(counted + LATTICE) + 0.5 if is_below else np.ceil(counted - LATTICE) - 0.5
        edge = column.low + column.step * float(steps)
    low, high = (edge, np.inf) if sign[0] == ">" else (-np.inf, edge)
    return (low if low > column.low else -np.inf), (high if high < column.high else np.inf)


def _is_open(column: Column, low: float, high: float) -> bool:
    """Whether the column has numbers between two ends."""
    least = column.bend.low if column.bend.low is not None else column.low
    most = column.bend.high if column.bend.high is not None else column.high
    return low <= high and (low < most if np.isfinite(most) else True) and (high > least if np.isfinite(least) else True)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
