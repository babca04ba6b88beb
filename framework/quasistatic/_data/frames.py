"""Sheets of Excel, columns of Parquet and objects of JSON, as rows of cells; the libraries of the first two are optional."""

from __future__ import annotations

import contextlib
import datetime
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from quasistatic._data.cells import Reader
from quasistatic._data.text import Cells, opened
from quasistatic._storage.files import refuse_large
from quasistatic.errors import DataError

EXTRA = 'pip install "quasistatic[table]"'


@contextlib.contextmanager
def excel_cells(path: Path) -> Iterator[Cells]:
    """The cells of the first sheet. Raises DataError, OSError, also while they are read."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(f"{path}: reading .xlsx needs openpyxl: {EXTRA}; or save the sheet as .csv") from error
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_large(sum(each.file_size for each in archive.infolist()))
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        with contextlib.closing(book):
            yield Cells(str(path), _filled(book.worksheets[0].iter_rows(values_only=True)), None, Reader(), "row")
    except (DataError, OSError):
        raise
    except Exception as error:  # a damaged file makes anything of a reader of XML
        raise DataError(f"{path}: is not an .xlsx file, or is damaged: {type(error).__name__}") from error


def _filled(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows, 1):
        cells = [as_cell(value) for value in row]
        if any(cells):
            yield number, cells


@contextlib.contextmanager
def parquet_cells(path: Path) -> Iterator[Cells]:
    """The cells of all columns. Raises DataError, OSError, also while they are read."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: reading .parquet needs pyarrow: {EXTRA}; or save it as .csv") from error
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name, kind in zip(names, file.schema_arrow.types, strict=True):
                if pyarrow.types.is_nested(kind):
                    raise DataError(f"{path}: column {name!r} holds {kind} in each cell, expected one number or text")
            refuse_large(8 * file.metadata.num_rows * len(names))
            yield Cells(str(path), _batches(names, file.iter_batches()), True, Reader(), "row")
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: is not a .parquet file, or is damaged: {type(error).__name__}") from error


def _batches(names: list[str], batches: Iterable[Any]) -> Iterator[tuple[int, list[str]]]:
    yield 0, list(names)
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    for number, row in enumerate(rows, 1):
        yield number, [as_cell(value) for value in row]


@contextlib.contextmanager
def json_cells(path: Path) -> Iterator[Cells]:
    """The cells of a file with a JSON object in each line; its columns are the keys, in the order in which they first occur."""
    with opened(path) as file:
        rows = list(_objects(path, file))
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    cells = [(0, names), *((number, [as_cell(row.get(name)) for name in names]) for number, row in rows)]
    yield Cells(str(path), iter(cells if rows else []), True, Reader(), "line")


def _objects(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is no JSON: {' '.join(str(error).split())[:100]}") from error
        if not isinstance(row, dict):
            raise DataError(f'{path}: line {number} holds {line.strip()[:40]!r}, expected an object such as {{"age": 3}}')
        for name, value in row.items():
            if isinstance(value, dict | list):
                raise DataError(f"{path}: line {number}, column {name!r}: holds {str(value)[:40]}, expected one number or text")
        yield number, row


def as_cell(value: Any) -> str:
    """A value of a library as the text that a person would write; text in it is what it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date):  # a datetime is one
        return value.isoformat()
    return value.strip() if isinstance(value, str) else str(value)
