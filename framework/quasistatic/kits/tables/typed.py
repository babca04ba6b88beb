"""Files of typed columns as text of their values, and what tables may cost: counted before the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.pieces import Piece

HERE = "quasistatic.kits.tables.typed"
ROWS, CELLS = 100_000, 4_000_000  # of a typed file that are read together, at most
SPEED = 1_000_000  # bytes of a file that are read in a second, at least
LAST = 7_800_000_000_000  # seconds from 1970, in the year 249,000
SCANS: dict[str, Callable[..., pl.LazyFrame]] = {".parquet": pl.scan_parquet, **dict.fromkeys((".arrow", ".feather"), pl.scan_ipc)}
# bytes that a row, a cell, a column take; those of columns stand for the time, of which each takes a hundredth of a second
ROW, CELL, COLUMN = 56, 24, 400_000
COPIES = 4  # of text


class _Refused(qs.DataError):
    """A table that can be read and is not wanted, and why."""


def refuse_cells(path: Path, rows: int, columns: int, cells: int | None = None) -> None:
    """Raises OSError for a table that takes more memory, or time, than the limit of sizes and the size of its file allow."""
    cost = ROW * rows + COLUMN * columns + CELL * (rows * columns if cells is None else cells)
    qs.files.refuse_costly(cost, path.stat().st_size)


def typed_pieces(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], Callable[[], Iterator[Piece]]]:
    """Names and types of the columns of a file, and its rows in pieces; all of it has been read in another process before.

    Raises DataError.
    """
    try:
        qs.files.isolated(f"{HERE}:read_apart", [str(path).encode()], seconds=qs.files.SECONDS + path.stat().st_size / SPEED)
    except ValueError as error:
        raise qs.DataError(f"{path}: {error}") from error
    lazy, schema, rows = _opened(path)

    def read() -> Iterator[Piece]:
        for start, frame in _frames(lazy, schema, rows):
            for series in frame.get_columns():
                refuse_beyond(str(path), series.name, series, start + 1)
            yield Piece(as_text(frame), np.arange(start + 1, start + 1 + len(frame)))

    return tuple(schema), tuple(str(kind) for kind in schema.values()), read


def read_apart(inputs: list[bytes]) -> list[bytes]:
    """What `typed_pieces` runs in the other process: all cells are read, and their text is counted. Raises ValueError."""
    path = Path(inputs[0].decode())
    damaged = f"is not a {path.suffix} file, or is damaged"
    try:
        for _, frame in _frames(*_opened(path)):
            _refuse_text(sum(map(_text_size, frame.get_columns())))
    except _Refused as error:
        raise ValueError(str(error)) from error
    except OSError as error:  # of a file that is there
        raise ValueError(damaged) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ValueError(f"{damaged}: {str(error).splitlines()[0][:160]}") from error
    return []


def _opened(path: Path) -> tuple[pl.LazyFrame, pl.Schema, int]:
    lazy = SCANS[path.suffix.lower()](path)
    schema = lazy.collect_schema()
    for name, kind in schema.items():
        if kind.is_nested() or kind == pl.Binary:
            raise _Refused(f"column {name!r} holds {kind} in each cell, expected one number or text")
    rows = lazy.select(pl.len()).collect().item()
    try:
        refuse_cells(path, rows, len(schema))
    except OSError as error:
        raise _Refused(f"cannot be read: {error}") from error
    return lazy, schema, rows


def _refuse_text(size: int) -> None:
    try:
        qs.files.refuse_large(COPIES * size)
    except OSError as error:
        raise _Refused(f"cannot be read: its text is long: {error}") from error


def _frames(lazy: pl.LazyFrame, schema: pl.Schema, rows: int) -> Iterator[tuple[int, pl.DataFrame]]:
    together = max(1, min(ROWS, CELLS // max(1, len(schema))))
    for start in range(0, rows, together):
        yield start, lazy.slice(start, together).collect()


def _text_size(series: pl.Series) -> int:
    """Bytes of the text of a column: one long text may be that of many rows."""
    if series.dtype == pl.String:
        return int(series.str.len_bytes().sum() or 0)
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        return int(series.cat.len_bytes().sum() or 0)
    return 0


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """A typed frame as the text that a person would write."""
    columns = []
    for number, series in enumerate(frame.get_columns()):
        kind = series.dtype
        if isinstance(kind, pl.Datetime):
            text = series.dt.to_string(_written_as(series, kind))
        elif isinstance(kind, pl.Duration):
            text = series.to_physical().cast(pl.String)  # in the unit of its type
        elif kind == pl.Object:
            text = pl.Series([as_cell(value) or None for value in series.to_list()], dtype=pl.String)
        else:
            text = series.cast(pl.String)
        columns.append(text.alias(str(number)))
    return pl.DataFrame(columns)


def refuse_beyond(where: str, name: str, series: pl.Series, first: int = 0) -> None:
    """Raises DataError for a date that no calendar has, as damaged files do: polars ends where it is to write one."""
    kind = series.dtype
    if not isinstance(kind, pl.Date | pl.Datetime):
        return
    last = LAST // 86_400 if isinstance(kind, pl.Date) else LAST * {"ns": 10**9, "us": 10**6, "ms": 10**3}[kind.time_unit]
    if last < 2**63:
        lost = ~series.to_physical().is_between(-last, last).fill_null(True)
        if lost.any():
            raise qs.DataError(
                f"{where}: column {name!r}, row {first + (lost.arg_max() or 0)}: holds a date beyond the year 249,000"
            )


def _written_as(series: pl.Series, kind: pl.Datetime) -> str:
    """With fractions of a second where there are any."""
    parts = series.dt.nanosecond()
    digits = next((each for each in (0, 3, 6) if not ((parts % 10 ** (9 - each)) != 0).any()), 9)
    return f"%Y-%m-%dT%H:%M:%S{f'%.{digits}f' if digits else ''}{'%:z' if kind.time_zone else ''}"


def as_cell(value: Any) -> str:
    """A value as the text that a person would write."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if hasattr(value, "isoformat"):
        text = value.isoformat()
        return "" if text == "NaT" else text
    return str(value)
