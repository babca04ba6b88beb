"""Numbers in a row for each event, with what a message needs to point at one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from quasistatic._data.choices import ArrayReading
from quasistatic._data.origin import Origin
from quasistatic.errors import DataError, did_you_mean

CHUNK = 2**20  # numbers looked at together


@attrs.frozen(eq=False)
class Table:
    """`values` (N, *event), finite, in the user's units.

    `columns` are the names in a header; `places` (N,) the lines of the rows in a text file, the rows of a sheet, or the
    events of an array, as `counted` says; `labels` a column beside the numbers, with its name; `origin` the file as it was
    read; `notes` sentences about how it was read.
    """

    name: str
    values: np.ndarray
    columns: tuple[str, ...] | None = None
    places: Sequence[int] | np.ndarray | None = None
    counted: str = "event"
    labels: tuple[str, np.ndarray] | None = None
    origin: Origin | None = None
    notes: tuple[str, ...] = ()

    def element(self, index: Sequence[int]) -> str:
        """What one number of an event is called: "column 'age'", 'column 3', 'element (3, 4)'; columns count from 1."""
        if len(index) != 1:
            return f"element ({', '.join(map(str, index))})"
        name = self.columns[index[0]] if self.columns else ""
        return f"column {name!r}" if name else f"column {index[0] + 1}"

    def names(self, chosen: np.ndarray) -> str:
        """The elements where `chosen` (*event) is true, in words."""
        found = np.argwhere(chosen).tolist()
        shown = ", ".join(self.element(index) for index in found[:4])
        return shown + (f" and {len(found) - 4} more" if len(found) > 4 else "")

    def place(self, row: int, index: Sequence[int]) -> str:
        """Where one number stands: "line 7, column 'age'", 'event 6, element (3, 4)'; events count from 0."""
        start = f"{self.counted} {row if self.places is None else self.places[row]}"
        return f"{start}, {self.element(index)}" if index else start

    def tags(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What stands beside some events in a table: where each comes from, and its label."""
        places = rows if self.places is None else np.asarray(self.places)[rows]
        return {self.counted: places, **({} if self.labels is None else {self.labels[0]: self.labels[1][rows]})}

    def chunks(self, rows: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """All events, or those of some `rows`, in float64, a few at a time: `values` may be larger than the memory."""
        count = max(1, CHUNK // max(1, self.values[:1].size))
        for start in range(0, len(self.values) if rows is None else len(rows), count):
            chosen = slice(start, start + count)
            with np.errstate(over="ignore", invalid="ignore"):  # a damaged file may have any bits for nan
                yield np.asarray(self.values[chosen if rows is None else rows[chosen]], np.float64)

    def count(self, wrong: Callable[[np.ndarray], np.ndarray]) -> tuple[int, str]:
        """How many numbers are wrong, and where the first of them stands."""
        count, start, first = 0, 0, ""
        for chunk in self.chunks():
            found = wrong(chunk)
            if found.any() and not count:
                row, *index = np.argwhere(found)[0].tolist()
                first = self.place(start + row, index)
            count, start = count + int(found.sum()), start + len(chunk)
        return count, first

    def only(self, rows: np.ndarray) -> Table:
        """Some rows, which keep their places."""
        places = rows if self.places is None else np.asarray(self.places)[rows]
        labels = None if self.labels is None else (self.labels[0], self.labels[1][rows])
        return attrs.evolve(self, values=self.values[rows], places=places, labels=labels)


def as_table(values: Any, name: str = "data") -> Table:
    """An array in memory, or one mapped from disk, which stays there.

    Raises DataError if it holds anything but finite real numbers; `name` is what messages call it.
    """
    try:
        values = values if isinstance(values, np.memmap) else np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name}: not an array: {error}") from error
    check_type(name, values.dtype, values.shape)
    return finite(Table(name, values))


def finite(table: Table, missing: str = "refuse") -> Table:
    """The table if all numbers are finite, or with 'drop-rows' its rows in which none is missing. Raises DataError."""
    if missing == "drop-rows":
        whole = [~np.isnan(chunk.reshape(len(chunk), -1)).any(axis=1) for chunk in table.chunks()]
        rows = np.flatnonzero(np.concatenate(whole)) if whole else np.arange(0)
        if left_out := len(table.values) - len(rows):
            note = f"{left_out} of {len(table.values)} rows are left out, as a number is missing"
            table = attrs.evolve(table.only(rows), notes=(*table.notes, note))
    for wrong, what, help in (
        (np.isnan, "missing", "fill or remove them, or leave out their rows (--set source.missing=drop-rows)"),
        (np.isinf, "infinite", "fill or remove them"),
    ):
        count, first = table.count(wrong)
        if count:
            raise DataError(f"{table.name}: {count} of {table.values.size} numbers are {what}, the first at {first}; {help}")
    return table


def check_type(name: str, kind: np.dtype, shape: tuple[int, ...]) -> None:
    if kind.hasobject:
        raise DataError(f"{name}: holds Python objects (a pickle), which are never loaded; save an array of numbers")
    if kind.kind not in "biuf":
        raise DataError(f"{name}: expected real numbers, found type {kind}")
    if not shape:
        raise DataError(f"{name}: holds a single number, expected one row per event")


def choose(name: str, columns: Sequence[str] | None, width: int, choices: ArrayReading) -> tuple[list[int], int | None]:
    """The numbers of the columns that are read, in order, and of the one with the labels. Raises DataError."""
    label = None if choices.labels is None else _find(name, columns, width, choices.labels, "labels")
    if choices.columns:
        kept = [_find(name, columns, width, each, "columns") for each in choices.columns]
    else:
        dropped = {_find(name, columns, width, each, "drop") for each in choices.drop}
        kept = [number for number in range(width) if number not in dropped and number != label]
    if not kept or len(set(kept)) < len(kept) or label in kept:
        raise DataError(f"{name}: source.columns: expected at least one column, each once, and not that of the labels")
    return kept, label


def _find(name: str, columns: Sequence[str] | None, width: int, wanted: str, option: str) -> int:
    """The number of a column by its name, or by its number from 1 where no column has this name."""
    named = [number for number, column in enumerate(columns or ()) if column == wanted]
    if len(named) == 1:
        return named[0]
    if not named and wanted.isdecimal() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    known = columns or [str(number + 1) for number in range(width)]
    what = f"{len(named)} columns are called {wanted!r}; name it by its number" if named else f"there is no column {wanted!r}"
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    raise DataError(f"{name}: source.{option}: {what}{'' if named else did_you_mean(wanted, known)}  (it has: {shown})")
