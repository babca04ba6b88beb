"""Events from a file, for any source."""

from __future__ import annotations

from pathlib import Path

from quasistatic._data.source import AbstractReading, AbstractSource, capability, events_of
from quasistatic._data.tables import read_table
from quasistatic._process.distribution import State
from quasistatic._process.event import Fields


def read_events(source: AbstractSource, path: str | Path) -> State:
    """Events (N, ...) in model units from a file in the user's units: as the source reads it, or a .npy, .npz or .csv file.

    An event of several parts is read from an .npz file with an array for each. Raises DataError.
    """
    if isinstance(source.event, Fields):
        return events_of(source, {name: read_table(path, name).values for name in source.event})
    reading = capability(source, AbstractReading)
    return events_of(source, read_table(path).values) if reading is None else reading.read_events(path)
