"""The source of a table, as a component: of a file, of a run, of data in memory, or of data that ship with scikit-learn."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.tables import RawTable, TableSource, frame_source, from_frame, table_source
from quasistatic_plugins.table import TableOptions

SHIPPED = "the diabetes data of scikit-learn"


def build(options: TableOptions) -> TableSource:
    """The source of the file that the options name. Raises DataError, which names the column and a way out."""
    if options.path:
        return table_source(options)
    table = shipped()
    return TableSource(table, options, None)


def restore(options: TableOptions, kept: qs.sources.Kept) -> TableSource:
    """The source of a run that is reopened; its file is read when its rows are used."""
    return TableSource.restored(options, kept)


def from_data(options: TableOptions, data: Any) -> TableSource:
    """The source of a data frame. Raises DataError."""
    return frame_source(options, data)


def shipped() -> RawTable:
    """The diabetes data of scikit-learn, as it was written, with one cell in 20 removed at random."""
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise qs.DataError(
            "source 'table' has no path, and its own data need scikit-learn: pip install \"quasistatic[data]\""
        ) from error
    data: Any = load_diabetes(scaled=False)
    names = (*("age", "sex", "bmi", "blood pressure"), *(f"s{number}" for number in range(1, 7)), "progression")
    rows = np.column_stack([data.data, data.target])
    cells = np.array([[f"{number:.10g}" for number in row] for row in rows.tolist()], object)
    cells[:, 1] = np.where(cells[:, 1] == "1", "a", "b")  # what the two are is not documented
    cells[np.random.RandomState(0).rand(*cells.shape) < 0.05] = ""
    table = from_frame({name: cells[:, number] for number, name in enumerate(names)})
    return attrs.evolve(table, name=SHIPPED, types=None)
