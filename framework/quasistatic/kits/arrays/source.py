"""Sources of arrays, in memory or on disk: split, centred and scaled."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic.kits.arrays.options import ArrayChoices
from quasistatic.kits.arrays.parts import Parts, as_events
from quasistatic.kits.pictures.report import AbstractPictureReport
from quasistatic.kits.record import SPLITS
from quasistatic.kits.tables.densities import INDEPENDENT, independent_gaussians, simple_models
from quasistatic.kits.tables.normal_mixtures import CHOOSING, ROWS
from quasistatic.kits.tables.report import AbstractColumns
from quasistatic.kits.tables.surprises import RowModels

NARROWEST = 4  # height or width of what is taken for a picture by default
_DEFAULT = ArrayChoices()


def array_source(values: Any, choices: ArrayChoices = _DEFAULT) -> AbstractArraySource:
    """The source of an array (N, *shape), of a table that was read, or of a mapping of arrays for an event of several parts.

    Raises DataError, which names the place and a way out.
    """
    return _source_of(Parts.of(values, choices))


def restored_array(choices: ArrayChoices, kept: qs.sources.Kept) -> AbstractArraySource:
    """What the source of a run was. Its file is read when its rows are needed, and must be the same, to the byte.

    Raises DataError for an unreadable record; later, for a file that is gone or was changed.
    """
    return _source_of(Parts.recall(choices, kept))


def _source_of(parts: Parts) -> AbstractArraySource:
    if "" not in parts.parts:
        return ArraySource(parts)
    field, wanted = parts.parts[""].field, parts.choices.pictures
    shape = field.shape
    is_image = len(shape) == 2 or (len(shape) == 3 and shape[-1] in (1, 3))
    if wanted == "yes" and not is_image:
        raise qs.DataError(
            f'source.pictures: events are {field.describe()}, expected (height, width) or (height, width, 3) with "yes"'
        )
    if wanted == "yes" or (wanted == "auto" and is_image and min(shape[:2]) >= NARROWEST):
        return PictureArraySource(parts)
    return RowArraySource(parts) if isinstance(field, qs.Real) and len(shape) == 1 else ArraySource(parts)


class AbstractArraySource(
    qs.AbstractSource,
    qs.sources.AbstractDrawing,
    qs.sources.AbstractReading,
    qs.sources.AbstractBaselines,
    qs.sources.AbstractKept,
    qs.sources.AbstractRefitting,
):
    """An array (N, *shape), or a mapping of arrays for an event of several parts.

    Real data are centred element by element; those of a table are scaled column by column, others by one constant, or as
    `choices.scale` has it. All of this comes from the training split. `columns` are the names in a header.
    A table mapped from disk stays there.
    """

    def __init__(self, parts: Parts):
        self._all, self._parts, self._numbers, self.notes = parts, parts.parts, parts.numbers, parts.notes
        fields = {name: part.field for name, part in self._parts.items()}
        units = {name: part.units for name, part in self._parts.items()}
        self.event = fields[""] if "" in fields else qs.Fields(fields)
        self.units = units.get("", units)

    def kept(self) -> qs.sources.Kept | None:
        return self._all.keep()

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns of an array with names, else None."""
        return self._parts[""].columns if "" in self._parts else None

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        numbers = self._numbers[name][:count]
        return qs.Data(self._events(numbers), tags=next(iter(self._parts.values())).read().tags(numbers))

    def stored(self) -> qs.sources.Rows:
        return self._rows(self._numbers["train"])

    def all_rows(self) -> qs.sources.Rows:
        return self._rows(np.concatenate([self._numbers[name] for name in SPLITS]))

    def _rows(self, numbers: np.ndarray) -> qs.sources.Rows:
        """These events as rows; those of a file that is mapped into memory stay there."""
        on_disk = any(isinstance(part.read().values, np.memmap) for part in self._parts.values())
        return _StoredRows(self, numbers) if on_disk else qs.sources.ArrayRows(self._events(numbers))

    def _events(self, numbers: np.ndarray) -> Any:
        return self.event.build({part: each.rows(numbers) for part, each in self._parts.items()})

    def draw(self, row: Any, *, key: jax.Array) -> tuple[Any, None]:
        return jax.tree.map(jnp.asarray, row), None

    def read_events(self, path: str | Path) -> qs.Data:
        """Events of another file; rows that do not fit are outside. Raises DataError where shape or columns are not as here."""
        if "" not in self._parts:
            raise qs.DataError(f"{path}: events of several parts are read from memory alone, as a mapping of arrays")
        table, part = as_events(self._other(path)), self._parts[""]
        if self.columns and table.columns and self.columns != table.columns:
            found, expected = (", ".join(columns) for columns in (table.columns, self.columns))
            raise qs.DataError(f"{table.name}: its columns are {found}; expected {expected}, in this order")
        if table.values.shape[1:] != part.field.shape:
            given = attrs.evolve(part.field, shape=table.values.shape[1:])
            raise qs.DataError(f"{table.name}: its events are {given.describe()}, expected {self.event.describe()}")
        return qs.sources.events_of_table(table, part.field, part.units)

    def _other(self, path: str | Path) -> qs.files.Table:
        """Another file, read as this one was; it may lack what is not modelled: labels, and columns that are left out."""
        try:
            return qs.files.read_array(path, self._all.choices)
        except qs.DataError:
            if not (self._all.choices.labels or self._all.choices.drop):
                raise
            return qs.files.read_array(path, attrs.evolve(self._all.choices, labels=None, drop=(), columns=self.columns or ()))

    def baselines(self, xs: Any) -> dict[str, np.ndarray]:
        """Gaussians, a mixture of them and a kernel density, of real numbers alone."""
        if not isinstance(self.event, qs.Real):
            return {}
        units = self._parts[""].units
        known = (self.split("train", ROWS).x, self.split("validation", CHOOSING).x, xs)
        train, validation, test = (np.reshape(x, (len(x), self.event.size)) for x in known)
        found = simple_models(train, validation, test)
        if units.mixing is not None:  # columns of the file are independent in their own units alone
            own = (np.reshape(units.to_user(x), (len(x), -1)) for x in (known[0], xs))
            found[INDEPENDENT] = independent_gaussians(*own) + units.log_volume(self.event.shape)
        return found

    def render(self, xs: Any, axes: Any) -> None:
        """In the user's units, with the names of two columns at the axes."""
        if "" not in self._parts:
            raise TypeError("render: draws an event of one part")
        part = self._parts[""]
        qs.pictures.draw_in_user_units(xs, part.field, part.units, axes)
        if part.field.shape == (2,) and isinstance(part.field, qs.Real) and self.columns:
            axes.set_xlabel(self.columns[0])
            axes.set_ylabel(self.columns[1])
        elif part.field.size == 1 and self.columns:
            axes.set_xlabel(self.columns[0])


class ArraySource(AbstractArraySource):
    """Events of any shape, or of several parts."""


class RowArraySource(AbstractArraySource, AbstractColumns, qs.sources.AbstractSurprises):
    """Rows of real numbers."""

    def number_columns(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """All columns, by the names in the header, or counted from 1."""
        return dict(zip(self._names, qs.sources.to_user(self, xs).reshape(len(xs), -1).T, strict=True))

    def surprises(self, xs: np.ndarray | None) -> Mapping[str, Mapping[str, np.ndarray]]:
        """By simple models of rows, and by columns; see `quasistatic.kits.tables.surprises`."""
        return self._row_models.surprises(xs)

    @functools.cached_property
    def _row_models(self) -> RowModels:
        return RowModels.fit(self.split("train").x, self._names)

    @property
    def _names(self) -> list[str]:
        """One for each column, though two of a header may have the same."""
        names = self.columns or [f"column {number + 1}" for number in range(self._parts[""].field.size)]
        return [name if name not in names[:place] else f"{name} ({place + 1})" for place, name in enumerate(names)]


class PictureArraySource(AbstractArraySource, AbstractPictureReport):
    """Pictures (height, width) or (height, width, 3), as they are."""


class _StoredRows:
    """Rows of arrays of which one is on disk; rows are read when they are needed, and come in model units."""

    def __init__(self, source: AbstractArraySource, numbers: np.ndarray):
        self._source, self._numbers = source, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, numbers: np.ndarray) -> Any:
        chosen = self._numbers[numbers].ravel()
        parts = {name: part.rows(chosen) for name, part in self._source._parts.items()}
        return jax.tree.map(lambda x: x.reshape(*numbers.shape, *x.shape[1:]), self._source.event.build(parts))
