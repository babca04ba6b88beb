"""Tables in text: delimiters, headers and comments."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np

from quasistatic._data.cells import COMMA, DATE, MISSING, Reader, looks_numeric
from quasistatic._data.choices import ArrayChoices
from quasistatic._data.tables import Table, choose
from quasistatic._storage.files import refuse_large
from quasistatic.errors import DataError


@attrs.frozen
class Cells:
    """The rows of a table as text: the place of each, and its cells.

    `has_header` says whether the first one is a header (None: as it looks), `counted` what places are.
    """

    name: str
    rows: Iterator[tuple[int, list[str]]]
    has_header: bool | None
    reader: Reader
    counted: str

    def headed(self) -> tuple[tuple[str, ...] | None, Iterator[tuple[int, list[str]]]]:
        """The names in the header, if there is one, and the rows below it. Raises DataError for a table without a row."""
        place, first = next(self.rows, (0, []))
        if not first:
            raise DataError(f"{self.name}: is empty")
        named = any(cell.lower() not in MISSING for cell in first) and not any(looks_numeric(cell) for cell in first)
        if named if self.has_header is None else self.has_header:
            return tuple(first), self._even(place, len(first))
        return None, chain([(place, first)], self._even(place, len(first)))

    def _even(self, place: int, width: int) -> Iterator[tuple[int, list[str]]]:
        for number, cells in self.rows:
            if len(cells) != width:
                raise DataError(f"{self.name}: {self.counted} {number} has {len(cells)} cells, {self.counted} {place} has {width}")
            yield number, cells


@contextlib.contextmanager
def text_cells(path: Path) -> Iterator[Cells]:
    """The cells of a text file. Raises DataError, OSError, also while they are read."""
    with opened(path) as file:
        yield _cells_of(str(path), file)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """A text file, inflated where it is a .gz, read only as far as the limit of sizes goes; its errors are DataErrors."""
    raw: Any = gzip.open(path, "rb") if path.suffix.lower() == ".gz" else open(path, "rb", buffering=0)
    with io.TextIOWrapper(_Counted(raw), encoding="utf-8-sig", newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{path}: is not a .gz file, or is damaged: {error}") from error
        except csv.Error as error:
            raise DataError(f"{path}: not a table: {error}") from error


class _Counted(io.BufferedReader):
    """Refuses to read on where what was read is above the limit."""

    def __init__(self, raw: Any):
        super().__init__(raw)
        self._read = 0

    def read1(self, size: int = -1, /) -> bytes:
        data = super().read1(size)
        self._read += len(data)
        refuse_large(self._read)
        return data


def _cells_of(name: str, file: IO[str]) -> Cells:
    """Rows that are not blank. Lines that begin with # are comments, but for the last before the numbers where it has a name
    for each column.
    """
    comment, place = "", 0
    filled: list[str] = []
    for number, line in enumerate(file, 1):
        if line.lstrip().startswith("#"):
            comment, place = (comment, place) if filled else (line.lstrip().lstrip("#"), number)
        elif line.strip(" \t;,\r\n"):
            filled.append(line)
        if len(filled) == 2:
            break
    file.seek(0)
    delimiter = _delimiter(filled[-1]) if filled else ","
    header, first = _cells(comment, delimiter), _cells(filled[0], delimiter) if filled else []
    is_header = len(header) == len(first) > 0 and not any(map(looks_numeric, header)) and any(map(looks_numeric, first))
    rows = _split(file, delimiter)
    reader = Reader(commas_part=delimiter == ",")
    return Cells(name, chain([(place, header)], rows) if is_header else rows, is_header or None, reader, "line")


def _split(file: Iterable[str], delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    at = [0]

    def lines() -> Iterator[str]:
        for at[0], line in enumerate(file, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield line

    if delimiter is None:
        yield from ((at[0], line.split()) for line in lines())
        return
    for row in csv.reader(lines(), delimiter=delimiter):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield at[0], cells


def _cells(line: str, delimiter: str | None) -> list[str]:
    return line.split() if delimiter is None else [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _delimiter(line: str) -> str | None:
    """What parts the cells of a line; None for blanks. A comma comes last: it may be a decimal comma."""
    for delimiter in "\t;,":
        if len(next(csv.reader([line], delimiter=delimiter))) > 1:
            return delimiter
    return None if len(line.split()) > 1 else ","


def parse(found: Cells, choices: ArrayChoices) -> Table:
    """The numbers in the columns that are chosen. Raises DataError naming the first cell that holds none."""
    reader, name = attrs.evolve(found.reader, decimal=choices.decimal), found.name
    header, rows = found.headed()
    start = next(rows, None)
    if start is None:
        raise DataError(f"{name}: holds a header and no events")
    kept, label = choose(name, header, len(start[1]), choices)
    columns = None if header is None else tuple(header[number] for number in kept)
    places, values, labels, dates = array("q"), array("d"), [], Counter[int]()
    for place, cells in chain([start], rows):
        chosen = [cells[each] for each in kept]
        row = [reader.number(cell) for cell in chosen]
        if None in row:
            column = row.index(None)
            where = Table(name, np.empty(0), columns, [place], found.counted).place(0, (column,))
            is_first = header is None and place == start[0]
            raise DataError(f"{name}: {where}: {chosen[column][:40]!r} is not a number{_advice(chosen[column], is_first)}")
        dates.update(column for column, cell in enumerate(chosen) if "-" in cell and DATE.fullmatch(cell))
        places.append(place)
        values.extend(row)  # type: ignore[arg-type]
        refuse_large(8 * len(values))
        if label is not None:
            labels.append(cells[label])
    table = Table(name, np.array(values).reshape(-1, len(kept)), columns, np.array(places), found.counted)
    beside = None if label is None else (header[label] if header else f"column {label + 1}", np.array(labels, object))
    return attrs.evolve(table, labels=beside, notes=tuple(_about_dates(table, dates)))


def _about_dates(table: Table, dates: Counter[int]) -> Iterator[str]:
    """Raises DataError for a column of dates and other numbers."""
    for column, count in sorted(dates.items()):
        others = int(np.isfinite(table.values[:, column]).sum()) - count
        if others:
            raise DataError(f"{table.name}: {table.element([column])} holds {count} dates and {others} other numbers")
        yield f"dates in {table.element([column])} are read as days since 1970-01-01"


def _advice(cell: str, is_first: bool) -> str:
    if COMMA.fullmatch(cell):
        return "; is the comma before decimals? then --set source.decimal=,"
    if is_first:
        return ", and the line is no header, as it has numbers as well"
    return (
        "; leave the column out (source.drop), keep it beside K (source.labels), or code it as numbers; "
        "'quasistatic inspect FILE' suggests options"
    )
