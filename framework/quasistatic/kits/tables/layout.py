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
from quasistatic.kits.tables.dates import DateForm, Form
from quasistatic.kits.tables.forms import SURE
from quasistatic.kits.tables.values import Spoilt, Values

NUMBERS, BITS = "numbers", "bits"
# numbers of float64 that are tried for one that does not come back
BESIDE = (0, *(sign * step for step in range(1, 9) for sign in (1, -1)))
RARE = 3  # digits fewer than are kept: few numbers have no more than these by chance
MOST = 300  # digits after the point
LOOKED_AT = 20_000  # rows
POWER = 22  # the highest power of ten that float64 has
MANY = 14  # digits that count, of which some may be lost
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

    def to_parts(self, values: Values, is_exact: bool = True) -> dict[str, np.ndarray]:
        """Events of rows: numbers in model units in float64, 0 where there is none; where they need not be exact, sooner."""
        parts: dict[str, np.ndarray] = {}
        for slot in self.slots:
            kind = np.float64 if slot.part == NUMBERS else np.float32 if slot.part == BITS else np.int32
            own = parts.setdefault(slot.part, np.zeros((len(values), len(self.part(slot.part))), kind))
            if slot.part == NUMBERS:
                numbers = values.numbers[slot.column]
                assert numbers is not None
                own[:, slot.place] = self.to_model(slot, numbers) if is_exact else self._scaled(slot, numbers)
            else:
                own[:, slot.place] = values.states[slot.column]
        return parts

    def to_vectors(self, parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
        """Events as vectors (N, size): a number for each number, 0 where there is none, and a bit for every state but of two.

        With them the names of the columns that the elements are of.
        """
        found, names = [], []
        for slot in self.slots:
            own, column = np.asarray(parts[slot.part])[:, slot.place], self.columns[slot.column]
            is_state = slot.part not in (NUMBERS, BITS)
            vectors = np.eye(column.state_count)[own.astype(int)] if is_state else own.astype(np.float64)[:, None]
            found.append(vectors)
            names += [column.name] * vectors.shape[1]
        return np.concatenate(found, axis=1), names

    def to_model(self, slot: Slot, numbers: np.ndarray) -> np.ndarray:
        """Numbers (N,) of a column in model units, 0 where there is none: of those next to each other the ones that come back."""
        found = self._scaled(slot, numbers)
        back = self.from_model(slot, found)
        lost = np.flatnonzero((back != numbers) & ~np.isnan(numbers))
        if not len(lost):
            return found
        shift, scale = self.shift[slot.place], self.scale[slot.place]
        bend = self.columns[slot.column].bend
        size = np.maximum(np.abs(bend.to_line(numbers[lost])), abs(shift))
        nearer = found[lost] + (numbers - back)[lost] * np.exp(bend.log_slope(numbers[lost])) / scale
        step = np.maximum(np.spacing(np.abs(nearer)), 0.25 * np.spacing(size) / scale)
        for steps in BESIDE:
            tried = nearer + steps * step
            is_found = self.from_model(slot, tried) == numbers[lost]
            found[lost[is_found]] = tried[is_found]
            lost, nearer, step = lost[~is_found], nearer[~is_found], step[~is_found]
            if not len(lost):
                break
        return found

    def _scaled(self, slot: Slot, numbers: np.ndarray) -> np.ndarray:
        line = self.columns[slot.column].bend.to_line(numbers)
        return np.nan_to_num((line - self.shift[slot.place]) / self.scale[slot.place])

    def from_model(self, slot: Slot, found: np.ndarray) -> np.ndarray:
        """The numbers (N,) of a column that these in model units are, to the last digit that float64 keeps."""
        column, shift = self.columns[slot.column], self.shift[slot.place]
        line = found.astype(np.float64) * self.scale[slot.place] + shift
        numbers, size = column.bend.from_line(line), np.abs(line) + abs(shift)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            noise = size if column.bend.is_straight else size * np.exp(-column.bend.log_slope(numbers)) + np.abs(numbers)
        assert column.form is not None
        return _without_noise(numbers, SPOILT * noise, column.form)

    def spoilt(self, values: Values) -> dict[str, Spoilt]:
        """Numbers that do not come back from model units, by the names of columns whose numbers have many digits; of a large table
        rows at equal distances are looked at.
        """
        looked = np.arange(0, len(values), max(1, len(values) // LOOKED_AT))
        found = {}
        for slot in self.part(NUMBERS):
            column, numbers = self.columns[slot.column], values.numbers[slot.column]
            if numbers is None or column.form is None or _most_digits(column.form, numbers) < MANY:
                continue
            some = numbers[looked]
            made = self.from_model(slot, self.to_model(slot, some))
            lost = (made != some) & ~np.isnan(some)
            if lost.any():
                found[column.name] = Spoilt(looked, lost, some, made)
        return found

    def to_values(self, parts: Mapping[str, np.ndarray]) -> Values:
        """The way back."""
        count = len(next(iter(parts.values())))
        states: list[np.ndarray] = [np.zeros(count, np.int32) for _ in self.columns]
        numbers: list[np.ndarray | None] = [None for _ in self.columns]
        for slot in self.slots:
            own = np.asarray(parts[slot.part])[:, slot.place]
            if slot.part == NUMBERS:
                numbers[slot.column] = self.from_model(slot, own)
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


def _most_digits(form: Form, numbers: np.ndarray) -> float:
    """How many digits of some number (N,) count, at most."""
    if form.resolution is None:
        return form.most_counting
    size = np.nanmax(np.abs(numbers), initial=0.0)
    return float(np.log10(max(size / form.resolution, 1.0))) + 1.0


def _without_noise(numbers: np.ndarray, noise: np.ndarray, form: Form) -> np.ndarray:
    """Numbers (N,) that scaling and back may have changed by this much: one as near as that to a number that the file writes, or
    to a short one, is it: 1.5, not 1.5000000000000004.
    """
    if isinstance(form, DateForm):
        return _where_near(numbers, form.rounded(numbers), noise)
    with np.errstate(divide="ignore", invalid="ignore"):
        sure = SURE - 1 - np.floor(np.log10(np.abs(numbers)))  # decimals up to which float64 distinguishes all numbers
        short = np.floor(-np.log10(noise)) - RARE
    all_digits = sure + form.most_counting - SURE
    own = all_digits
    if form.resolution is not None:
        own, short = np.minimum(own, form.digits), np.minimum(short, form.digits)
    near = np.where(own > sure, numbers, _to_decimals(numbers, own))
    is_cut = (own > sure) & (own < all_digits)
    near[is_cut] = form.rounded(numbers[is_cut])
    shorter = np.where(short < own, _to_decimals(numbers, short), np.nan)
    return _where_near(_where_near(numbers, near, noise), shorter, noise)


def _where_near(numbers: np.ndarray, near: np.ndarray, noise: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(near - numbers) <= noise, near, numbers)


def _to_decimals(numbers: np.ndarray, decimals: np.ndarray) -> np.ndarray:
    """Numbers (N,) with so many digits after the point."""
    decimals = np.clip(np.nan_to_num(decimals), -MOST, MOST).astype(int)
    found = np.array(numbers, np.float64)
    for digits in np.unique(decimals):
        is_one = decimals == digits
        if digits > POWER:
            found[is_one] = [round(each, int(digits)) for each in found[is_one].tolist()]
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            found[is_one] = np.round(found[is_one], int(digits))
    return found


def _parts(column: Column) -> list[str]:
    """The parts that a column has an element of."""
    count = column.state_count
    states = [] if count < 2 else [BITS] if count == 2 else [f"{_order(column)}-{count}"]
    return [NUMBERS, *states] if column.is_number else states


def _order(column: Column) -> str:
    # one state more for missing cells has no place in an order
    return "ordinal" if column.kind == "ordinal" and not column.has_missing else "categories"
