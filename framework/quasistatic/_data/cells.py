"""Cells of text as numbers, by rules that a message can state."""

from __future__ import annotations

import datetime
import math
import re

import attrs

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
TRUTH = {"true": 1.0, "false": 0.0}
SPACES = re.compile(r"[ '\u00a0\u2009\u202f]")
SPACED = re.compile(rf"[-+]?\d{{1,3}}({SPACES.pattern}\d{{3}})+([.,]\d*)?")  # 12 345.6
COMMA = re.compile(r"[-+]?\d*,\d+")
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@attrs.frozen
class Reader:
    """How the cells of a table are read: what stands before decimals, and whether commas part the cells."""

    decimal: str = "."
    commas_part: bool = True

    def number(self, cell: str) -> float | None:
        """The number in a cell: nan if it is missing, None if it is something else.

        true and false are 1 and 0, dates (2020-01-31, or with a time of day) are days since 1970-01-01, in UTC where they
        have no zone. Thousands may be parted.
        """
        if self.decimal == "." and (number := _float(cell)) is not None:
            return number
        word = cell.lower()
        if word in MISSING or word in TRUTH:
            return TRUTH.get(word, math.nan)
        plain = self._pointed(SPACES.sub("", cell) if SPACED.fullmatch(cell) else cell)
        number = None if plain is None else _float(plain)
        return days(cell) if number is None else number

    def _pointed(self, cell: str) -> str | None:
        """With a decimal point and without marks of thousands; None where a mark may be either."""
        other = "," if self.decimal == "." else "."
        if other in cell:
            whole, _, decimals = cell.partition(self.decimal)
            groups = whole.lstrip("+-").split(other)
            parted = groups[0].isdigit() and len(groups[0]) <= 3 and all(len(each) == 3 and each.isdigit() for each in groups[1:])
            sure = len(groups) > 2 or self.decimal in cell or self.decimal == "," or self.commas_part
            if not parted or not sure or other in decimals:
                return None
            cell = cell.replace(other, "")
        return cell.replace(",", ".")


def _float(cell: str) -> float | None:
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None


def days(cell: str) -> float | None:
    """Days since 1970-01-01 of a date, None for anything else."""
    if not DATE.fullmatch(cell):
        return None
    try:
        when = datetime.datetime.fromisoformat(cell)
        return (when.replace(tzinfo=when.tzinfo or datetime.UTC) - EPOCH) / DAY
    except (ValueError, OverflowError):  # no such day, or none that a zone leaves in the calendar
        return None


def looks_numeric(cell: str) -> bool:
    """Whether a cell is a number by any rule: such a cell is no name of a column."""
    numbers = (Reader(decimal).number(cell) for decimal in ".,")
    return any(number is not None and not math.isnan(number) for number in numbers)
