"""The parts of events in arrays, in memory or on disk: what their numbers are, their units, and the rows of each split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.arrays.options import ArrayChoices
from quasistatic.kits.arrays.scaling import centred, standardise
from quasistatic.kits.arrays.survey import choose_support, count_states, notes, survey
from quasistatic.kits.record import SPLITS, Memory

FEWEST = 10


@attrs.frozen
class _Held:
    """A table that is there. An object, as all that a source has, so that it can be pickled."""

    table: qs.files.Table

    def __call__(self) -> qs.files.Table:
        return self.table


class _FromFile:
    """The table of a run that is reopened, which is read when it is first needed."""

    def __init__(self, memory: Memory, choices: ArrayChoices, places: qs.files.Places):
        self._memory, self._choices = memory, choices
        self._file = qs.files.Reopened(memory.origin, places, self._look)

    def __call__(self) -> qs.files.Table:
        return self._file.data

    def _look(self, place: str) -> tuple[qs.files.Origin, Callable[[], qs.files.Table]]:
        return qs.files.Origin.of(place), lambda: self._read(place)

    def _read(self, place: str) -> qs.files.Table:
        table = as_events(qs.files.read_array(place, self._choices))
        last = max(int(rows.max(initial=0)) for rows in self._memory.numbers.values())
        if table.values.shape[1:] != self._memory.field.shape or last >= len(table.values):
            raise qs.DataError(f"{table.name}: does not hold the events that the run has kept the numbers of")
        return table


@attrs.frozen(eq=False)
class Part:
    """One array of events, which is read when it is first needed, and what was found in it."""

    read: _Held | _FromFile
    field: qs.AbstractField
    units: qs.Units
    columns: tuple[str, ...] | None

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """These events in model units, read a few at a time."""
        x = np.empty((len(numbers), *self.field.shape), self.field.dtype)
        start = 0
        for chunk in self.read().chunks(numbers):
            x[start : start + len(chunk)] = self.units.to_model(chunk)
            start += len(chunk)
        return x


@attrs.frozen(eq=False)
class Parts:
    """All that a source of arrays is made of: its parts by name (one alone is called ''), and the rows of each split."""

    choices: ArrayChoices
    parts: Mapping[str, Part]
    numbers: Mapping[qs.Split, np.ndarray]
    notes: tuple[str, ...]
    origin: qs.files.Origin | None

    @classmethod
    def of(cls, values: Any, choices: ArrayChoices) -> Parts:
        """Of an array, a table that was read, or a mapping of arrays. Raises DataError."""
        tables = _tables(values)
        counts = {name: len(table.values) for name, table in tables.items()}
        if len(set(counts.values())) > 1:
            raise qs.DataError(f"data: expected as many events of every part, got {counts}")
        count = max(counts.values())
        if count < FEWEST:
            raise qs.DataError(f"{next(iter(tables.values())).name}: holds {count} events, expected at least {FEWEST}")
        numbers = _split_rows(count, choices)
        found = {name: _part(table, choices, numbers["train"]) for name, table in tables.items()}
        notes = [note for _, notes in found.values() for note in notes]
        sizes = ", ".join(f"{len(rows)} {name}" for name, rows in numbers.items())
        parts = {name: part for name, (part, _) in found.items()}
        return cls(choices, parts, numbers, (*notes, f"splits: {sizes}"), tables[""].origin if "" in tables else None)

    @classmethod
    def recall(cls, choices: ArrayChoices, kept: qs.sources.Kept) -> Parts:
        """What a run has kept; the file is read when its rows are needed. Raises DataError."""
        memory = Memory.recall(kept)
        part = Part(_FromFile(memory, choices, kept.places), memory.field, memory.units, memory.columns)
        return cls(choices, {"": part}, memory.numbers, memory.notes, memory.origin)

    def keep(self) -> qs.sources.Kept | None:
        """None for data in memory."""
        if self.origin is None:
            return None
        part = self.parts[""]
        return Memory(self.origin, part.field, part.units, part.columns, self.numbers, self.notes).keep()


def _tables(values: Any) -> dict[str, qs.files.Table]:
    if isinstance(values, Mapping):
        if not values:
            raise qs.DataError("data: expected at least one array, got an empty mapping")
        return {name: as_events(qs.files.as_table(array, name)) for name, array in values.items()}
    return {"": as_events(values if isinstance(values, qs.files.Table) else qs.files.as_table(values))}


def as_events(table: qs.files.Table) -> qs.files.Table:
    """A one-dimensional array is one number per event."""
    if table.values.ndim == 1:
        table = attrs.evolve(table, values=table.values.reshape(-1, 1))
    if math.prod(table.values.shape[1:]) == 0:
        raise qs.DataError(f"{table.name}: its events {table.values.shape[1:]} hold no numbers")
    return table


def _part(table: qs.files.Table, choices: ArrayChoices, train: np.ndarray) -> tuple[Part, tuple[str, ...]]:
    """The part of a table, and sentences about it."""
    found, deviation = survey(table), np.empty(0)
    support, shape = choose_support(table, found, choices.support), table.values.shape[1:]
    scale = choices.scale if choices.scale != "auto" else "columns" if len(shape) == 1 else "one"
    units = qs.Units()
    field: qs.AbstractField = qs.Binary(shape) if support == "binary" else qs.Real(shape)
    if support == "real":
        units, deviation = standardise(table, train, scale)
    elif support == "categorical":
        field = qs.Categorical(shape, count_states(table))
    elif support == "levels":
        units, states = centred(table, train), count_states(table)
        low, high = units.to_model(np.array([0.0, states - 1.0])).tolist()
        field = qs.Levels(shape, low, high, states)
    return Part(_Held(table), field, units, table.columns), tuple(notes(table, field, found, choices, scale, deviation))


def _split_rows(count: int, choices: ArrayChoices) -> dict[qs.Split, np.ndarray]:
    """Which rows are in which split, in random order."""
    # RandomState: its stream is frozen for all versions of numpy
    order = np.random.RandomState(choices.split_seed % 2**32).permutation(count)
    # of one event there is no error
    test, validation = (max(2, round(count * share)) if share else 0 for share in (choices.test_share, choices.validation_share))
    parts = order[test + validation :], order[test : test + validation], order[:test]
    return dict(zip(SPLITS, parts, strict=True))
