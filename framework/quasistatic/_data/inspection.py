"""A look at a file before anything is trained: its columns, what is odd in them, and the options that mend it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from quasistatic._data.array import ArraySource
from quasistatic._data.cells import DATE, MISSING, TRUTH, Reader
from quasistatic._data.choices import ArrayChoices
from quasistatic._data.reading import ARRAYS, cells_in, checked, read_table, readable
from quasistatic._data.tables import Table
from quasistatic._plugins.inspection import Inspection
from quasistatic.errors import DataError

LOOKED_AT = 100_000  # rows at most whose cells are looked at
SHOWN = 200  # columns at most
FEW = 50  # different texts of a column that may be labels
MOST_MISSING = 0.3  # share of rows that may be lost to missing numbers
ALIKE = 0.9  # correlation from which whitening is worth a try


@attrs.frozen
class Column:
    """One column of a file, in words and in the user's units; `low`, `middle` (the median) and `high` of its numbers."""

    name: str
    kind: str
    missing: int
    distinct: int
    low: float | None = None
    middle: float | None = None
    high: float | None = None

    @property
    def is_constant(self) -> bool:
        return self.distinct == 1

    def row(self) -> tuple[str, ...]:
        """In words."""
        numbers = ("" if value is None else f"{value:.6g}" for value in (self.low, self.middle, self.high))
        kind = f"{self.kind}, constant" if self.is_constant else self.kind
        return (self.name, kind, str(self.missing or ""), str(self.distinct), *numbers)


def inspect_table(path: str | Path, choices: ArrayChoices) -> Inspection:
    """Look at a file as `read_table` would read it; `choices` are kept where they are given.

    Raises DataError where nothing in it can be read.
    """
    file = checked(path)
    with readable(file):
        rows, columns, options = _looked_at(file, choices)
    told: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    told = attrs.evolve(choices, **told)
    problem, source = None, None
    notes: tuple[str, ...] = ()
    try:
        source = ArraySource(read_table(file, told), told)
        notes = (*source.notes, *_alike(source, choices))
    except DataError as error:
        problem = str(error)
    return Inspection(
        f"{rows} rows",
        notes,
        {f"source.{name}": value for name, value in options.items()},
        problem,
        ("column", "kind", "missing", "distinct", "lowest", "median", "highest"),
        tuple(column.row() for column in columns),
        {"rows": rows, "columns": [{**attrs.asdict(each), "constant": each.is_constant} for each in columns]},
        source,
    )


def _looked_at(path: Path, choices: ArrayChoices) -> tuple[int, tuple[Column, ...], dict[str, Any]]:
    """The number of rows, the columns, and the options that they suggest."""
    if path.suffix.lower() in ARRAYS:
        table = ARRAYS[path.suffix.lower()](path, choices)
        columns = tuple(_of_array(table))
        return len(table.values), columns, _suggested(columns, len(table.values), choices)
    with cells_in(path) as cells:
        names, rows = cells.headed()
        seen = [row for _, row in islice(rows, LOOKED_AT)]
        count = len(seen) + sum(1 for _ in rows)
    reader = _reader(cells.reader, seen[:1000], choices)
    named = names or [f"column {number + 1}" for number in range(len(seen[0]) if seen else 0)]
    columns = tuple(_of_cells(name, [row[k] for row in seen], reader) for k, name in enumerate(named[:SHOWN]))
    decimal = {} if reader.decimal == choices.decimal else {"decimal": reader.decimal}
    return count, columns, decimal | _suggested(columns, count, choices, names is not None)


def _reader(found: Reader, rows: Sequence[Sequence[str]], choices: ArrayChoices) -> Reader:
    """With the decimal mark under which most cells are numbers, if the one that was chosen leaves some as text."""
    chosen = attrs.evolve(found, decimal=choices.decimal)
    cells = [cell for row in rows for cell in row if "," in cell]
    comma = attrs.evolve(found, decimal=",")
    better = sum(comma.number(cell) is not None for cell in cells) > sum(chosen.number(cell) is not None for cell in cells)
    return comma if better else chosen


def _of_cells(name: str, cells: Sequence[str], reader: Reader) -> Column:
    numbers = [reader.number(cell) for cell in cells]
    missing = sum(number is not None and math.isnan(number) for number in numbers)
    filled = [cell for cell in cells if cell.lower() not in MISSING]
    if None in numbers:
        return Column(name, "text", missing, len(set(filled)))
    kind = "number"
    if filled and all(cell.lower() in TRUTH for cell in filled):
        kind = "true or false"
    elif filled and all(DATE.fullmatch(cell) for cell in filled):
        kind = "date"
    return _of_numbers(name, np.array(numbers, np.float64), kind)


def _of_array(table: Table) -> Iterator[Column]:
    """A column for each element of a table, one for all elements of anything else."""
    values = np.asarray(table.values[:LOOKED_AT], np.float64)
    if values.ndim > 2 or values.ndim == 1:
        yield _of_numbers("all numbers", values.ravel())
        return
    for number in range(min(SHOWN, values.shape[1])):
        yield _of_numbers(f"column {number + 1}", values[:, number])


def _of_numbers(name: str, numbers: np.ndarray, kind: str = "number") -> Column:
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return Column(name, "empty", len(numbers), 0)
    if kind == "number" and np.array_equal(known, np.round(known)):
        kind = "row number" if len(known) > 2 and np.all(np.diff(numbers) == 1) else "whole number"
    low, middle, high = (float(function(known)) for function in (np.min, np.median, np.max))
    return Column(name, kind, int(np.isnan(numbers).sum()), len(np.unique(known)), low, middle, high)


def _suggested(columns: Sequence[Column], rows: int, choices: ArrayChoices, named: bool = False) -> dict[str, Any]:
    """Options that leave out what cannot be modelled; nothing where columns were chosen."""
    if choices.columns:
        return {}
    names = [each.name for each in columns]

    def called(number: int) -> str:
        return names[number] if named and names.count(names[number]) == 1 else str(number + 1)

    leaving = [number for number, each in enumerate(columns) if _leaves(each, rows)]
    known = {*choices.drop, choices.labels}
    out = [number for number in leaving if known.isdisjoint((called(number), str(number + 1)))]
    if len(leaving) == len(columns):  # there is another reason than these columns, such as a single row
        return {}
    found: dict[str, Any] = {}
    labels = [number for number in out if columns[number].kind == "text" and 1 < columns[number].distinct <= FEW]
    if choices.labels is None and len(labels) == 1:
        found["labels"] = called(labels[0])
        out.remove(labels[0])
    dropped = [*choices.drop, *map(called, out)]
    if out:
        found["drop"] = dropped
    rest = [each for number, each in enumerate(columns) if called(number) not in (*dropped, found.get("labels"), choices.labels)]
    if choices.missing == "refuse" and any(each.missing for each in rest):
        found["missing"] = "drop-rows"
    return found


def _leaves(column: Column, rows: int) -> bool:
    """Text, nothing, one value, the number of the row, or too much that is missing."""
    return column.kind in ("text", "empty", "row number") or column.is_constant or column.missing > MOST_MISSING * rows


def _alike(source: ArraySource, choices: ArrayChoices) -> Iterator[str]:
    """Where columns follow one another so closely that whitening may help."""
    x = source.split("train", 10_000).x
    if isinstance(x, dict) or x.ndim != 2 or not 2 <= x.shape[1] <= SHOWN or choices.scale == "whiten" or len(x) < 3:
        return
    correlations = np.corrcoef(np.asarray(x, np.float64).T) - np.eye(x.shape[1])
    first, second = np.unravel_index(np.argmax(np.abs(correlations)), correlations.shape)
    if abs(strongest := correlations[first, second]) > ALIKE:
        names = source.columns or [f"column {number + 1}" for number in range(x.shape[1])]
        pair = f"{names[first]!r} and {names[second]!r}"
        yield f"{pair} have a correlation of {strongest:.3f}: source.scale=whiten may help"
