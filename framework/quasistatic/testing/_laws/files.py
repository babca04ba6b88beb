"""Laws of sources that read files, and write them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from quasistatic._data.source import (
    AbstractReading,
    AbstractSource,
    AbstractWriting,
    capability,
    judging_split,
)
from quasistatic._process.distribution import State
from quasistatic._process.tree import count_of, take
from quasistatic.errors import DataError
from quasistatic.testing._law import law
from quasistatic.testing._laws.sources import has
from quasistatic.testing._reading import Reading, faults
from quasistatic.testing._setting import Setting

WRITTEN = 300  # events
ROUNDED = 1e-2  # mean square by which a format may round real numbers, which have mean square 1


@law(
    "source",
    "reading",
    "A file that is not there, or that is empty, is refused with a DataError.",
    when=has(AbstractReading),
    unseen="Files that are damaged in other ways.",
)
def reading(source: AbstractSource, setting: Setting) -> Reading:
    own, bad = capability(source, AbstractReading), []
    assert own is not None
    with tempfile.TemporaryDirectory(prefix="quasistatic-laws-") as folder:
        empty = Path(folder) / "empty.csv"
        empty.touch()
        for path in (empty, empty.with_name("missing.csv")):
            try:
                own.read_events(path)
            except DataError:
                continue
            except Exception as error:
                bad.append(f"{path.name}: {type(error).__name__}")
            else:
                bad.append(f"{path.name}: accepted")
    return faults(bad)


@law(
    "source",
    "written",
    "A file that it writes of events without side information, of many or of one, is read as the same events, all of them, in "
    "order, and is written as the same bytes again.",
    when=lambda source: source.side is None and has(AbstractWriting)(source) and has(AbstractReading)(source),
    unseen="How much a format rounds real numbers, up to a tenth of their deviation; events that this split does not have.",
)
def written(source: AbstractSource, setting: Setting) -> Reading:
    writing, reading = capability(source, AbstractWriting), capability(source, AbstractReading)
    assert writing is not None and reading is not None
    everything, bad = source.split(judging_split(source), WRITTEN).x, []
    with tempfile.TemporaryDirectory(prefix="quasistatic-laws-") as folder:
        for ending in writing.endings:
            for number, xs in enumerate((everything, take(everything, slice(1)), take(everything, slice(None, None, -7)))):
                path = Path(folder) / f"events{number}{ending}"
                path.write_bytes(writing.write_events(xs, ending))
                data, where = reading.read_events(path), f"{ending}, {count_of(xs)} events"
                if data.outside:
                    bad.append(f"{where}: {len(data.outside)} events are outside: {data.outside[0].reason}")
                elif changed := _changed_parts(source, xs, data.x):
                    bad.append(f"{where}: {changed}")
                elif writing.write_events(data.x, ending) != path.read_bytes():
                    bad.append(f"{where}: other bytes when it is written again")
    return faults(bad)


def _changed_parts(source: AbstractSource, xs: State, found: State) -> str:
    """What of events is not as it was, or ''."""
    if count_of(xs) != count_of(found):
        return f"{count_of(found)} events, {count_of(xs)} were written"
    for name, field in source.event.parts().items():
        one, other = (np.asarray(source.event.part_of(each, name)) for each in (xs, found))
        same = np.array_equal(one, other) if field.is_discrete else np.mean((one - other) ** 2) <= ROUNDED
        if not same:
            return f"other events{f' in the part {name}' if name else ''}"
    return ""
