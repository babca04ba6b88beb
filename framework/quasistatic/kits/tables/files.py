"""Any table as text: files by their endings, and data frames in memory. What a library reads typed becomes text of its values."""

from __future__ import annotations

import contextlib
import gzip
import json
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.options import ENDINGS, TEXT, ReadingOptions
from quasistatic.kits.tables.pieces import Piece, pieces
from quasistatic.kits.tables.text import named, opened, recognise
from quasistatic.kits.tables.typed import SCANS, as_cell, as_text, refuse_beyond, refuse_cells, typed_pieces

EXTRA = 'pip install "quasistatic[table]"'
JSON, XML = 16, 8  # bytes that one of a file takes on the way
SIZES = (8, 16, 32, 64)
NULLABLE: dict[str, Any] = {"boolean": pl.Boolean, "Float32": pl.Float32, "Float64": pl.Float64}
NULLABLE |= {f"{kind}{size}": getattr(pl, f"{kind}{size}") for kind in ("Int", "UInt") for size in SIZES}


@attrs.frozen(eq=False)
class RawTable:
    """A table of text: `names` of its columns, and `pieces()`, which reads its rows anew, some at a time.

    `counted` are the places of rows, such as "line"; `types` are the types of the columns of a file that has any;
    `delimiter` and `has_header` are how a text file is written. `notes` are what was recognised.
    """

    name: str
    names: tuple[str, ...]
    pieces: Callable[[], Iterator[Piece]]
    counted: str
    notes: tuple[str, ...] = ()
    types: tuple[str, ...] | None = None
    delimiter: str = ","
    has_header: bool = True


def read_table(path: str | Path, options: ReadingOptions | None = None, known: Sequence[str] = ()) -> RawTable:
    """A table from a file, by its ending; names of columns that are `known` tell a header. Raises DataError, also later, while
    pieces are read.
    """
    path, options = checked(path), options or ReadingOptions()
    ending = path.suffix.lower()
    with readable(path):
        if ending in SCANS:
            names, types, read = typed_pieces(path)
            table = RawTable(str(path), names, read, "row", (), types)
        elif ending == ".xlsx":
            table = _excel(path, options)
        elif ending in (".jsonl", ".ndjson"):
            table = _json(path)
        else:
            table = _text(path, options, known)
        refuse_cells(path, 0, len(table.names))
    if twice := [name for name in table.names if table.names.count(name) > 1]:
        raise qs.DataError(f"{path}: {table.names.count(twice[0])} columns are called {twice[0]!r}; give each a name of its own")
    return attrs.evolve(table, pieces=_Reading(path, len(table.names), table.pieces))


@attrs.frozen
class _Reading:
    """Rows are counted, and errors of the system while a file is read are DataErrors of one line."""

    path: Path
    columns: int
    pieces: Callable[[], Iterator[Piece]]

    def __call__(self) -> Iterator[Piece]:
        rows = 0
        with readable(self.path):
            for piece in self.pieces():
                rows += len(piece.places)
                refuse_cells(self.path, rows, self.columns)
                yield piece


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise qs.DataError(f"{path}: is not a .gz file, or is damaged: {error}") from error
    except OSError as error:
        raise qs.DataError(f"{path}: cannot be read: {' '.join((error.strerror or str(error)).split())}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise qs.DataError(f"{path}: is not a {path.suffix} file, or is damaged: {str(error).splitlines()[0][:160]}") from error


def checked(path: str | Path) -> Path:
    """The path of a table. Raises DataError where there is no such file."""
    path = Path(path).expanduser()
    known = f"expected a file that ends in {', '.join(TEXT)} (or .gz of these), {', '.join(ENDINGS[2 * len(TEXT) :])}"
    if path.is_dir():
        raise qs.DataError(f"{path}: is a folder, {known}")
    if not path.exists():
        raise qs.DataError(f"{path}: there is no such file in {Path.cwd() if not path.is_absolute() else path.parent}")
    if not path.name.lower().endswith(ENDINGS) or not path.is_file():
        raise qs.DataError(f"{path}: {known}")
    return path


def _text(path: Path, options: ReadingOptions, known: Sequence[str]) -> RawTable:
    form = recognise(path, options, known)
    names = form.header or tuple(f"column {number}" for number in range(1, form.width + 1))
    return RawTable(
        str(path), names, lambda: pieces(path, form), "line", form.notes, None, form.delimiter or " ", form.header is not None
    )


def _excel(path: Path, options: ReadingOptions) -> RawTable:
    """The cells of one sheet. Values of formulas are as they were last computed."""
    try:
        import openpyxl
    except ImportError as error:
        raise qs.DataError(f"{path}: reading .xlsx needs openpyxl: {EXTRA}; or save the sheet as .csv") from error
    try:
        with zipfile.ZipFile(path) as archive:
            qs.files.refuse_large(XML * sum(each.file_size for each in archive.infolist()))
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        with contextlib.closing(book):
            sheets = [each.title for each in book.worksheets]  # those of charts have no cells
            if options.sheet and options.sheet not in sheets:
                raise qs.DataError(f"{path}: source.sheet: there is no sheet {options.sheet!r}  (it has: {', '.join(sheets)})")
            sheet = book[options.sheet] if options.sheet else book.worksheets[0]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a cell that is not the date it is marked as: it is read as '#VALUE!'
                rows, blank = _rows_with_cells(_sheet_rows(path, sheet))
    except (qs.errors.QuasistaticError, OSError):
        raise
    except Exception as error:  # a damaged file makes anything of a reader of XML
        raise qs.DataError(f"{path}: is not an .xlsx file, or is damaged: {type(error).__name__}") from error
    if not rows:
        others = "" if len(sheets) == 1 else f": sheet {sheet.title!r}  (it has: {', '.join(sheets)}; source.sheet)"
        raise qs.DataError(f"{path}: is empty{others}")
    width = max(len(cells) for _, cells in rows)
    refuse_cells(path, len(rows), width)
    rows = [(number, cells + [""] * (width - len(cells))) for number, cells in rows]
    notes = () if len(sheets) == 1 else (f"sheet {sheet.title!r} of {len(sheets)} is read (source.sheet)",)
    header = options.header != "no" and not any(cell and _is_number(cell) for cell in rows[0][1])
    names = tuple(named(rows[0][1])) if header else tuple(f"column {number}" for number in range(1, width + 1))
    where = f"row {rows[0][0]} is the header" if header else "there is no header"
    return attrs.evolve(_of_rows(str(path), names, rows[header:], "row", blank), notes=(*notes, f"{where} (source.header)"))


def _sheet_rows(path: Path, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows of a sheet, by their numbers, one after another: any cell may be the last of a sheet of 17 billion."""
    sheet.reset_dimensions()  # the size that it claims would fill every row up
    count = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        count += len(row)
        refuse_cells(path, number, 0, count)
        yield number, ["" if value is None else _excel_cell(value) for value in row]


def _rows_with_cells(rows: Iterable[tuple[int, list[str]]]) -> tuple[list[tuple[int, list[str]]], int]:
    """Those that hold anything but blanks, and how many between them do not."""
    found, blank, waiting = [], 0, 0
    for number, cells in rows:
        if any(cell.strip() for cell in cells):
            found.append((number, cells))
            blank, waiting = blank + waiting, 0
        else:
            waiting += bool(found)
    return found, blank


def _excel_cell(value: Any) -> str:
    """Excel has days as midnights."""
    text = as_cell(value)
    return text.removesuffix("T00:00:00") if hasattr(value, "isoformat") else text


def _is_number(cell: str) -> bool:
    try:
        return float(cell) == float(cell)
    except ValueError:
        return False


def _json(path: Path) -> RawTable:
    """An object in each line; columns are the keys, in the order in which they first occur. Numbers keep their digits."""
    rows = []
    size = 0
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            size += len(line)
            qs.files.refuse_large(JSON * size)
            if line.strip():
                rows.append((number, _object(path, number, line)))
    if not rows:
        raise qs.DataError(f"{path}: is empty")
    names = tuple(dict.fromkeys(name for _, row in rows for name in row))
    refuse_cells(path, len(rows), len(names))
    cells = [(number, [as_cell(row.get(name)) for name in names]) for number, row in rows]
    kinds = [{type(row[name]) for _, row in rows if row.get(name) is not None} for name in names]
    types = tuple("Boolean" if kind == {bool} else "Number" if kind == {_Digits} else "String" for kind in kinds)
    return attrs.evolve(_of_rows(str(path), names, cells, "line"), types=types)


class _Digits(str):
    """A number as it is written."""

    __repr__ = str.__str__


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_float=_Digits, parse_int=_Digits)
    except (ValueError, RecursionError) as error:
        raise qs.DataError(f"{path}: line {number} is not JSON: {' '.join(str(error).split())[:100]}") from error
    if not isinstance(row, dict):
        shown = line.decode(errors="replace").strip()[:40]
        raise qs.DataError(f'{path}: line {number} holds {shown!r}, expected an object such as {{"age": 3}}')
    for name, value in row.items():
        if not (_is_text(name) and _is_text(value)):
            raise qs.DataError(f"{path}: line {number}, column {name!a}: holds one half of a surrogate pair, which is no text")
        if isinstance(value, dict | list):
            raise qs.DataError(f"{path}: line {number}, column {name!r}: holds {str(value)[:40]}, expected one number or text")
    return row


def _is_text(value: Any) -> bool:
    """Whether it is no text, or text that can be encoded."""
    return not (isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value))


def _of_rows(name: str, names: tuple[str, ...], rows: Iterable[tuple[int, list[str]]], counted: str, blank: int = 0) -> RawTable:
    places, cells = [], []
    for place, row in rows:
        places.append(place)
        cells.append([cell or None for cell in row])
    schema = {str(number): pl.String for number in range(len(names))}
    frame = pl.DataFrame(cells, schema=schema, orient="row")
    piece = Piece(frame, np.asarray(places, np.int64), blank)
    return RawTable(name, names, lambda: iter((piece,)), counted)


def is_frame(data: Any) -> bool:
    """Whether data in memory are a table with names: a data frame, a mapping of columns, or anything with the Arrow interface."""
    return (
        hasattr(data, "__arrow_c_stream__")
        or hasattr(data, "__dataframe__")
        or (isinstance(data, Mapping) and all(np.ndim(values) == 1 for values in data.values()))
    )


def from_frame(data: Any) -> RawTable:
    """A data frame of pandas, polars or pyarrow, or a mapping of columns, by the names of its columns. Raises DataError."""
    names = list(data.column_names if hasattr(data, "column_names") else data.keys() if isinstance(data, Mapping) else data.columns)
    if twice := [name for name in names if names.count(name) > 1]:
        raise qs.DataError(f"data: {names.count(twice[0])} columns are called {twice[0]!r}; give each a name of its own")
    if isinstance(data, pl.DataFrame):
        series = data.get_columns()
    else:
        series = [_series(data[name]) for name in names]
    if not series or not len(series[0]):
        raise qs.DataError("data: the frame holds no rows")
    if len({len(each) for each in series}) > 1:
        raise qs.DataError("data: expected columns of one length")
    for name, each in zip(names, series, strict=True):
        if each.dtype.is_nested():
            raise qs.DataError(f"data: column {name!r} holds {each.dtype} in each cell, expected one number or text")
        refuse_beyond("data", str(name), each)
    frame = pl.DataFrame([each.alias(str(number)) for number, each in enumerate(series)])
    piece = Piece(as_text(frame), np.arange(len(frame)))
    types = tuple(str(each.dtype) for each in series)
    return RawTable("data", tuple(map(str, names)), _Kept(piece), "row", (), types)


@attrs.frozen
class _Kept:
    piece: Piece

    def __call__(self) -> Iterator[Piece]:
        return iter((self.piece,))


def _series(values: Any) -> pl.Series:
    """A column of any library: numbers, dates and categories as they are, all else as text."""
    if isinstance(values, pl.Series):
        return values
    if hasattr(values, "__arrow_c_stream__") and type(values).__module__.startswith("pyarrow"):
        return pl.Series("", values)
    dtype: Any = getattr(values, "dtype", None)
    if str(dtype) in NULLABLE:  # of pandas
        return pl.Series("", [_cell_or_none(value) for value in values.to_list()], dtype=NULLABLE[str(dtype)])
    if getattr(dtype, "tz", None) is not None:
        plain = pl.Series("", values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        return plain.dt.replace_time_zone("UTC").dt.convert_time_zone(str(dtype.tz))
    if str(dtype) == "category" and all(isinstance(each, str) for each in dtype.categories):
        return pl.Series("", [_cell_or_none(value) for value in values.to_list()], dtype=pl.Categorical)
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.dtype.kind in "biufmM":
        return pl.Series("", array).fill_nan(None) if array.dtype.kind == "f" else pl.Series("", array)
    found = [_cell_of(value) for value in (values.to_list() if hasattr(values, "to_list") else list(values))]
    return pl.Series("", [cell or None for cell in found], dtype=pl.String)


def _cell_or_none(value: Any) -> Any:
    return value if _cell_of(value) else None


def _cell_of(value: Any) -> str:
    return "" if type(value).__name__ in ("NAType", "NaTType") else as_cell(value)
