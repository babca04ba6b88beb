"""Events from arrays, in memory or on disk: split, centred and scaled."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._data.baselines import INDEPENDENT, independent_gaussians, simple_models
from quasistatic._data.choices import ArrayChoices
from quasistatic._data.draw import draw_in_user_units
from quasistatic._data.files import fitting
from quasistatic._data.mixtures import CHOOSING, ROWS
from quasistatic._data.reading import read_array
from quasistatic._data.record import Memory
from quasistatic._data.scaling import centred, standardise
from quasistatic._data.source import (
    SPLITS,
    AbstractBaselines,
    AbstractDrawing,
    AbstractKept,
    AbstractReading,
    AbstractRefitting,
    AbstractSource,
    ArrayRows,
    Data,
    Kept,
    Rows,
    Split,
)
from quasistatic._data.survey import choose_support, count_states, notes, survey
from quasistatic._data.tables import Table, as_table
from quasistatic._data.units import Units
from quasistatic._process.distribution import Key, State
from quasistatic._process.event import AbstractField, Binary, Categorical, Levels, Real
from quasistatic._process.fields import Fields
from quasistatic.errors import DataError

FEWEST = 10
_DEFAULT = ArrayChoices()


@attrs.frozen
class _Held:
    """A table that is there. An object, as all that a source has, so that it can be pickled."""

    table: Table

    def __call__(self) -> Table:
        return self.table


class _FromFile:
    """The table of a run that is reopened, which is read when it is first needed."""

    def __init__(self, memory: Memory, choices: ArrayChoices):
        self._memory, self._choices = memory, choices

    def __call__(self) -> Table:
        return self._table

    @functools.cached_property
    def _table(self) -> Table:
        memory = self._memory
        table = _as_events(read_array(memory.origin.find(self._choices.path), self._choices))
        last = max(int(rows.max(initial=0)) for rows in memory.numbers.values())
        if table.values.shape[1:] != memory.field.shape or last >= len(table.values):
            raise DataError(f"{table.name}: does not hold the events that the run has kept the numbers of")
        return table


@attrs.frozen(eq=False)
class _Part:
    """One array of events, which is read when it is first needed, and what was found in it."""

    read: _Held | _FromFile
    field: AbstractField
    units: Units
    columns: tuple[str, ...] | None

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """These events in model units, read a few at a time."""
        x = np.empty((len(numbers), *self.field.shape), self.field.dtype)
        start = 0
        for chunk in self.read().chunks(numbers):
            x[start : start + len(chunk)] = self.units.to_model(chunk)
            start += len(chunk)
        return x


class ArraySource(AbstractSource, AbstractDrawing, AbstractReading, AbstractBaselines, AbstractKept, AbstractRefitting):
    """An array (N, *shape), or a mapping of arrays for an event of several parts.

    Real data are centred element by element; those of a table are scaled column by column, others by one constant, or as
    `choices.scale` has it. All of this comes from the training split. `columns` are the names in a header.
    A table mapped from disk stays there.
    Raises DataError, which names the place and a way out.
    """

    def __init__(self, values: Any, choices: ArrayChoices = _DEFAULT):
        tables = _tables(values)
        counts = {name: len(table.values) for name, table in tables.items()}
        if len(set(counts.values())) > 1:
            raise DataError(f"data: expected as many events of every part, got {counts}")
        count = max(counts.values())
        if count < FEWEST:
            raise DataError(f"{next(iter(tables.values())).name}: holds {count} events, expected at least {FEWEST}")
        numbers = _split_rows(count, choices)
        found = {name: _part(table, choices, numbers["train"]) for name, table in tables.items()}
        said = [note for _, notes in found.values() for note in notes]
        sizes = ", ".join(f"{len(rows)} {name}" for name, rows in numbers.items())
        self._settle(choices, {name: part for name, (part, _) in found.items()}, numbers, (*said, f"splits: {sizes}"))
        self._origin = tables[""].origin if "" in tables else None

    @classmethod
    def restored(cls, choices: ArrayChoices, kept: Kept) -> ArraySource:
        """What the source of a run was. Its file is read when its rows are asked for, and must be the same, to the byte.

        Raises DataError for a record that is none; later, for a file that is gone or was changed.
        """
        memory, source = Memory.recall(kept), cls.__new__(cls)
        part = _Part(_FromFile(memory, choices), memory.field, memory.units, memory.columns)
        source._settle(choices, {"": part}, memory.numbers, memory.notes)
        source._origin = memory.origin
        return source

    def _settle(
        self, choices: ArrayChoices, parts: Mapping[str, _Part], numbers: Mapping[Split, np.ndarray], notes: tuple[str, ...]
    ) -> None:
        self._choices, self._parts, self._numbers, self.notes = choices, parts, numbers, notes
        fields = {name: part.field for name, part in parts.items()}
        units = {name: part.units for name, part in parts.items()}
        self.event = fields[""] if "" in fields else Fields(fields)
        self.units = units.get("", units)

    def kept(self) -> Kept | None:
        if self._origin is None:
            return None
        part = self._parts[""]
        return Memory(self._origin, part.field, part.units, part.columns, self._numbers, self.notes).keep()

    @property
    def columns(self) -> tuple[str, ...] | None:
        return self._parts[""].columns if "" in self._parts else None

    def split(self, name: Split, count: int | None = None) -> Data:
        numbers = self._numbers[name][:count]
        return Data(self._events(numbers), tags=next(iter(self._parts.values())).read().tags(numbers))

    def stored(self) -> Rows:
        return self._rows(self._numbers["train"])

    def all_rows(self) -> Rows:
        return self._rows(np.concatenate([self._numbers[name] for name in SPLITS]))

    def _rows(self, numbers: np.ndarray) -> Rows:
        """These events as rows; those of a file that is mapped into memory stay there."""
        on_disk = any(isinstance(part.read().values, np.memmap) for part in self._parts.values())
        return _StoredRows(self, numbers) if on_disk else ArrayRows(self._events(numbers))

    def _events(self, numbers: np.ndarray) -> State:
        return self.event.build({part: each.rows(numbers) for part, each in self._parts.items()})

    def draw(self, row: Any, *, key: Key) -> tuple[State, None]:
        return jax.tree.map(jnp.asarray, row), None

    def read_events(self, path: str | Path) -> Data:
        """Events of another file; rows that do not fit are outside. Raises DataError where shape or columns are not as here."""
        if "" not in self._parts:
            raise DataError(f"{path}: events of several parts are read from memory alone, as a mapping of arrays")
        table, part = _as_events(self._other(path)), self._parts[""]
        if self.columns and table.columns and self.columns != table.columns:
            found, expected = (", ".join(columns) for columns in (table.columns, self.columns))
            raise DataError(f"{table.name}: its columns are {found}; expected {expected}, in this order")
        if table.values.shape[1:] != part.field.shape:
            given = attrs.evolve(part.field, shape=table.values.shape[1:])
            raise DataError(f"{table.name}: its events are {given.describe()}, expected {self.event.describe()}")
        return fitting(table, part.field, part.units)

    def _other(self, path: str | Path) -> Table:
        """Another file, read as this one was; it may lack what is not modelled: labels, and columns that are left out."""
        try:
            return read_array(path, self._choices)
        except DataError:
            if not (self._choices.labels or self._choices.drop):
                raise
            return read_array(path, attrs.evolve(self._choices, labels=None, drop=(), columns=self.columns or ()))

    def baselines(self, xs: State) -> dict[str, np.ndarray]:
        """Gaussians, a mixture of them and a kernel density, of real numbers alone."""
        if not isinstance(self.event, Real):
            return {}
        units = self._parts[""].units
        known = (self.split("train", ROWS).x, self.split("validation", CHOOSING).x, xs)
        train, validation, test = (np.reshape(x, (len(x), self.event.size)) for x in known)
        found = simple_models(train, validation, test)
        if units.mixing is not None:  # columns of the file are independent in their own units alone
            own = (np.reshape(units.to_user(x), (len(x), -1)) for x in (known[0], xs))
            found[INDEPENDENT] = independent_gaussians(*own) + units.log_volume(self.event.shape)
        return found

    def render(self, xs: State, axes: Any) -> None:
        """In the user's units, with the names of two columns at the axes."""
        if "" not in self._parts:
            raise TypeError("ArraySource.render: draws an event of one part")
        part = self._parts[""]
        draw_in_user_units(xs, part.field, part.units, axes)
        if part.field.shape == (2,) and isinstance(part.field, Real) and self.columns:
            axes.set_xlabel(self.columns[0])
            axes.set_ylabel(self.columns[1])
        elif part.field.size == 1 and self.columns:
            axes.set_xlabel(self.columns[0])


class _StoredRows:
    """Rows of arrays of which one is on disk; rows that are asked for are read, and come in model units."""

    def __init__(self, source: ArraySource, numbers: np.ndarray):
        self._source, self._numbers = source, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, numbers: np.ndarray) -> State:
        chosen = self._numbers[numbers].ravel()
        parts = {name: part.rows(chosen) for name, part in self._source._parts.items()}
        return jax.tree.map(lambda x: x.reshape(*numbers.shape, *x.shape[1:]), self._source.event.build(parts))


def _tables(values: Any) -> dict[str, Table]:
    if isinstance(values, Mapping):
        if not values:
            raise DataError("data: expected at least one array, got an empty mapping")
        return {name: _as_events(as_table(array, name)) for name, array in values.items()}
    return {"": _as_events(values if isinstance(values, Table) else as_table(values))}


def _as_events(table: Table) -> Table:
    """A one-dimensional array is one number per event."""
    if table.values.ndim == 1:
        table = attrs.evolve(table, values=table.values.reshape(-1, 1))
    if math.prod(table.values.shape[1:]) == 0:
        raise DataError(f"{table.name}: its events {table.values.shape[1:]} hold no numbers")
    return table


def _part(table: Table, choices: ArrayChoices, train: np.ndarray) -> tuple[_Part, tuple[str, ...]]:
    """The part of a table, and sentences about it."""
    found, deviation = survey(table), np.empty(0)
    support, shape = choose_support(table, found, choices.support), table.values.shape[1:]
    scale = choices.scale if choices.scale != "auto" else "columns" if len(shape) == 1 else "one"
    units = Units()
    field: AbstractField = Binary(shape) if support == "binary" else Real(shape)
    if support == "real":
        units, deviation = standardise(table, train, scale)
    elif support == "categorical":
        field = Categorical(shape, count_states(table))
    elif support == "levels":
        units, states = centred(table, train), count_states(table)
        low, high = units.to_model(np.array([0.0, states - 1.0])).tolist()
        field = Levels(shape, low, high, states)
    return _Part(_Held(table), field, units, table.columns), tuple(notes(table, field, found, choices, scale, deviation))


def _split_rows(count: int, choices: ArrayChoices) -> dict[Split, np.ndarray]:
    """Which rows are in which split, in random order."""
    # RandomState: its stream is frozen for all versions of numpy
    order = np.random.RandomState(choices.split_seed % 2**32).permutation(count)
    # of one event there is no error
    test, validation = (max(2, round(count * share)) if share else 0 for share in (choices.test_share, choices.validation_share))
    parts = order[test + validation :], order[test : test + validation], order[:test]
    return dict(zip(SPLITS, parts, strict=True))
