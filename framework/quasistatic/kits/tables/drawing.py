"""Parts of rows as pictures: columns by their names, states by their cells, and nothing where there is no number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.layout import NUMBERS, Layout, Slot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 12  # states at most that are written below their bars
WIDE, LONG = 12, 18  # letters of them, and of the name of a column


def draw_columns(layout: Layout, event: qs.Fields, xs: Mapping[str, np.ndarray], part: str, axes: Axes) -> None:
    """One part of events (N, ...) in model units. One column of numbers or two are drawn in their own units."""
    slots = layout.part(part)
    own, field = there(layout, xs, part), event[part]
    if len(slots) > 2 or (len(slots) == 2 and part != NUMBERS):
        qs.pictures.draw_field(own, qs.Real(field.shape) if part == NUMBERS else field, axes)
        if np.isnan(own).any():
            axes.set_title(f"{part}, yellow where there is none")
        return
    if part == NUMBERS:
        own = own[~np.isnan(own).any(axis=1)]
        own = own * layout.scale + layout.shift
        bends = [layout.columns[slot.column].bend for slot in slots]
        own = np.stack([bend.from_line(column) for bend, column in zip(bends, own.T, strict=True)], axis=1)
        field = qs.Real(field.shape)
    if len(own):
        qs.pictures.draw_field(own, field, axes)
    axes.set_aspect("auto")
    axes.set_xlabel(_label(layout, slots[0]))
    axes.set_ylabel(_label(layout, slots[1]) if len(slots) == 2 else "")
    states = _states(layout, slots[0])
    if 0 < len(states) <= FEW:
        written = [state[:WIDE] for state in states]
        axes.set_xticks(range(len(states)), written, rotation=30 if len("".join(written)) > 2 * WIDE else 0)


def there(layout: Layout, xs: Mapping[str, np.ndarray], part: str) -> np.ndarray:
    """A part of events as it is, with nan for numbers that do not exist, as far as their states are settled."""
    own = np.array(xs[part], np.float64)
    for slot in layout.part(NUMBERS) if part == NUMBERS else []:
        state = layout.state_of(slot.column)
        if state is not None:
            own[np.round(np.asarray(xs[state.part])[:, state.place]) != 0, slot.place] = np.nan
    return own


def _label(layout: Layout, slot: Slot) -> str:
    column = layout.columns[slot.column]
    name = column.name if len(column.name) <= LONG else f"{column.name[: LONG - 1]}\N{HORIZONTAL ELLIPSIS}"
    if slot.part == NUMBERS:
        return f"{name}{', where a number' if column.states else ''}"
    return f"{name}, number or not" if column.is_number else name


def _states(layout: Layout, slot: Slot) -> tuple[str, ...]:
    """What the values of an element stand for; nothing of numbers."""
    column = layout.columns[slot.column]
    if slot.part == NUMBERS:
        return ()
    names = tuple("missing" if state in column.missing else state for state in column.states)
    return ("a number", *names) if column.is_number else names
