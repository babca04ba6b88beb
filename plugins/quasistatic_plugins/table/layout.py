"""Which element of which part of an event belongs to which column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

import quasistatic as qs
from quasistatic_plugins.table.columns import Column

NUMBERS, BITS = "numbers", "bits"


@attrs.frozen
class Slot:
    """An element of a part: that of a column, or the bit that is 1 where its number is missing."""

    column: int
    part: str
    place: int
    says_missing: bool = False


@attrs.frozen(eq=False)
class Layout:
    """Real columns are one part, bits are another, and so are all columns of n states; every column of counts has its own.

    A missing cell is one state more of a column of states. Of a number a bit says that it is missing.
    """

    columns: tuple[Column, ...]
    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Layout:
        sizes: dict[str, int] = {}
        slots = []

        def add(number: int, part: str, says_missing: bool = False) -> None:
            slots.append(Slot(number, part, sizes.get(part, 0), says_missing))
            sizes[part] = sizes.get(part, 0) + 1

        for number, column in enumerate(columns):
            add(number, _part(column))
            if column.is_number and column.has_missing:
                add(number, BITS, says_missing=True)
        return cls(tuple(columns), tuple(slots))

    def sizes(self) -> dict[str, int]:
        """How many elements each part has."""
        return {slot.part: 1 + slot.place for slot in self.slots}

    def fields(self, units: Mapping[str, qs.Units]) -> qs.Fields:
        """The event; levels of counts are in model units."""
        fields: dict[str, qs.AbstractField] = {}
        for slot in self.slots:
            column, shape = self.columns[slot.column], (self.sizes()[slot.part],)
            if slot.part == NUMBERS:
                fields[slot.part] = qs.Real(shape)
            elif slot.part == BITS:
                fields[slot.part] = qs.Binary(shape)
            elif column.is_whole:
                low, high = units[slot.part].to_model(np.array([[column.low], [column.high]])).ravel().tolist()
                fields[slot.part] = qs.Levels(shape, low, high, column.high - column.low + 1)
            else:
                fields[slot.part] = qs.Categorical(shape, states_of(column))
        return qs.Fields(fields)

    def split_up(self, values: np.ndarray, fillers: Mapping[int, float]) -> dict[str, np.ndarray]:
        """Parts in the user's units of values (N, columns), nan where they are missing; `fillers` are what stands there."""
        parts = {part: np.zeros((len(values), size)) for part, size in self.sizes().items()}
        for slot in self.slots:
            column, own = self.columns[slot.column], values[:, slot.column]
            if slot.says_missing:
                own = np.isnan(own)
            else:
                own = np.where(np.isnan(own), fillers[slot.column] if column.is_number else len(column.states), own)
            parts[slot.part][:, slot.place] = own
        return parts

    def joined(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """The way back: values (N, columns), nan where they are missing."""
        values = np.empty((len(next(iter(parts.values()))), len(self.columns)))
        for slot in self.slots:
            column, own = self.columns[slot.column], np.asarray(parts[slot.part])[:, slot.place].astype(np.float64)
            if slot.says_missing:
                values[own > 0.5, slot.column] = np.nan
            elif column.is_number:
                values[:, slot.column] = np.clip(np.round(own), column.low, column.high) if column.is_whole else own
            else:
                values[:, slot.column] = np.where(own >= len(column.states), np.nan, own)
        return values


def states_of(column: Column) -> int:
    """How many states a column has, with that of a missing cell."""
    return len(column.states) + column.has_missing


def _part(column: Column) -> str:
    if column.is_whole:
        return f"count-{column.number}"
    if column.is_number:
        return NUMBERS
    if states_of(column) == 2:
        return BITS
    # one state more for missing cells has no place in an order
    return f"{'ordinal' if column.kind == 'ordinal' and not column.has_missing else 'categories'}-{states_of(column)}"
