"""Sheets of Excel and columns of Parquet, as rows of cells; their libraries are optional."""

from __future__ import annotations

import contextlib
import datetime
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from quasistatic._data.cells import Reader
from quasistatic._data.text import Cells
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
            refuse_large(8 * file.metadata.num_rows * len(names))
            yield Cells(str(path), _batches(names, file.iter_batches()), True, Reader(), "row")
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: is not a .parquet file, or is damaged: {type(error).__name__}") from error


def _batches(names: list[str], batches: Iterable[Any]) -> Iterator[tuple[int, list[str]]]:
    yield 0, list(names)
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    for number, row in enumerate(rows, 1):
        yield number, [as_cell(value) for value in row]


def as_cell(value: Any) -> str:
    """A value of a library as the text that a person would write; text in it is what it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date):  # a datetime is one
        return value.isoformat()
    return value.strip() if isinstance(value, str) else str(value)
