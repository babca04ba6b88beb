"""Events from a file, for any source."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quasistatic._data.choices import ArrayChoices
from quasistatic._data.reading import read_table
from quasistatic._data.source import AbstractReading, AbstractSource, Data, capability, events_of
from quasistatic._process.fields import Fields
from quasistatic._storage.files import reason, refuse_large
from quasistatic.errors import DataError


def read_events(source: AbstractSource, path: str | Path) -> Data:
    """Events from a file in the user's units: as the source reads it, or any table or array.

    An event of several parts is read from an .npz file with an array for each, or as the source reads it. Raises DataError, also
    for more events than memory may hold.
    """
    path = Path(path).expanduser()
    if path.is_file():
        try:
            refuse_large(path.stat().st_size)  # training data may stay on disk, these are all in memory
        except OSError as error:
            raise DataError(f"{path}: {reason(error)}") from error
    reading = capability(source, AbstractReading)
    if isinstance(source.event, Fields) and (reading is None or path.suffix.lower() == ".npz"):
        return Data(events_of(source, {name: read_table(path, ArrayChoices(key=name)).values for name in source.event}))
    if reading is not None:
        return reading.read_events(path)
    table = read_table(path)
    return Data(events_of(source, table.values), tags=table.tags(np.arange(len(table.values))))
