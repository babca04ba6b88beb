"""Events from a table: split, centred and scaled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.array import ArrayOptions
from quasistatic_plugins.array.survey import choose_event, names, notes, survey

FEWEST = 10


def build(options: ArrayOptions, array: Any = None) -> ArraySource:
    """The source of the file that the options name, or of an array (N, *event) in memory.

    Raises DataError, which names the file, the place and a way out.
    """
    if array is not None:
        return ArraySource(qs.as_table(array), options)
    if not options.path:
        raise qs.DataError("source.path: must be given, a .csv, .npy or .npz file (--set source.path=my.csv)")
    return ArraySource(qs.read_table(options.path, options.key), options)


class ArraySource(qs.AbstractSource):
    """Real data are centred element by element and scaled by one constant, the rms deviation over all elements.

    Both come from the training split. `columns` are the names in a header. A table mapped from disk stays there.
    """

    def __init__(self, table: qs.Table, options: ArrayOptions):
        table = _as_events(table)
        if len(table.values) < FEWEST:
            raise qs.DataError(f"{table.name}: holds {len(table.values)} events, expected at least {FEWEST}")
        found = survey(table)
        self.event = choose_event(table, found, options.support)
        self.columns = table.columns
        self._table, self._options = table, options
        self._rows = _split_rows(len(table.values), options)
        deviation = np.empty(0)
        if self.event.support == "real":
            self.units, deviation = _standardise(table, self._rows["train"])
        sizes = ", ".join(f"{len(rows)} {name}" for name, rows in self._rows.items())
        self.notes = (*notes(table, self.event, found, options.support, deviation), f"splits: {sizes}")

    def split(self, name: qs.Split) -> qs.Data:
        rows = self._rows[name]
        x: np.ndarray = np.empty((len(rows), *self.event.shape), _dtype(self.event))
        start = 0
        for chunk in self._table.chunks(rows):
            x[start : start + len(chunk)] = self.units.to_model(chunk)
            start += len(chunk)
        return qs.Data(x)

    def stored(self) -> Any:
        if isinstance(self._table.values, np.memmap):
            return MappedRows(self._table.values, self._rows["train"], self.units, _dtype(self.event))
        return self.split("train").x

    def draw(self, row: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        return jnp.asarray(row), None

    def read_events(self, path: str | Path) -> np.ndarray:
        """Events of another file, in model units. Raises DataError where shape, columns or figures are not as here."""
        table = _as_events(qs.read_table(path, self._options.key))
        if self.columns and table.columns and self.columns != table.columns:
            found, expected = (", ".join(columns) for columns in (table.columns, self.columns))
            raise qs.DataError(f"{table.name}: its columns are {found}; expected {expected}, in this order")
        if table.values.shape[1:] != self.event.shape:
            given = attrs.evolve(self.event, shape=table.values.shape[1:])
            raise qs.DataError(f"{table.name}: its events are {given.describe()}, expected {self.event.describe()}")
        return self.event.check(self.units.to_model(np.asarray(table.values, np.float64)))

    def render(self, xs: np.ndarray, axes: Any) -> None:
        super().render(self.units.to_user(np.asarray(xs)), axes)
        if self.event.shape == (2,) and self.event.support == "real" and self.columns:
            axes.set_xlabel(self.columns[0])
            axes.set_ylabel(self.columns[1])


class MappedRows:
    """Training rows of an array on disk; rows that are asked for are read, and come in model units."""

    def __init__(self, values: np.ndarray, rows: np.ndarray, units: qs.Units, dtype: type):
        self._values, self._rows, self._units, self._dtype = values, rows, units, dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, numbers: Any) -> np.ndarray:
        return self._units.to_model(self._values[self._rows[numbers]].astype(np.float64)).astype(self._dtype)


def _dtype(event: qs.Event) -> type:
    return np.int32 if event.support == "categorical" else np.float32


def _as_events(table: qs.Table) -> qs.Table:
    """A one-dimensional array is one figure per event."""
    if table.values.ndim == 1:
        table = attrs.evolve(table, values=table.values.reshape(-1, 1))
    if math.prod(table.values.shape[1:]) == 0:
        raise qs.DataError(f"{table.name}: its events {table.values.shape[1:]} hold no figures")
    return table


def _split_rows(count: int, options: ArrayOptions) -> dict[qs.Split, np.ndarray]:
    """Which rows are in which split, in random order."""
    # RandomState: its stream is frozen for all versions of numpy
    order = np.random.RandomState(options.split_seed % 2**32).permutation(count)
    test = max(1, round(count * options.test_share))
    validation = max(1, round(count * options.validation_share))
    return {
        "train": order[test + validation :],
        "validation": order[test : test + validation],
        "test": order[:test],
    }


def _standardise(table: qs.Table, rows: np.ndarray) -> tuple[qs.Units, np.ndarray]:
    """Units of the training rows, and the deviation of each element. Raises DataError for one that is constant."""
    # deviations from one event are small where the figures themselves may be large
    origin = next(table.chunks(rows[:1]))[0]
    total, low, high = np.zeros_like(origin), np.zeros_like(origin), np.zeros_like(origin)
    with np.errstate(over="ignore", invalid="ignore"):
        for chunk in table.chunks(rows):
            away = chunk - origin
            total = total + away.sum(axis=0)
            low, high = np.minimum(low, away.min(axis=0)), np.maximum(high, away.max(axis=0))
        mean = origin + total / len(rows)
        variance = sum(((chunk - mean) ** 2).sum(axis=0) for chunk in table.chunks(rows)) / len(rows)
        scale = float(np.sqrt(np.mean(variance)))
    constant = low == high
    if constant.any():
        raise qs.DataError(
            f"{table.name}: constant in the training split: {names(table, constant)}; a constant has an infinite "
            "density: remove it, or set source.support if the figures are categories"
        )
    if not 1e-100 < scale < 1e100:
        raise qs.DataError(f"{table.name}: the figures spread over {scale:.3g}, too extreme; choose another unit")
    return qs.Units(mean, scale), np.sqrt(variance)
