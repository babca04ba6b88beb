"""Which element of which part of an event belongs to which column.

All numbers are one part, `numbers`, in deviations from their means; states are parts by their count, `bits` and others. A column of
numbers with special cells has an element of both: its state, and the number, which exists where the state is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.values import Values

NUMBERS, BITS = "numbers", "bits"
SPOILT = 2.0 * np.finfo(np.float64).eps  # of the size of a number: what scaling and back may change


@attrs.frozen
class Slot:
    """An element of a part, that of a column."""

    column: int
    part: str
    place: int


@attrs.frozen(eq=False)
class Layout:
    """The elements of the columns, and the `shift` and `scale` (r,) of their numbers, on the line that bounds are bent to."""

    columns: tuple[Column, ...]
    slots: tuple[Slot, ...]
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, columns: Sequence[Column], shift: np.ndarray, scale: np.ndarray) -> Layout:
        sizes: dict[str, int] = {}
        slots = []
        for number, column in enumerate(columns):
            for part in _parts(column):
                slots.append(Slot(number, part, sizes.get(part, 0)))
                sizes[part] = sizes.get(part, 0) + 1
        return cls(tuple(columns), tuple(slots), np.asarray(shift, np.float64), np.asarray(scale, np.float64))

    @classmethod
    def fitted(cls, columns: Sequence[Column], train: Values) -> Layout:
        """With the means and deviations of the numbers in training rows."""
        lines = [
            column.bend.to_line(numbers[~np.isnan(numbers)])
            for column, numbers in zip(columns, train.numbers, strict=True)
            if column.is_number and numbers is not None
        ]
        shift = [float(line.mean()) if len(line) else 0.0 for line in lines]
        scale = [(float(line.std()) if len(line) else 1.0) or 1.0 for line in lines]
        return cls.of(columns, np.array(shift), np.array(scale))

    def part(self, name: str) -> list[Slot]:
        """The elements of a part, in order."""
        return [slot for slot in self.slots if slot.part == name]

    def state_of(self, column: int) -> Slot | None:
        """The element that is the state of a column; None where it has but one."""
        return next((slot for slot in self.slots if slot.column == column and slot.part != NUMBERS), None)

    def event(self) -> qs.Fields:
        """What a row is."""
        fields: dict[str, qs.AbstractField] = {}
        for name in dict.fromkeys(slot.part for slot in self.slots):
            own = self.part(name)
            if name == NUMBERS:
                fields[name] = self._numbers(own)
            elif name == BITS:
                fields[name] = qs.Binary((len(own),))
            else:
                fields[name] = qs.Categorical((len(own),), self.columns[own[0].column].state_count)
        return qs.Fields(fields, self._gates()) if NUMBERS in fields and len(fields) > 1 else qs.Fields(fields)

    def _numbers(self, own: Sequence[Slot]) -> qs.AbstractField:
        columns = [self.columns[slot.column] for slot in own]
        if not any(column.step for column in columns):
            return qs.Real((len(own),))
        ends = [
            ((column.low - shift) / scale, (column.high - shift) / scale) if column.step else (None, None)
            for column, shift, scale in zip(columns, self.shift, self.scale, strict=True)
        ]
        steps = [column.step / scale for column, scale in zip(columns, self.scale, strict=True)]
        return qs.Measured((len(own),), steps, [low for low, _ in ends], [high for _, high in ends])

    def _gates(self) -> dict[str, tuple[qs.Gate | None, ...]]:
        """Which numbers exist only where the state of their column is 0."""
        states = [self.state_of(slot.column) for slot in self.part(NUMBERS)]
        return {NUMBERS: tuple(None if slot is None else qs.Gate(slot.part, slot.place, 0) for slot in states)}

    def to_parts(self, values: Values) -> dict[str, np.ndarray]:
        """Events of rows: numbers in model units in float64, 0 where there is none."""
        parts: dict[str, np.ndarray] = {}
        for slot in self.slots:
            kind = np.float64 if slot.part == NUMBERS else np.float32 if slot.part == BITS else np.int32
            own = parts.setdefault(slot.part, np.zeros((len(values), len(self.part(slot.part))), kind))
            if slot.part == NUMBERS:
                numbers = values.numbers[slot.column]
                assert numbers is not None
                line = self.columns[slot.column].bend.to_line(numbers)
                own[:, slot.place] = np.nan_to_num((line - self.shift[slot.place]) / self.scale[slot.place])
            else:
                own[:, slot.place] = values.states[slot.column]
        return parts

    def to_values(self, parts: Mapping[str, np.ndarray]) -> Values:
        """The way back, to the last digit that float64 keeps when a number is scaled and back."""
        count = len(next(iter(parts.values())))
        states: list[np.ndarray] = [np.zeros(count, np.int32) for _ in self.columns]
        numbers: list[np.ndarray | None] = [None for _ in self.columns]
        for slot in self.slots:
            own = np.asarray(parts[slot.part])[:, slot.place]
            if slot.part == NUMBERS:
                line = own.astype(np.float64) * self.scale[slot.place] + self.shift[slot.place]
                bend = self.columns[slot.column].bend
                found, size = bend.from_line(line), np.abs(line) + abs(self.shift[slot.place])
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    noise = size if bend.is_straight else size * np.exp(-bend.log_slope(found)) + np.abs(found)
                numbers[slot.column] = _without_noise(found, SPOILT * noise)
            else:
                states[slot.column] = np.round(own).astype(np.int32)
        there = (None if own is None else np.where(state == 0, own, np.nan) for own, state in zip(numbers, states, strict=True))
        return Values(tuple(states), tuple(there), np.arange(count))

    def snapped(self, values: Values) -> Values:
        """Rows that the file could hold, nearest to these."""
        numbers = []
        for column, own in zip(self.columns, values.numbers, strict=True):
            if own is not None:
                own = own.copy()
                is_there = ~np.isnan(own)
                own[is_there] = column.snapped(own[is_there])
            numbers.append(own)
        return attrs.evolve(values, numbers=tuple(numbers))

    def log_volume(self, values: Values) -> np.ndarray:
        """How much lower the log density of each row (N,) is in the units of its columns; numbers on a lattice have none."""
        found = np.zeros(len(values))
        for slot in self.part(NUMBERS):
            column, own = self.columns[slot.column], values.numbers[slot.column]
            if not column.step and own is not None:
                stretched = np.log(self.scale[slot.place]) - column.bend.log_slope(own)
                found += np.where(np.isnan(own), 0.0, stretched)
        return found


def _without_noise(numbers: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Numbers (N,) without the digits that scaling and back may have changed by this much: 1.5, not 1.5000000000000004."""
    noise = np.where(np.isfinite(noise) & (noise > 0), noise, 1e-300)
    decimals = np.clip(np.floor(-np.log10(noise)), -300, 300).astype(int)
    found = np.array(numbers, np.float64)
    for digits in np.unique(decimals):
        is_one = decimals == digits
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.round(found[is_one], int(digits))
        found[is_one] = np.where(np.isfinite(rounded), rounded, found[is_one])
    return found


def _parts(column: Column) -> list[str]:
    """The parts that a column has an element of."""
    count = column.state_count
    states = [] if count < 2 else [BITS] if count == 2 else [f"{_order(column)}-{count}"]
    return [NUMBERS, *states] if column.is_number else states


def _order(column: Column) -> str:
    # one state more for missing cells has no place in an order
    return "ordinal" if column.kind == "ordinal" and not column.has_missing else "categories"
