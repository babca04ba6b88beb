"""Columns: what they hold, and the way from cells to numbers and back."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from typing import Literal

import attrs
import numpy as np

import quasistatic as qs

Kind = Literal["real", "count", "date", "binary", "categorical", "ordinal"]
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
EPOCH = datetime.datetime(1970, 1, 1)
FEW = 20  # different whole numbers at most of a column that is ordinal
MANY = 4_096  # whole numbers from the lowest to the highest, at most, of a column of counts: float32 tells them apart
DECIMALS = 6  # at most, of numbers that are written


@attrs.frozen
class Column:
    """A column of a table, by its name and its number from 1.

    `states` are the cells of a binary, categorical or ordinal one; counts and dates go from `low` to `high`; `decimals` and
    `is_date` are how numbers are written, dates in days, and with decimals with the time of day.
    """

    name: str
    number: int
    kind: Kind
    has_missing: bool
    states: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    decimals: int = 0
    is_date: bool = False

    @property
    def is_number(self) -> bool:
        return not self.states

    @property
    def is_whole(self) -> bool:
        return self.is_number and self.kind != "real"

    def describe(self) -> str:
        """'age: count from 19 to 79', with what is missing."""
        what: str = self.kind
        if self.is_whole:
            what += f" from {self.written(self.low)} to {self.written(self.high)}"
        elif self.kind == "real":
            what = "date" if self.is_date else what
        elif len(self.states) <= 4:
            what += f" {', '.join(self.states)}"
        else:
            what += f" of {len(self.states)}"
        return f"{self.name}: {what}{', some missing' if self.has_missing else ''}"

    def values(self, cells: Sequence[str], reader: qs.Reader, place: Sequence[str]) -> np.ndarray:
        """The number of each cell, (N,): of states their place, of others the number itself; nan for what is missing.

        `place` names the rows in messages. Raises DataError for a cell that the column cannot hold.
        """
        known = {_key(state, reader): float(number) for number, state in enumerate(self.states)}
        found = np.empty(len(cells))
        for row, cell in enumerate(cells):
            key = _key(cell, reader)
            number = math.nan if _is_missing(key) else known.get(key) if self.states else key
            if not isinstance(number, float) or math.isinf(number) or (self.is_whole and not self._holds(number)):
                raise qs.DataError(
                    f"{place[row]}, column {self.name!r}: {cell[:40]!r} is none of what it holds  ({self.describe()})"
                )
            found[row] = number
        return found

    def _holds(self, number: float) -> bool:
        return math.isnan(number) or (number == round(number) and self.low <= number <= self.high)

    def written(self, number: float) -> str:
        """A cell; an empty one for nan."""
        if math.isnan(number):
            return ""
        if self.states:
            return self.states[round(number)]
        if self.is_date:
            when = EPOCH + datetime.timedelta(days=number if self.decimals else round(number))
            return when.isoformat(timespec="seconds") if self.decimals else when.date().isoformat()
        return f"{number:.{self.decimals}f}"


def recognised(name: str, number: int, cells: Sequence[str], asked: Kind | None, most: int, reader: qs.Reader) -> Column | str:
    """The column that these cells are, or why it is left out. Raises DataError where they are not what is asked for."""
    keys = [_key(cell, reader) for cell in cells]
    filled = {key: cell for key, cell in zip(reversed(keys), reversed(cells), strict=True) if not _is_missing(key)}
    has_missing = any(map(_is_missing, keys))
    if len(filled) < 2:
        return f"is always {next(iter(filled.values()))[:40]!r}" if filled else "is empty"
    numbers = sorted(key for key in filled if isinstance(key, float))
    is_numeric = len(numbers) == len(filled)
    if asked in ("real", "count", "ordinal") and not is_numeric:
        text = next(cell for key, cell in filled.items() if not isinstance(key, float))
        raise qs.DataError(f"source.{asked}: column {name!r} holds {text[:40]!r}, which is no number")
    if any(map(math.isinf, numbers)):
        raise qs.DataError(f"column {name!r} holds a number that is not finite")
    is_whole = is_numeric and all(each == round(each) for each in numbers)
    if asked == "count" and not (is_whole and numbers[-1] - numbers[0] < MANY):
        raise qs.DataError(f"source.count: column {name!r} goes from {numbers[0]:g} to {numbers[-1]:g}; expected whole numbers")
    is_date = all(DATE.fullmatch(cell) for cell in filled.values())
    kind = asked or _kind(numbers, len(filled), is_numeric, is_whole, is_date)
    if kind in ("binary", "categorical", "ordinal"):
        if asked is None and len(filled) > most:
            return f"is text with {len(filled)} different values, more than source.most_categories = {most}"
        ordered = [filled[key] for key in numbers] if is_numeric else sorted(filled.values())
        return Column(name, number, "binary" if len(ordered) == 2 else kind, has_missing, tuple(ordered))
    low, high = (round(numbers[0]), round(numbers[-1])) if kind != "real" else (0, 0)
    decimals = 0 if is_whole else max(1, *(_decimals(cell, reader) for cell in filled.values()))
    return Column(name, number, kind, has_missing, (), low, high, decimals, is_date)


def _kind(numbers: Sequence[float], distinct: int, is_numeric: bool, is_whole: bool, is_date: bool) -> Kind:
    if distinct == 2:
        return "binary"
    if not is_numeric:
        return "categorical"
    if is_whole and numbers[-1] - numbers[0] < MANY:
        return "date" if is_date else "ordinal" if distinct <= FEW else "count"
    return "real"


def _key(cell: str, reader: qs.Reader) -> float | str:
    """The number in a cell, nan for a missing one, or its text."""
    number = reader.number(cell)
    return cell if number is None else number


def _is_missing(key: float | str) -> bool:
    return isinstance(key, float) and math.isnan(key)


def _decimals(cell: str, reader: qs.Reader) -> int:
    return (
        min(DECIMALS, len(cell.rpartition(reader.decimal)[2].rstrip("0")))
        if reader.decimal in cell and "e" not in cell.lower()
        else 0
    )
