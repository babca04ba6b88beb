"""Parts of rows as pictures: columns by their names, states by their cells, and nothing where a number is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import quasistatic as qs
from quasistatic_plugins.table.layout import BITS, Layout, Slot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 12  # states at most that are written below their bars
WIDE, LONG = 12, 18  # letters of them, and of the name of a column


def draw_columns(
    layout: Layout, event: qs.Fields, units: Mapping[str, qs.Units], xs: Mapping[str, np.ndarray], part: str, axes: Axes
) -> None:
    """One part of events (N, ...) in model units. One column or two are drawn in the user's units."""
    slots = [slot for slot in layout.slots if slot.part == part]
    own, field = there(layout, xs, part), event[part]
    if len(slots) > 2 or (len(slots) == 2 and not isinstance(field, qs.Real)):
        qs.draw_field(own, field, axes)
        if any(layout.columns[slot.column].has_missing for slot in slots if isinstance(field, qs.Real)):
            axes.set_title(f"{part}, yellow where missing")
        return
    own = own[~np.isnan(own).any(axis=1)]
    own = units[part].to_user(own) if part in units else own
    if isinstance(field, qs.Levels):
        column = layout.columns[slots[0].column]
        field = qs.Levels(field.shape, column.low, column.high, field.levels)
    if len(own):
        qs.draw_field(own, field, axes)
    axes.set_aspect("auto")
    axes.set_xlabel(_label(layout, slots[0]))
    axes.set_ylabel(_label(layout, slots[1]) if len(slots) == 2 else "")
    states = _states(layout, slots[0])
    if 0 < len(states) <= FEW:
        written = [state[:WIDE] for state in states]
        axes.set_xticks(range(len(states)), written, rotation=30 if len("".join(written)) > 2 * WIDE else 0)


def there(layout: Layout, xs: Mapping[str, np.ndarray], part: str) -> np.ndarray:
    """A part of events as it is, but for numbers that are missing as their bit says: nan, not what fills their place."""
    own = np.array(xs[part], np.float64)
    lost = {slot.column: np.asarray(xs[BITS])[:, slot.place] > 0.5 for slot in layout.slots if slot.says_missing}
    for slot in layout.slots:
        if slot.part == part and not slot.says_missing and slot.column in lost:
            own[lost[slot.column], slot.place] = np.nan
    return own


def _label(layout: Layout, slot: Slot) -> str:
    column = layout.columns[slot.column]
    name = column.name if len(column.name) <= LONG else f"{column.name[: LONG - 1]}\N{HORIZONTAL ELLIPSIS}"
    if slot.says_missing:
        return f"{name}, missing or not"
    return f"{name}{', where not missing' if column.is_number and column.has_missing else ''}"


def _states(layout: Layout, slot: Slot) -> tuple[str, ...]:
    """What the values of an element stand for; nothing of numbers."""
    column = layout.columns[slot.column]
    if slot.says_missing:
        return "not missing", "missing"
    return (*column.states, *(("missing",) if column.states and column.has_missing else ()))
