"""Columns: from cells to states and numbers, and back to the cells of the file.

Every column has a state. Of a column of categories it is the category; of a column of numbers it is "a number", or one of its
special cells: a missing cell by its spelling, a word, or a number that repeats more often than a density allows (an atom).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
import numpy as np
import polars as pl

from quasistatic.kits.tables.bends import Bend
from quasistatic.kits.tables.dates import FORMS, DateForm, Form
from quasistatic.kits.tables.forms import NumberForm

Kind = Literal["real", "count", "date", "binary", "categorical", "ordinal", "constant"]
LATTICE = 1e-6  # of a step: numbers this near to a multiple are one, up to rounding of float64


@attrs.frozen
class Column:
    """A column of a table, by its name and its number from 1.

    `states` are the cells of states; of numbers they are the special cells, which have `atoms` as numbers (nan for words).
    `missing` are those spellings among them that mean a missing cell. `form` is how numbers are written, `bend` their bounds,
    `step` the lattice that they are on, from `low` to `high` (0: none). `type` is that in a typed file.
    """

    name: str
    number: int
    kind: Kind
    states: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    form: Form | None = None
    atoms: tuple[float, ...] = ()
    bend: Bend = attrs.field(factory=Bend)
    step: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    type: str = ""

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, and not categories."""
        return self.form is not None

    @property
    def has_missing(self) -> bool:
        """Whether cells of the training rows are missing."""
        return bool(self.missing)

    @property
    def state_count(self) -> int:
        """How many states the column has; 1 where there is nothing to model beside a number."""
        return len(self.states) + self.is_number

    def describe(self) -> str:
        """'age: count from 19 to 79', with the special cells."""
        what: str = self.kind
        if self.is_number:
            what = "date" if isinstance(self.form, DateForm) and self.kind == "real" else what
            if self.step:
                what += f" from {self.cell(self.low)} to {self.cell(self.high)}"
                what += f" in steps of {self.step:g}" if self.step != 1.0 else ""
            for sign, bound in ((">", self.bend.low), ("<", self.bend.high)):
                what += "" if bound is None else f" {sign} {self.cell(bound)}"
            special = [state for state in self.states if state not in self.missing]
            what += f" or {', '.join(special)}" if special else ""
            form = self.form
            if isinstance(form, NumberForm):
                what += f" (decimal {form.decimal})" if form.decimal != "." else ""
                what += f" (thousands {form.thousands!r})" if form.thousands else ""
            elif form is not None and form.format not in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"):
                what += f" read as {form.format}"
        else:
            shown = [state for state in self.states if state not in self.missing]
            what += f" {', '.join(shown)}" if len(shown) <= 4 else f" of {len(shown)}"
        if not self.missing:
            return f"{self.name}: {what}"
        words = [repr(word) for word in self.missing if word]
        return f"{self.name}: {what}, some missing{f' ({chr(44).join(words)})' if words else ''}"

    def cell(self, number: float) -> str:
        """A number as the file writes it."""
        assert self.form is not None
        return self.form.write(np.array([number]))[0] if np.isfinite(number) else str(number)

    def read(self, cells: pl.Series) -> tuple[np.ndarray, np.ndarray, Mapping[int, str]]:
        """The state of each cell, (N,) whole numbers, 0 for a number, and the numbers, nan where there is none; and why some
        cells, by their place from 0, have no state: they are -1.
        """
        cells = cells.str.strip_chars().fill_null("")
        first = 1 if self.is_number else 0
        numbers = np.full(len(cells), np.nan)
        mapping = pl.DataFrame({"cell": list(self.states), "state": np.arange(first, first + len(self.states), dtype=np.int32)})
        mapping = mapping.with_columns(pl.col("cell").cast(pl.String))
        states = cells.alias("cell").to_frame().join(mapping, on="cell", how="left", maintain_order="left")["state"]
        found = states.fill_null(-1).to_numpy().astype(np.int32)
        if self.missing and "" not in self.states:  # a gap is one however it is written
            found = np.where((cells == "").to_numpy(), first + self.states.index(self.missing[0]), found)
        if self.form is not None:
            numbers = self.form.parse(cells)
            found = np.where((found < 0) & ~np.isnan(numbers), 0, found)
            for place, atom in enumerate(self.atoms):
                if not np.isnan(atom):
                    found = np.where(numbers == atom, place + 1, found)
            found = np.where((found == 0) & ~self.holds(numbers), -1, found)
            numbers = np.where(found == 0, numbers, np.nan)
        lost = np.flatnonzero(found < 0)
        return found, numbers, {int(row): self._why(cells[int(row)]) for row in lost}

    def holds(self, numbers: np.ndarray) -> np.ndarray:
        """Whether each number (N,) is one that the column can have."""
        inside = np.isfinite(numbers) & (numbers >= self.low) & (numbers <= self.high)
        if self.bend.low is not None:
            inside &= numbers > self.bend.low
        if self.bend.high is not None:
            inside &= numbers < self.bend.high
        if self.step:
            counted = (numbers - self.low) / self.step
            with np.errstate(invalid="ignore"):
                inside &= np.abs(counted - np.round(counted)) <= np.maximum(LATTICE, 4e-16 * np.abs(counted))
        return inside

    def _why(self, cell: str) -> str:
        shown = "the cell is empty" if not cell else f"{cell[:40]!r}"
        if not cell and not self.is_number:
            return f"{self.name}: the cell is empty, and in training the column had no gap"
        if self.is_number:
            number = np.nan if self.form is None else self.form.parse(pl.Series([cell], dtype=pl.String))[0]
            if not cell:
                return f"{self.name}: the cell is empty, and in training the column had no gap"
            if np.isnan(number):
                return f"{self.name}: {shown} is not a {'date' if isinstance(self.form, DateForm) else 'number'}"
        return f"{self.name}: {shown} is not among what the column holds ({self.describe().partition(': ')[2]})"

    def snapped(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers (N,) that the file could hold, nearest to these: on the lattice, within the bounds, with its digits."""
        assert self.form is not None
        if self.step:
            counted = np.round((np.clip(numbers, self.low, self.high) - self.low) / self.step)
            numbers = self.low + self.step * counted
        found = self.form.rounded(numbers)
        for bound, sign in ((self.bend.low, 1.0), (self.bend.high, -1.0)):
            if bound is not None:  # rounding must not lead to a bound: the next number that is written does not
                small = self.form.resolution
                inner = bound + sign * small if small else bound + sign * abs(bound or 1e-300) * 1e-15
                is_out = found <= bound if sign > 0 else found >= bound
                found = np.where(is_out, self.form.rounded(np.full(len(found), inner)), found)
        is_atom = np.isin(found, self.atoms)
        if is_atom.any():
            found[is_atom] = self._beside_atoms(found[is_atom], numbers[is_atom])
        return found

    def _beside_atoms(self, found: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """What numbers (N,) that are written as atoms are instead: the next ones beside that are written and held, if any are,
        on their own side first.
        """
        assert self.form is not None
        step = np.full(len(found), self.step or self.form.resolution or np.nan)
        if isinstance(self.form, NumberForm):
            step = np.where(np.isnan(step), self.form.last_digit(found), step)
        side, made, lost = np.where(numbers >= found, 1.0, -1.0), found.copy(), np.arange(len(found))
        for far in range(1, len(self.atoms) + 1):
            for sign in (side, -side):
                tried = self.form.rounded(found[lost] + far * (sign * step)[lost])
                is_good = self.holds(tried) & ~np.isin(tried, self.atoms)
                made[lost[is_good]] = tried[is_good]
                lost = lost[~is_good]
        return made

    def write(self, states: np.ndarray, numbers: np.ndarray) -> pl.Series:
        """The cells of states and numbers (N,), as text; null for an empty cell."""
        first = 1 if self.is_number else 0
        names = np.array([*[""] * first, *self.states], object)
        texts = names[states]
        if self.form is not None:
            is_number = states == 0
            texts[is_number] = self.form.write(numbers[is_number])
        return pl.Series(self.name, [text or None for text in texts.tolist()], dtype=pl.String)

    def to_json(self) -> dict[str, Any]:
        """JSON values, from which `of_json` makes an equal column."""
        found = {**attrs.asdict(self, recurse=False), "states": list(self.states), "missing": list(self.missing)}
        form = None if self.form is None else {"form": "date" if isinstance(self.form, DateForm) else "number"}
        return {
            **found,
            "form": None if self.form is None else {**(form or {}), **attrs.asdict(self.form)},
            "atoms": [None if np.isnan(atom) else atom for atom in self.atoms],
            "bend": attrs.asdict(self.bend),
            "low": self.low if np.isfinite(self.low) else None,
            "high": self.high if np.isfinite(self.high) else None,
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Column:
        """Raises KeyError, TypeError or ValueError for values of anything else."""
        values = dict(values)
        form = values.pop("form")
        if not isinstance(values["name"], str):
            raise TypeError(f"the name of a column is {values['name']!r:.80}")
        low, high = values.pop("low"), values.pop("high")
        bend: Any = {key: None if each is None else float(each) for key, each in values["bend"].items()}
        return cls(
            **{
                **values,
                "states": tuple(map(str, values["states"])),
                "missing": tuple(map(str, values["missing"])),
                "form": None if form is None else FORMS[form["form"]](**{key: each for key, each in form.items() if key != "form"}),
                "atoms": tuple(np.nan if atom is None else float(atom) for atom in values["atoms"]),
                "bend": Bend(**bend),
                "step": float(values["step"]),
                "low": -np.inf if low is None else float(low),
                "high": np.inf if high is None else float(high),
            }
        )
