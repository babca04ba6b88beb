"""Numbers from .csv, .npy and .npz files, with what a message needs to point at one. Nothing in a file is executed."""

from __future__ import annotations

import csv
import math
import re
import tokenize
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np

from quasistatic._data.origin import Origin
from quasistatic._storage.files import refuse_large
from quasistatic.errors import DataError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
MAP_ABOVE = 2**28  # bytes of an .npy that is left on disk
CHUNK = 2**20  # numbers looked at together
# what damaged bytes make of readers
DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, TypeError, EOFError, RuntimeError, MemoryError)


@attrs.frozen(eq=False)
class Table:
    """`values` (N, *event), finite, in the user's units.

    `columns` are the names in a header, `lines` the line of each row in a text file, `origin` the file as it was read.
    """

    name: str
    values: np.ndarray
    columns: tuple[str, ...] | None = None
    lines: Sequence[int] | None = None
    origin: Origin | None = None

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
        start = f"event {row}" if self.lines is None else f"line {self.lines[row]}"
        return f"{start}, {self.element(index)}" if index else start

    def chunks(self, rows: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """All events, or those of some `rows`, in float64, a few at a time: `values` may be larger than the memory."""
        count = max(1, CHUNK // max(1, self.values[:1].size))
        for start in range(0, len(self.values) if rows is None else len(rows), count):
            chosen = slice(start, start + count)
            with np.errstate(over="ignore"):
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


def read_table(path: str | Path, key: str | None = None) -> Table:
    """The array in a .csv, .npy or .npz file; `key` names one of several arrays in an .npz. A large .npy stays on disk.

    A .csv is UTF-8, its cells parted by commas, semicolons, tabs or blanks, with or without a header.
    Raises DataError, which says what is wrong and where, also for a number that is missing or not finite.
    """
    path = Path(path).expanduser()
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a .csv, .npy or .npz file")
    if not path.exists():
        raise DataError(f"{path}: there is no such file in {Path.cwd() if not path.is_absolute() else path.parent}")
    if reader is None or not path.is_file():
        raise DataError(f"{path}: expected a file that ends in .csv, .npy or .npz")
    if key is not None and reader is not _read_npz:
        raise DataError(f"{path}: holds one array, so the key {key!r} names nothing; keys are for .npz files")
    try:
        return attrs.evolve(_check_finite(reader(path, key)), origin=Origin.of(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def as_table(values: Any, name: str = "data") -> Table:
    """An array in memory, or one mapped from disk, which stays there.

    Raises DataError if it holds anything but finite real numbers; `name` is what messages call it.
    """
    try:
        values = values if isinstance(values, np.memmap) else np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name}: not an array: {error}") from error
    _check_type(name, values.dtype, values.shape)
    return _check_finite(Table(name, values))


def _check_finite(table: Table) -> Table:
    count, first = table.count(lambda values: ~np.isfinite(values))
    if count:
        raise DataError(
            f"{table.name}: {count} of {table.values.size} numbers are missing or not finite, the first at {first}; "
            "fill or remove them"
        )
    return table


def _check_type(name: str, kind: np.dtype, shape: tuple[int, ...]) -> None:
    if kind.hasobject:
        raise DataError(f"{name}: holds Python objects (a pickle), which are never loaded; save an array of numbers")
    if kind.kind not in "biuf":
        raise DataError(f"{name}: expected real numbers, found type {kind}")
    if not shape:
        raise DataError(f"{name}: holds a single number, expected one row per event")


def _read_csv(path: Path, _key: str | None) -> Table:
    name = str(path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            return _parse(name, _rows(file))
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
        except csv.Error as error:
            raise DataError(f"{name}: not a table: {error}") from error


def _rows(file: IO[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of all rows that are not blank. A leading # of the first line is dropped."""
    filled = list(islice((line for line in file if line.strip()), 2))
    file.seek(0)
    delimiter = _delimiter(filled[-1]) if filled else ","
    lines = (line.lstrip("#") if number == 0 else line for number, line in enumerate(file))
    if delimiter is None:
        yield from ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        return
    reader = csv.reader(lines, delimiter=delimiter)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


def _delimiter(line: str) -> str | None:
    """What parts the cells of a line; None for blanks. A comma comes last: it may be a decimal comma."""
    for delimiter in "\t;,":
        if len(next(csv.reader([line], delimiter=delimiter))) > 1:
            return delimiter
    return None if len(line.split()) > 1 else ","


def _parse(name: str, rows: Iterator[tuple[int, list[str]]]) -> Table:
    line, first = next(rows, (0, []))
    if not first:
        raise DataError(f"{name}: is empty")
    numbers = [_number(cell) for cell in first]
    header = all(number is None or math.isnan(number) for number in numbers) and None in numbers
    columns = tuple(first) if header else None
    lines, values = array("q"), array("d")
    for number, cells in rows if header else chain([(line, first)], rows):
        if len(cells) != len(first):
            raise DataError(f"{name}: line {number} has {len(cells)} cells, line {line} has {len(first)}")
        row = [_number(cell) for cell in cells]
        if None in row:
            column = row.index(None)
            place = Table(name, np.empty(0), columns, [number]).place(0, (column,))
            advice = _advice(cells[column], number == line)
            raise DataError(f"{name}: {place}: {cells[column][:40]!r} is not a number{advice}")
        lines.append(number)
        values.extend(row)  # type: ignore[arg-type]
    if not lines:
        raise DataError(f"{name}: holds a header and no events")
    return Table(name, np.array(values).reshape(-1, len(first)), columns, lines)


def _number(cell: str) -> float | None:
    """The number in a cell: nan if it is missing, None if it is something else."""
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return math.nan if cell.lower() in MISSING else None


def _advice(cell: str, first: bool) -> str:
    if re.fullmatch(r"[-+]?\d*,\d+", cell):
        return "; write decimal points, not commas"
    if first:
        return ", and the line is no header, as it has numbers as well"
    return "; remove the column or code it as numbers"


def _header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, Fortran order, type and bytes that an .npy declares, checked; the file is left where the numbers begin."""
    try:
        version = np.lib.format.read_magic(file)
        read: Callable[..., Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, kind = read(file)
    except (*DAMAGED, KeyError, SyntaxError, tokenize.TokenError) as error:
        raise DataError(f"{name}: is not a .npy array, or is damaged") from error
    _check_type(name, kind, shape)
    if min(shape) < 0:
        raise DataError(f"{name}: is damaged: it declares the shape {shape}")
    refuse_large(8 * shape[0])  # the numbers of its rows are kept in memory
    return shape, fortran, kind, math.prod(shape) * kind.itemsize


def _read_npy(path: Path, _key: str | None) -> Table:
    with open(path, "rb") as file:
        shape, fortran, kind, size = _header(str(path), file)
        start = file.tell()
    held = path.stat().st_size - start
    if held < size:
        raise DataError(f"{path}: is damaged: it declares {size} bytes of numbers {shape} and holds {held}")
    if size == 0:
        return Table(str(path), np.empty(shape, kind))
    mapped = np.memmap(path, kind, "r", start, shape, "F" if fortran else "C")
    return Table(str(path), mapped if size > MAP_ABOVE else np.array(mapped))


def _read_npz(path: Path, key: str | None) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            chosen = _choose(path, list(members), key)
            name = str(path) if len(members) == 1 else f"{path}[{chosen}]"
            if members[chosen].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{name}: compressed as numpy does not; save it with numpy.savez")
            with archive.open(members[chosen]) as file:
                return Table(name, _inflate(name, file, members[chosen].file_size))
    except DAMAGED as error:
        raise DataError(f"{path}: is not a .npz file, or is damaged: {error}") from error


def _choose(path: Path, names: list[str], key: str | None) -> str:
    shown = ", ".join(names[:20]) or "nothing"
    if key is not None and key not in names:
        raise DataError(f"{path}: holds no array {key!r}, but {shown}; choose one with source.key")
    if key is None and len(names) != 1:
        raise DataError(f"{path}: holds {len(names)} arrays ({shown}); choose one with source.key")
    return names[0] if key is None else key


def _inflate(name: str, file: IO[bytes], declared: int) -> np.ndarray:
    """The array in an open member of an archive. Sizes are compared before a byte of numbers is inflated."""
    shape, fortran, kind, size = _header(name, file)
    try:
        refuse_large(max(size, declared))
    except OSError as error:
        raise DataError(f"{name}: unpacked {error}; or save it as .npy, which is read from disk") from error
    if file.tell() + size != declared:
        raise DataError(f"{name}: is damaged: it declares {size} bytes of numbers and holds {declared - file.tell()}")
    return np.frombuffer(file.read(size), kind).reshape(shape, order="F" if fortran else "C")


READERS: dict[str, Callable[[Path, str | None], Table]] = {".csv": _read_csv, ".npy": _read_npy, ".npz": _read_npz}
