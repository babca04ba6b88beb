"""Gaps in tables: which cells are missing, what is known of the others, and the table with cells in its gaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.files import RawTable
from quasistatic.kits.tables.forms import MISSING
from quasistatic.kits.tables.layout import NUMBERS, Layout
from quasistatic.kits.tables.values import WRITTEN, Values, typed, write_cells

Tagger = Callable[[Values], Mapping[str, np.ndarray]]


class TableGaps(qs.sources.AbstractGaps):
    """Those of a table with the columns of a layout."""

    endings = WRITTEN

    def __init__(self, layout: Layout, table: RawTable, words: Sequence[str] | None, labels: str | None, tags: Tagger, data: Any):
        """`words` are missing cells where they are set, `labels` the column of labels, `data` the frame of the table, if any."""
        self._layout, self._table, self._data = layout, table, data
        pieces = list(table.pieces())
        if not any(len(piece.frame) for piece in pieces):
            raise qs.DataError(f"{table.name}: holds a header and no rows")
        self._frame = pl.concat([piece.frame for piece in pieces])
        self.count = len(self._frame)
        if lost := [column.name for column in layout.columns if column.name not in table.names]:
            raise qs.DataError(f"{table.name}: there is no column {lost[0]!r}  (it has: {', '.join(table.names[:20])})")
        cells = [self._frame[str(table.names.index(column.name))].str.strip_chars().fill_null("") for column in layout.columns]
        are_gaps = [_are_gaps(column, own, words, layout.columns) for column, own in zip(layout.columns, cells, strict=True)]
        gaps = np.stack(are_gaps, axis=1) if are_gaps else np.zeros((self.count, 0), bool)
        wanted = np.flatnonzero(gaps.any(axis=1))
        values, reasons = _read(layout, [own.gather(wanted) for own in cells], gaps[wanted])
        places = np.concatenate([piece.places for piece in pieces])[wanted]
        beside = None
        if labels in table.names:
            beside = np.array(self._frame[str(table.names.index(labels))].fill_null("").to_list(), object)[wanted]
        values = Values(values.states, values.numbers, places, {}, beside)
        named = tags(values)
        self.outside = tuple(
            qs.sources.Outside(int(wanted[row]), reason, {name: own[row] for name, own in named.items()})
            for row, reason in sorted(reasons.items())
        )
        inside = np.setdiff1d(np.arange(len(wanted)), list(reasons))
        self.rows, self.tags = wanted[inside], {name: own[inside] for name, own in named.items()}
        self._is_gap = gaps[self.rows]
        self.limits = _limits(layout, values.rows(inside), self._is_gap)
        self._at = np.argwhere(self._is_gap)  # (G, 2): event, column
        self.cells = [(int(self.rows[row]), layout.columns[column].name) for row, column in self._at]

    def values(self, xs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        events, draws = next(iter(xs.values())).shape[:2]
        found = self._layout.to_values({name: own.reshape(-1, *own.shape[2:]) for name, own in xs.items()})
        numbers, states = np.full((draws, len(self._at)), np.nan), np.zeros((draws, len(self._at)), int)
        for k, column in enumerate(self._layout.columns):
            own = np.flatnonzero(self._at[:, 1] == k)
            rows = self._at[own, 0]
            states[:, own] = found.states[k].reshape(events, draws)[rows].T
            if column.is_number:
                its, atoms = found.numbers[k], np.array([np.nan, *column.atoms, *[np.nan] * len(column.states)])
                assert its is not None
                numbers[:, own] = np.where(states[:, own] == 0, its.reshape(events, draws)[rows].T, atoms[states[:, own]])
            elif column.kind == "ordinal":
                numbers[:, own] = np.array([*map(float, column.states)])[states[:, own]] if _are_numbers(column) else np.nan
        return numbers, states

    def texts(self, numbers: np.ndarray, codes: np.ndarray) -> list[str]:
        found = np.empty(len(self._at), object)
        for k, column in enumerate(self._layout.columns):
            own = np.flatnonzero(self._at[:, 1] == k)
            if len(own):
                is_number, its = column.is_number & (codes[own] == 0), numbers[own].copy()
                if is_number.any():
                    its[is_number] = column.snapped(its[is_number])
                found[own] = column.write(codes[own].astype(int), its).fill_null("").to_list()
        return list(map(str, found))

    def completed(self, texts: Sequence[str]) -> Any:
        if type(self._data).__module__.partition(".")[0] == "pandas":
            found = self._data.copy()
            for k, rows, cells in self._by_column(texts):
                column = list(map(str, found.columns)).index(self._layout.columns[k].name)
                found.iloc[rows, column] = cells.to_list()
            return found
        whole = self._data if isinstance(self._data, pl.DataFrame) else pl.DataFrame(self._data)
        for k, rows, cells in self._by_column(texts):
            name = self._layout.columns[k].name
            own = whole[name]
            kind = own.dtype if own.dtype != pl.Null else cells.dtype
            whole = whole.with_columns(own.cast(kind).scatter(rows, cells.cast(kind, strict=False)).alias(name))
        return whole

    def _by_column(self, texts: Sequence[str]) -> list[tuple[int, np.ndarray, pl.Series]]:
        """The columns with gaps, the records of these, and their cells with their types."""
        cells = np.array(texts, object)
        found = []
        for k in np.unique(self._at[:, 1]).tolist():
            own = np.flatnonzero(self._at[:, 1] == k)
            column = self._layout.columns[k]
            series = typed([column], pl.DataFrame({column.name: cells[own].tolist()}))[column.name]
            found.append((k, self.rows[self._at[own, 0]], series))
        return found

    def written(self, texts: Sequence[str], ending: str) -> bytes:
        frame, cells = self._frame, np.array(texts, object)
        for k in np.unique(self._at[:, 1]).tolist():
            own = np.flatnonzero(self._at[:, 1] == k)
            name = str(self._table.names.index(self._layout.columns[k].name))
            frame = frame.with_columns(frame[name].scatter(self.rows[self._at[own, 0]], cells[own].tolist()).alias(name))
        known = {column.name: column for column in self._layout.columns}
        names = self._table.names
        columns = [known.get(name, Column(name, k + 1, "categorical", type=self._type(k))) for k, name in enumerate(names)]
        frame = frame.rename({str(k): name for k, name in enumerate(names)})
        return write_cells(columns, frame, ending, self._table.delimiter, self._table.has_header)

    def _type(self, number: int) -> str:
        return self._table.types[number] if self._table.types else "String"


def _are_numbers(column: Column) -> bool:
    try:
        return bool([float(state) for state in column.states])
    except ValueError:
        return False


def _are_gaps(column: Column, cells: pl.Series, words: Sequence[str] | None, columns: Sequence[Column]) -> np.ndarray:
    """Which cells (N,) of a column are missing: empty, or one of the words of the file or of its option."""
    spelt = {"", *(words or ()), *(word for each in columns for word in each.missing)}
    states = {state for state in column.states if state not in column.missing}
    found = cells.is_in(list(spelt))
    if words is None and (column.is_number or column.kind == "ordinal"):
        found |= cells.str.to_lowercase().is_in(list(MISSING))
    return np.asarray((found & ~cells.is_in(list(states))).to_numpy())


def _read(layout: Layout, cells: Sequence[pl.Series], gaps: np.ndarray) -> tuple[Values, dict[int, str]]:
    """Rows with any value in their gaps, and why some are no events, by their place."""
    states, numbers, reasons = [], [], dict[int, str]()
    for column, own, is_gap in zip(layout.columns, cells, gaps.T, strict=True):
        state, its, why = column.read(own)
        for row, reason in why.items():
            if not is_gap[row]:
                reasons.setdefault(row, reason)
        states.append(np.where(is_gap | (state < 0), 0, state))
        numbers.append(np.where(is_gap, np.nan, its) if column.is_number else None)
    return Values(tuple(states), tuple(numbers), np.arange(len(gaps))), reasons


def _limits(layout: Layout, values: Values, gaps: np.ndarray) -> qs.sources.Limits:
    """What is known of rows: a gap is a cell that is not missing, and nothing more."""
    parts = layout.to_parts(values)
    states, lowest, highest = {}, {}, {}
    for name, own in parts.items():
        columns = [slot.column for slot in layout.part(name)]
        is_gap = gaps[:, columns]
        if name == NUMBERS:
            is_known = ~is_gap & np.stack([values.states[k] == 0 for k in columns], axis=1)
            lowest[name], highest[name] = np.where(is_known, own, -np.inf), np.where(is_known, own, np.inf)
        else:
            possible = np.array([possible_states(layout.columns[k]) for k in columns])
            is_its = own[..., None] == np.arange(possible.shape[1])
            states[name] = np.where(is_gap[..., None], possible, is_its)
    return qs.sources.Limits(states, lowest, highest)


def possible_states(column: Column) -> list[bool]:
    """Which states of a column are those of a cell that is not missing."""
    return [True] * column.is_number + [state not in column.missing for state in column.states]
