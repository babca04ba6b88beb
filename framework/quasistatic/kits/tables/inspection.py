"""A look at a table before anything is trained: its columns, what was recognised, what is lost, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.files import read_table
from quasistatic.kits.tables.options import TableOptions
from quasistatic.kits.tables.source import SPLITS, TableSource, table_source
from quasistatic.kits.tables.values import Values

HEADER = ("column", "kind", "missing", "different", "lowest", "median", "highest")


def inspect_table(path: str, options: TableOptions) -> qs.Inspection:
    """What would be read of a table with these options. Raises DataError where the file cannot be read at all."""
    options = attrs.evolve(options, path=path)
    table = read_table(path, options)
    try:
        source = table_source(options)
    except qs.DataError as error:
        names = f"{len(table.names)} columns: {', '.join(table.names[:20])}"
        problem = str(error).removeprefix(f"{table.name}: ")
        return qs.Inspection(names, table.notes, problem=problem)
    rows = tuple(_rows(source))
    lines = f"{table.counted}s in the file: {_last_place(source)}, rows read: {len(source.whole())}"
    details = {
        "columns": [dict(zip(HEADER, row, strict=True)) for row in rows],
        "rows": len(source.whole()),
        "splits": {name: len(source.split(name)) for name in SPLITS},
    }
    return qs.Inspection(lines, source.notes, header=HEADER, rows=rows, details=details, source=source)


def _last_place(source: TableSource) -> int:
    return int(source.whole().places.max(initial=0))


def _rows(source: TableSource) -> Iterator[tuple[str, ...]]:
    values: Values = source.whole()
    for column, state, numbers in zip(source.layout.columns, values.states, values.numbers, strict=True):
        gaps = [k + column.is_number for k, name in enumerate(column.states) if name in column.missing]
        lost = int(np.isin(state, gaps).sum())
        special = len(np.unique(state[state > 0])) if column.is_number else len(np.unique(state))
        own = np.empty(0) if numbers is None else numbers[~np.isnan(numbers)]
        distinct = special + len(np.unique(own)) - bool(lost)
        three = (own.min(), np.sort(own)[len(own) // 2], own.max()) if len(own) else ()
        ends = [column.cell(float(each)) for each in three] or ["", "", ""]
        kind = column.describe().partition(": ")[2].partition(", some missing")[0]
        yield (column.name, kind[:60], str(lost or ""), str(distinct), *ends)
