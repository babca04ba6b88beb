"""The rows of a table as arrays, read with its columns; and the table that they are again."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.files import RawTable
from quasistatic.kits.tables.forms import NumberForm
from quasistatic.kits.tables.numbers import about, refined
from quasistatic.kits.tables.options import ColumnOptions
from quasistatic.kits.tables.surveying import Survey, survey

WRITTEN = (".csv", ".tsv", ".parquet", ".jsonl")
TEXTUAL = ("String", "Number")  # types whose cells are written as they are
CHECKED = 100_000  # cells at the top that are compared with the file


@attrs.frozen(eq=False)
class Values:
    """Rows of a table: the `states` of each column (N,), whole numbers, and its `numbers` (N,), nan where there is none, by number
    of the column; `places` (N,) are where rows stand, `outside` why some have a cell that its column does not hold, and `labels`
    (N,) stand beside them.
    """

    states: tuple[np.ndarray, ...]
    numbers: tuple[np.ndarray | None, ...]
    places: np.ndarray
    outside: Mapping[int, str] = attrs.field(factory=dict)
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)

    def rows(self, chosen: np.ndarray) -> Values:
        """Some rows, none of which is outside."""
        numbers = tuple(None if each is None else each[chosen] for each in self.numbers)
        labels = None if self.labels is None else self.labels[chosen]
        return Values(tuple(each[chosen] for each in self.states), numbers, self.places[chosen], {}, labels)


def read_values(table: RawTable, columns: Sequence[Column], labels: str | None = None) -> Values:
    """All rows of a table that has these columns, by their names, and one of labels if it has that.

    Raises DataError for a column that is not there, and for no rows.
    """
    if lost := [column.name for column in columns if column.name not in table.names]:
        raise qs.DataError(f"{table.name}: there is no column {lost[0]!r}  (it has: {', '.join(table.names[:20])})")
    which = [table.names.index(column.name) for column in columns]
    states: list[list[np.ndarray]] = [[] for _ in columns]
    numbers: list[list[np.ndarray]] = [[] for _ in columns]
    beside = table.names.index(labels) if labels in table.names else None
    outside: dict[int, str] = {}
    places, tags, count = [np.empty(0, np.int64)], [np.empty(0, object)], 0
    for piece in table.pieces():
        for k, (column, number) in enumerate(zip(columns, which, strict=True)):
            state, values, reasons = column.read(piece.frame[str(number)])
            states[k].append(state.astype(np.int8 if column.state_count < 100 else np.int32))
            if column.is_number:
                numbers[k].append(values)
            for row, reason in reasons.items():
                outside.setdefault(count + row, reason)
        places.append(piece.places)
        if beside is not None:
            tags.append(np.array(piece.frame[str(beside)].fill_null("").to_list(), object))
        count += len(piece.places)
        qs.files.refuse_large(8 * count * len(columns))
    if not count:
        raise qs.DataError(f"{table.name}: holds a header and no rows")
    joined = []
    for k, column in enumerate(columns):
        joined.append(np.concatenate(numbers[k]) if column.is_number else None)
        numbers[k] = []  # one column at a time is there twice
    together = tuple(np.concatenate(each) for each in states)
    named = None if beside is None else np.concatenate(tags)
    return Values(together, tuple(joined), np.concatenate(places), dict(sorted(outside.items())), named)


@attrs.frozen(eq=False)
class ReadTable:
    """A table that has been read: its columns, what is in them, and sentences for the user."""

    columns: tuple[Column, ...]
    values: Values
    survey: Survey
    notes: tuple[str, ...]


def read_columns(table: RawTable, options: ColumnOptions) -> ReadTable:
    """Everything of a table. Reads it once to see what columns are, and once more for those that have other cells than numbers.
    Raises DataError.
    """
    looked = survey(table, options)
    drafts = _drafts(table, looked, options)
    columns: list[Column] = []
    states: list[np.ndarray] = []
    numbers: list[np.ndarray | None] = []
    for draft, state, values in zip(looked.columns, drafts.states, drafts.numbers, strict=True):
        if values is None:
            columns.append(draft)
            states.append(state)
            numbers.append(None)
            continue
        try:
            is_lost = np.isnan(values)
            column = refined(draft, values[~is_lost] if is_lost.any() else values, options)
        except qs.DataError as error:
            raise qs.DataError(f"{table.name}: {error}") from error
        new_state, new_values = _restated(draft, column, state, values)
        columns.append(column)
        states.append(new_state)
        numbers.append(new_values)
    found = attrs.evolve(drafts, states=tuple(states), numbers=tuple(numbers))
    shares = {
        column.name: {name: float(np.mean(state == k + column.is_number)) for k, name in enumerate(column.states)}
        for column, state in zip(columns, states, strict=True)
    }
    notes = [*looked.notes, *about(columns, shares), *_copies(found)]
    return ReadTable(tuple(columns), found, looked, tuple(notes))


def _drafts(table: RawTable, looked: Survey, options: ColumnOptions) -> Values:
    """The values of the columns of a survey: numbers that it has are not read again."""
    known = {column.name: numbers for column in looked.columns if (numbers := looked.numbers(column)) is not None}
    others = [column for column in looked.columns if column.name not in known]
    rest = read_values(table, others, options.labels) if others or options.labels else Values((), (), looked.places)
    found = iter(zip(rest.states, rest.numbers, strict=True))
    pairs = [
        (np.zeros(len(rest), np.int8), known[column.name]) if column.name in known else next(found) for column in looked.columns
    ]
    return attrs.evolve(rest, states=tuple(state for state, _ in pairs), numbers=tuple(numbers for _, numbers in pairs))


def _restated(draft: Column, column: Column, state: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """States and numbers of a column whose numbers are states or have atoms, where the draft has none."""
    more = len(column.states) - len(draft.states)
    kind = np.int8 if column.state_count < 100 else np.int32
    if column.is_number:
        if not more:
            return state, values
        found = np.where(state > 0, state.astype(kind) + more, 0).astype(kind)
        for place, atom in enumerate(column.atoms[:more]):
            found[values == atom] = place + 1
        return found, np.where(found == 0, values, np.nan)
    distinct = np.unique(values[~np.isnan(values)])
    found = np.searchsorted(distinct, np.nan_to_num(values)).astype(kind)
    return np.where(state > 0, state.astype(kind) - 1 + len(distinct), found).astype(kind), None


def to_matrix(columns: Sequence[Column], values: Values) -> np.ndarray:
    """Rows as numbers (N, columns), those of atoms too, nan where a cell is missing or a word; and the places of states."""
    found = np.empty((len(values), len(columns)))
    for k, (column, state, numbers) in enumerate(zip(columns, values.states, values.numbers, strict=True)):
        found[:, k] = state
        if column.is_number and numbers is not None:
            atoms = np.array([np.nan, *column.atoms])
            found[:, k] = np.where(state == 0, numbers, atoms[state])
    return found


def _copies(values: Values) -> list[str]:
    """How many rows are there before, cell by cell."""
    mixed = np.zeros(len(values), np.uint64)
    for key in (*(each for each in values.states if each.any()), *(each for each in values.numbers if each is not None)):
        own = key + 0.0  # there is one zero
        own[np.isnan(own)] = 0.0
        mixed ^= own.view(np.uint64)  # a digest of each row: the memory of all keys at once is not needed
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed.sort()
    again = int((mixed[1:] == mixed[:-1]).sum())
    return [f"{again} rows are copies of other rows, and may be in several splits"] if again else []


def write_table(columns: Sequence[Column], values: Values, ending: str, delimiter: str = ",", has_header: bool = True) -> bytes:
    """A file of rows, with the columns, cells and types of the file that they were read from."""
    return write_cells(columns, to_text(columns, values), ending, delimiter, has_header)


def write_cells(columns: Sequence[Column], frame: pl.DataFrame, ending: str, delimiter: str, has_header: bool) -> bytes:
    """A file of cells, which are text, with the types of their columns where the ending has any."""
    if ending == ".parquet":
        out = io.BytesIO()
        typed(columns, frame).write_parquet(out)
        return out.getvalue()
    if ending == ".jsonl":
        return _json_lines(columns, frame).encode()
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if ending == ".tsv" else delimiter, lineterminator="\n")
    if has_header:
        writer.writerow([column.name for column in columns])
    writer.writerows(["" if cell is None else cell for cell in row] for row in frame.iter_rows())
    return text.getvalue().encode()


def to_text(columns: Sequence[Column], values: Values) -> pl.DataFrame:
    """The cells of rows as text, null where they are empty."""
    nothing = np.full(len(values), np.nan)
    series = [
        column.write(state, nothing if numbers is None else numbers)
        for column, state, numbers in zip(columns, values.states, values.numbers, strict=True)
    ]
    return pl.DataFrame({column.name: each for column, each in zip(columns, series, strict=True)})


def typed(columns: Sequence[Column], frame: pl.DataFrame) -> pl.DataFrame:
    """A frame of text with the types of the file that its columns were read from, or with those that fit them."""
    return pl.DataFrame({column.name: _typed(column, frame[column.name]) for column in columns})


def _typed(column: Column, cells: pl.Series) -> pl.Series:
    kind = column.type or ("Float64" if isinstance(column.form, NumberForm) else "String")
    words = [word for word in column.missing if word and not (kind.startswith("Float") and word == "NaN")]
    cells = cells.replace(words, None) if words and kind not in TEXTUAL else cells
    try:
        if kind.startswith("Enum("):
            return cells.cast(pl.Enum(ast.literal_eval(kind[len("Enum(categories=") : -1])))
        if kind.startswith("Decimal("):
            precision, scale = map(int, re.findall(r"\d+", kind))
            return cells.cast(pl.Decimal(precision, scale))
        if kind.startswith("Duration("):
            return cells.cast(pl.Int64).cast(pl.Duration(re.findall(r"'(\w*)s'", kind)[0].replace("μ", "u") + "s"))
        if kind == "Time":
            return cells.str.to_time()
        if kind.startswith("Datetime"):
            parts = kind[len("Datetime(") :].replace("'", "").rstrip(")").split(", ")
            unit = parts[0].removeprefix("time_unit=")
            zone = parts[1].removeprefix("time_zone=") if len(parts) > 1 else "None"
            found = cells.str.to_datetime(time_unit=unit, time_zone=None if zone == "None" else "UTC", strict=True)  # type: ignore[arg-type]
            return found if zone == "None" else found.dt.convert_time_zone(zone)
        if kind == "Date":
            return cells.str.to_date("%Y-%m-%d")
        if kind == "Boolean":
            return cells == "true"
        if kind in TEXTUAL or not hasattr(pl, kind):
            return cells
        if column.form is not None and (column.form.decimal != "." if isinstance(column.form, NumberForm) else True):
            return cells
        return cells.cast(getattr(pl, kind))
    except pl.exceptions.PolarsError:
        return cells


def to_pandas(frame: pl.DataFrame) -> Any:
    """A typed frame as one of pandas: of numpy's types, but where cells are missing that these cannot leave out."""
    import pandas

    found: dict[str, Any] = {}
    for each in frame.get_columns():
        kind = each.dtype
        if isinstance(kind, pl.Categorical | pl.Enum):
            found[each.name] = pandas.Categorical(each.to_list())
        elif isinstance(kind, pl.Datetime) and kind.time_zone:
            plain = each.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
            found[each.name] = pandas.Series(plain).dt.tz_localize("UTC").dt.tz_convert(kind.time_zone)
        elif each.null_count() and (kind.is_integer() or kind == pl.Boolean):
            found[each.name] = pandas.array(each.to_list(), dtype="boolean" if kind == pl.Boolean else str(kind))
        else:
            found[each.name] = each.to_list() if kind == pl.String else each.to_numpy()
    return pandas.DataFrame(found)


def _json_lines(columns: Sequence[Column], frame: pl.DataFrame) -> str:
    """An object in each line; numbers keep their digits."""
    names = [json.dumps(column.name) for column in columns]
    bare = [column.type == "Number" or (not column.type and isinstance(column.form, NumberForm)) for column in columns]
    lines = []
    for row in frame.iter_rows():
        cells = []
        for name, column, cell, is_bare in zip(names, columns, row, bare, strict=True):
            text = "null" if cell is None else cell if is_bare or column.type == "Boolean" else json.dumps(cell)
            cells.append(f"{name}: {text}")
        lines.append("{" + ", ".join(cells) + "}\n")
    return "".join(lines)


def first_rows(columns: Sequence[Column], values: Values) -> Values:
    """As many of the rows at the top as are compared with the file."""
    return values.rows(np.arange(min(len(values), max(1000, CHECKED // len(columns)))))


@attrs.frozen(eq=False)
class Spoilt:
    """Which numbers of a column do not come back: the `rows` that were looked at, whether they are `lost`, their numbers, and what
    these become, (M,) each.
    """

    rows: np.ndarray
    lost: np.ndarray
    numbers: np.ndarray
    made: np.ndarray


def digits_lost(table: RawTable, columns: Sequence[Column], values: Values, spoilt: Mapping[str, Spoilt]) -> list[str]:
    """Sentences about cells that would be written otherwise than the file has them; `values` are its first rows, come back, and
    `spoilt` are numbers of all its rows, by the names of columns.
    """
    piece = next(iter(table.pieces()), None)
    if piece is None:
        return []
    count = min(len(piece.frame), len(values))
    written = to_text(columns, values.rows(np.arange(count)))
    found = []
    for column in columns:
        cells = piece.frame[str(table.names.index(column.name))].head(count).str.strip_chars().fill_null("")
        own = written[column.name].fill_null("")
        differ = np.flatnonzero((cells != own).to_numpy())
        looked, lost = count, len(differ)
        such = f"{cells[int(differ[0])]!r} as {own[int(differ[0])]!r}" if lost else ""
        if (others := spoilt.get(column.name)) is not None:
            is_below = others.rows >= count
            below = np.flatnonzero(others.lost & is_below)
            looked, lost = looked + int(is_below.sum()), lost + len(below)
            if len(below) and not such:
                such = " as ".join(repr(column.cell(float(each[below[0]]))) for each in (others.numbers, others.made))
        if lost:
            found.append(f"{column.name}: {lost} of {looked} cells are written otherwise than in the file, such as {such}")
    return found
