"""What kind of numbers a table holds, and what its owner should know about them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from quasistatic._data.tables import Table
from quasistatic._process.event import AbstractField, Binary, Categorical, Real
from quasistatic.errors import DataError

FEW = 32  # categories at most, where nobody says that the data are categorical
DISTINCT = 256  # values that are still told apart
LOOK_FOR_COPIES = 1_000_000  # events at most
GROWS = "a density on such values has no upper limit, and K may grow as kernel.first_noise falls"
NARROW = 0.03  # deviation of an element in units of the common scale: close to the noise that a kernel starts with


@attrs.frozen(eq=False)
class Survey:
    """`whole` (*event): elements that hold whole numbers only. `values`: all distinct numbers, if they are few."""

    whole: np.ndarray
    values: np.ndarray | None

    @property
    def categories(self) -> int | None:
        """n, where the numbers are exactly 0 .. n - 1 and there are at least two."""
        values = self.values
        if values is None or len(values) < 2 or not np.array_equal(values, np.arange(len(values))):
            return None
        return len(values)

    @property
    def lattice(self) -> bool:
        """Whether all numbers are among few equally spaced ones."""
        if self.values is None or len(self.values) < 2:
            return False
        steps = np.diff(self.values) / np.diff(self.values).min()
        return bool(np.allclose(steps, np.round(steps), rtol=0.0, atol=1e-3))


def survey(table: Table) -> Survey:
    """One pass over all numbers."""
    whole = np.ones(table.values.shape[1:], bool)
    values: np.ndarray | None = np.empty(0)
    for chunk in table.chunks():
        whole &= (chunk == np.round(chunk)).all(axis=0)
        values = None if values is None else np.union1d(values, chunk)
        values = None if values is None or len(values) > DISTINCT else values
    return Survey(whole, values)


def choose_field(table: Table, found: Survey, support: str) -> AbstractField:
    """The field, of the kind that was asked for or that the numbers show. Raises DataError if they do not fit."""
    shape = table.values.shape[1:]
    if found.values is not None and len(found.values) == 1:
        raise DataError(f"{table.name}: every number is {found.values[0]:g}: there is nothing to learn")
    if support == "auto":
        categories = found.categories
        support = "real" if categories is None or categories > FEW else "binary" if categories == 2 else "categorical"
    if support == "real":
        return Real(shape)
    if support == "binary":
        _refuse(table, *table.count(lambda x: (x != 0) & (x != 1)), expected="0 or 1 (source.support is 'binary')")
        return Binary(shape)
    _refuse(
        table,
        *table.count(lambda x: (x < 0) | (x != np.round(x))),
        expected="a whole number from 0 (source.support is 'categorical')",
    )
    return Categorical(shape, 1 + int(max(chunk.max() for chunk in table.chunks())))


def _refuse(table: Table, count: int, first: str, expected: str) -> None:
    if count:
        raise DataError(f"{table.name}: {count} numbers are not {expected}, the first at {first}")


def names(table: Table, chosen: np.ndarray) -> str:
    """The elements where `chosen` (*event) is true, in words."""
    found = np.argwhere(chosen).tolist()
    shown = ", ".join(table.element(index) for index in found[:4])
    return shown + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def notes(table: Table, field: AbstractField, found: Survey, asked: str, deviation: np.ndarray) -> Iterator[str]:
    """Sentences about the data. `deviation` (*event) is that of each element of real data, in the user's units."""
    header = "" if table.columns is None else ", its first line a header"
    yield f"read {len(table.values)} events of {field.describe()} from {table.name}{header}"
    if not isinstance(field, Real):
        if asked == "auto":
            last = field.categories - 1 if isinstance(field, Categorical) else 1
            yield f'whole numbers from 0 to {last} are read as {field.kind} (source.support = "real": as amounts)'
        return
    yield from _index_columns(table, found)
    yield from _copies(table)
    if found.whole.any():
        yield f"whole numbers only in {names(table, found.whole)}: {GROWS}"
    elif found.lattice:
        yield f"all numbers are among {len(found.values)} equally spaced ones: {GROWS}"  # type: ignore[arg-type]
    scale = np.sqrt((deviation**2).mean())
    if deviation.min() < NARROW * scale:
        widest, narrowest = (names(table, deviation == value) for value in (deviation.max(), deviation.min()))
        yield (
            f"deviations go from {deviation.min():.3g} ({narrowest}) to {deviation.max():.3g} ({widest}) under one "
            "scale: the narrow ones drown in the noise; give all similar spreads, or set a smaller kernel.first_noise"
        )


def _index_columns(table: Table, found: Survey) -> Iterator[str]:
    if found.whole.ndim == 1:
        for column in np.flatnonzero(found.whole).tolist():
            if np.all(np.diff(np.asarray(table.values[:, column], np.float64)) == 1):
                yield f"{table.element([column])} counts the events: remove it if it is only their number"


def _copies(table: Table) -> Iterator[str]:
    count = len(table.values)
    if count <= LOOK_FOR_COPIES:
        copies = count - len({hash(row.tobytes()) for chunk in table.chunks() for row in chunk})
        if copies:
            yield f"{copies} events ({copies / count:.1%}) are copies of others, so that splits may share some"
