"""What kind of numbers a table holds, and what its owner should know about them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.arrays.options import ArrayChoices

FEW = 32  # categories at most, where no option makes the data categorical
DISTINCT = 256  # values that are still counted one by one
LOOK_FOR_COPIES = 1_000_000  # events at most
GROWS = "a density on such values has no upper limit, and K may grow as kernel.first_noise falls"
SCALES = {
    "columns": "every column is centred and divided by its deviation in the training split",
    "whiten": "columns are centred, and mixed so that they are uncorrelated in the training split",
    "one": "all numbers are centred and divided by one deviation, that of the training split",
}
MOST_LEVELS = 65_536
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


def survey(table: qs.files.Table) -> Survey:
    """One pass over all numbers."""
    whole = np.ones(table.values.shape[1:], bool)
    values: np.ndarray | None = np.empty(0)
    for chunk in table.chunks():
        whole &= (chunk == np.round(chunk)).all(axis=0)
        values = None if values is None else np.union1d(values, chunk)
        values = None if values is None or len(values) > DISTINCT else values
    return Survey(whole, values)


def choose_support(table: qs.files.Table, found: Survey, wanted: str) -> str:
    """The kind of the numbers: as the option has it, or as they show. Raises DataError where they do not fit."""
    if found.values is not None and len(found.values) == 1:
        raise qs.DataError(f"{table.name}: every number is {found.values[0]:g}: there is nothing to learn")
    support = _shown(table, found) if wanted == "auto" else wanted
    if support == "binary":
        _refuse(table, *table.count(lambda x: (x != 0) & (x != 1)), expected="0 or 1 (source.support is 'binary')")
    elif support in ("categorical", "levels"):
        wrong = table.count(lambda x: (x < 0) | (x != np.round(x)))
        _refuse(table, *wrong, expected=f"a whole number from 0 (source.support is {support!r})")
    if support == "levels" and _largest(table) >= MOST_LEVELS:
        raise qs.DataError(f"{table.name}: {_largest(table) + 1} levels are too many, expected at most {MOST_LEVELS}")
    return support


def _shown(table: qs.files.Table, found: Survey) -> str:
    """Tables of 0 and 1 are bits, of 0 .. n - 1 symbols; pictures of whole numbers up to 255 are greys."""
    if found.categories == 2:
        return "binary"
    if table.values.ndim > 2:
        values = found.values
        is_grey = values is not None and found.whole.all() and values.min() >= 0 and values.max() < DISTINCT
        return "levels" if is_grey else "real"
    return "real" if found.categories is None or found.categories > FEW else "categorical"


def count_states(table: qs.files.Table) -> int:
    """How many symbols there are. Levels of 8 bits are 256, whichever of them occur."""
    states = _largest(table) + 1
    return DISTINCT if table.values.ndim > 2 and FEW < states <= DISTINCT else states


def _largest(table: qs.files.Table) -> int:
    return int(max(chunk.max() for chunk in table.chunks()))


def _refuse(table: qs.files.Table, count: int, first: str, expected: str) -> None:
    if count:
        raise qs.DataError(f"{table.name}: {count} numbers are not {expected}, the first at {first}")


def notes(
    table: qs.files.Table, field: qs.AbstractField, found: Survey, choices: ArrayChoices, scale: str, deviation: np.ndarray
) -> Iterator[str]:
    """Sentences about the data. `deviation` (*event) is that of each element of real data, in the user's units."""
    header = "" if table.columns is None else ", its first line a header"
    yield f"read {len(table.values)} events of {field.describe()} from {table.name}{header}"
    yield from table.notes
    if not isinstance(field, qs.Real):
        if choices.support == "auto":
            last = field.categories - 1 if isinstance(field, qs.Categorical) else getattr(field, "levels", 2) - 1
            yield f'whole numbers from 0 to {last} are read as {field.kind} (source.support = "real": as amounts)'
        if isinstance(field, qs.Levels):
            yield "K of levels is the logarithm of a probability: it has no unit of the data, and is at most 0"
        return
    yield from _index_columns(table, found)
    yield from _copies(table)
    if found.whole.any():
        yield f"whole numbers only in {table.names(found.whole)}: {GROWS}"
    elif found.lattice:
        yield f"all numbers are among {len(found.values)} equally spaced ones: {GROWS}"  # type: ignore[arg-type]
    yield SCALES[scale]
    if scale == "one" and deviation.min() < NARROW * np.sqrt((deviation**2).mean()):
        widest, narrowest = (table.names(deviation == value) for value in (deviation.max(), deviation.min()))
        yield (
            f"deviations go from {deviation.min():.3g} ({narrowest}) to {deviation.max():.3g} ({widest}) under one "
            'scale: the narrow ones drown in the noise; set source.scale = "columns", or a smaller kernel.first_noise'
        )


def _index_columns(table: qs.files.Table, found: Survey) -> Iterator[str]:
    if found.whole.ndim == 1:
        for column in np.flatnonzero(found.whole).tolist():
            if np.all(np.diff(np.asarray(table.values[:, column], np.float64)) == 1):
                yield f"{table.element([column])} counts the events: remove it if it is only their number"


def _copies(table: qs.files.Table) -> Iterator[str]:
    count = len(table.values)
    if count <= LOOK_FOR_COPIES:
        copies = count - len({hash(row.tobytes()) for chunk in table.chunks() for row in chunk})
        if copies:
            yield f"{copies} events ({copies / count:.1%}) are copies of others, so that splits may share some"
