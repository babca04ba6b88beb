"""A look at a file before anything is trained: its columns, what is odd in them, and the options that mend it."""

from __future__ import annotations

import json
import math
import re
import shlex
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


@attrs.frozen(eq=False)
class Inspection:
    """What would be read. `options` are those that are suggested; `problem` says why it still could not be."""

    path: str
    rows: int
    columns: tuple[Column, ...]
    options: dict[str, Any]
    notes: tuple[str, ...]
    problem: str | None
    source: ArraySource | None

    def command(self, more: Sequence[str] = ()) -> str:
        """The command that trains on the file, with `more` settings."""
        return " ".join(["quasistatic run", _quoted(self.path), *(f"--set {each}" for each in (*self.settings(), *more))])

    def settings(self) -> list[str]:
        """The options as a shell takes them after --set."""
        return [_quoted(f"source.{name}={_toml(value)}") for name, value in self.options.items()]

    def to_dict(self, more: Sequence[str] = ()) -> dict[str, Any]:
        """JSON values."""
        columns = [{**attrs.asdict(each), "constant": each.is_constant} for each in self.columns]
        return {
            "path": self.path,
            "rows": self.rows,
            "columns": columns,
            "options": self.options,
            "notes": list(self.notes),
            "problem": self.problem,
            "command": None if self.problem else self.command(more),
        }


def inspect(path: str | Path, choices: ArrayChoices) -> Inspection:
    """Look at a file; `choices` are kept where they are given. Raises DataError where nothing in it can be read."""
    file = checked(path)
    with readable(file):
        rows, columns, options = _looked_at(file, choices)
    told: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    told = attrs.evolve(choices, **told)
    try:
        source = ArraySource(read_table(file, told), told)
    except DataError as error:
        return Inspection(str(path), rows, columns, options, (), str(error), None)
    notes = (*source.notes, *_alike(source, choices))
    return Inspection(str(path), rows, columns, options, notes, None, source)


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
    out = [number for number, each in enumerate(columns) if _leaves(each, rows) and each.name != choices.labels]
    names = [each.name for each in columns]

    def called(number: int) -> str:
        return names[number] if named and names.count(names[number]) == 1 else str(number + 1)

    if len(out) == len(columns):  # there is another reason than these columns, such as a single row
        return {}
    found: dict[str, Any] = {}
    labels = [number for number in out if columns[number].kind == "text" and 1 < columns[number].distinct <= FEW]
    if choices.labels is None and len(labels) == 1:
        found["labels"] = called(labels[0])
        out.remove(labels[0])
    dropped = [*choices.drop, *(name for number in out if (name := called(number)) not in choices.drop)]
    if out and len(dropped) > len(choices.drop):
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


def _toml(value: Any) -> str:
    """A value as --set takes it: a plain word as it is, all else as TOML."""
    is_word = (
        isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*|[,.]", value) and value not in ("true", "false", "inf", "nan")
    )
    return value if is_word else json.dumps(value, ensure_ascii=False)


def _quoted(text: str) -> str:
    return shlex.quote(text)
