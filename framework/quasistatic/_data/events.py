"""Events from a file, for any source."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quasistatic._data.choices import ArrayReading
from quasistatic._data.conversion import from_user, units_of
from quasistatic._data.reading import read_array
from quasistatic._data.source import AbstractReading, AbstractSource, Data, Outside, capability
from quasistatic._data.tables import Table
from quasistatic._data.units import Units
from quasistatic._process.event import AbstractField
from quasistatic._process.fields import Fields
from quasistatic._storage.files import reason as why
from quasistatic._storage.files import refuse_large
from quasistatic.errors import DataError


def read_events(source: AbstractSource, path: str | Path) -> Data:
    """Events from a file in the user's units: as the source reads it, or any table or array.

    An event of several parts is read from an .npz file with an array for each, or as the source reads it. Rows that are no event
    are `outside`. Raises DataError, also for more events than memory may hold.
    """
    path = Path(path).expanduser()
    if path.is_file():
        try:
            refuse_large(path.stat().st_size)  # training data may stay on disk, these are all in memory
        except OSError as error:
            raise DataError(f"{path}: {why(error)}") from error
    reading = capability(source, AbstractReading)
    if isinstance(source.event, Fields) and (reading is None or path.suffix.lower() == ".npz"):
        return Data(from_user(source, {name: read_array(path, ArrayReading(key=name)).values for name in source.event}))
    if reading is not None:
        return reading.read_events(path)
    assert isinstance(source.event, AbstractField)
    return events_of_table(read_array(path), source.event, units_of(source)[""])


def events_of_table(table: Table, field: AbstractField, units: Units) -> Data:
    """The rows of a table that are events of a field, in model units; the others are outside. Raises DataError for other shapes."""
    values = np.asarray(table.values, np.float64)
    if values.shape[1:] != field.shape and values.size and values[0].size == field.size:
        values = values.reshape(-1, *field.shape)
    if not len(values) or values.shape[1:] != field.shape:
        field.check(values)
    with np.errstate(over="ignore"):
        x = units.to_model(values).astype(field.dtype if field.dtype.startswith("float") else np.float64)
    fits = field.contains_array(x)
    is_inside, tags = fits.reshape(len(x), -1).all(axis=1), table.tags(np.arange(len(x)))

    def reason(row: int) -> str:
        index = np.argwhere(~fits[row].reshape(table.values.shape[1:]))[0].tolist()
        value = float(table.values[row][tuple(index)])
        return f"{table.element(index) if index else 'it'}: {value:.6g} is no value of an event, which is {field.describe()}"

    outside = (
        Outside(row, reason(row), {name: own[row] for name, own in tags.items()}) for row in np.flatnonzero(~is_inside).tolist()
    )
    return Data(x[is_inside].astype(field.dtype), None, {name: own[is_inside] for name, own in tags.items()}, tuple(outside))
