"""Events as a person would look at them, by their shape."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import attrs
import numpy as np

from quasistatic._data.conversion import units_of
from quasistatic._data.source import AbstractDrawing, AbstractSource, capability
from quasistatic._data.units import Units
from quasistatic._process.distribution import State
from quasistatic._process.event import AbstractField, Binary, Categorical, Levels, Real

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "#f2e6b6"  # of rows of numbers, the colour of none
TICKS = 12  # states at most that have one each


class AbstractPartDrawing(ABC):
    """A source of events of several parts, which are drawn in a way of their own."""

    @abstractmethod
    def render_part(self, xs: State, part: str, axes: Axes) -> None:
        """Draw one part of events (N, ...), in model units. A title or the label of x is what the part is called."""


def draw_part(source: AbstractSource, xs: State, part: str, axes: Axes) -> None:
    """One part of events (N, ...), given in model units: as the source draws it, or in the user's as suits its shape."""
    drawing, by_part = capability(source, AbstractDrawing), capability(source, AbstractPartDrawing)
    if by_part is not None:
        by_part.render_part(xs, part, axes)
    elif drawing is not None and part == "":
        drawing.render(xs, axes)
    else:
        draw_in_user_units(source.event.part_of(xs, part), source.event.parts()[part], units_of(source)[part], axes)


def draw_in_user_units(xs: np.ndarray, field: AbstractField, units: Units, axes: Axes) -> None:
    """Events of a field, given in model units. Rows of more than two columns with scales of their own stay in model units,
    where colours of different columns can be compared.
    """
    is_mixed = np.size(units.scale) > 1
    if is_mixed and field.size > 2:
        draw_field(np.asarray(xs), field, axes)
        return
    if isinstance(field, Real | Levels) and field.low is not None and field.high is not None and not is_mixed:
        low, high = units.to_user(np.array([field.low, field.high])).tolist()
        field = attrs.evolve(field, low=low, high=high)
    draw_field(units.to_user(np.asarray(xs)), field, axes)
    if is_mixed:
        axes.set_aspect("auto")


def worth_drawing(field: AbstractField) -> int:
    """As many events as one can look at in a small panel."""
    if field.size <= 2:
        return 1000
    return 25 if len(field.shape) > 1 else 32


def draw_field(xs: np.ndarray, field: AbstractField, axes: Axes) -> None:
    """One number as a histogram, two real ones as points, a matrix as tiles, anything else as rows of a picture.

    Where real numbers are nan nothing is drawn, and of rows a colour of its own.
    """
    if isinstance(field, Real) and field.size <= 2:
        xs = xs.reshape(len(xs), -1)
        xs = xs[~np.isnan(xs).any(axis=1)]
        if not len(xs):
            return
    if isinstance(field, Real) and field.size == 2:
        points = xs
        axes.scatter(points[:, 0], points[:, 1], s=4, linewidths=0)
        axes.set_aspect("equal")
    elif field.size == 1 and _are_states(xs, field):
        values, counts = np.unique(xs.ravel(), return_counts=True)
        axes.bar(values, counts / len(xs), 0.8 * (field.spacing if isinstance(field, Levels) else 1.0))
        _tick(field, axes)
    elif field.size == 1:
        axes.hist(xs.ravel(), bins=60, density=True)
    else:
        low, high = (0, 1) if isinstance(field, Binary) else _bounds(field)
        if len(field.shape) == 3 and field.shape[-1] == 3:
            picture = colours(xs, low, high)
        elif "pixel" in field.units:
            picture = tiles(xs.reshape(len(xs), *field.shape[:2]))
        else:
            picture = xs.reshape(len(xs), -1)
        image = axes.imshow(picture, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
        if "pixel" not in field.units:  # between pictures it is the gap
            image.set_cmap(image.get_cmap().with_extremes(bad=MISSING))
        axes.set_aspect("equal" if "pixel" in field.units else "auto")
        axes.set_axis_off()


def _are_states(xs: np.ndarray, field: AbstractField) -> bool:
    """Whether numbers can repeat. Noisy levels are real numbers: with a bar for each, none would be higher than another."""
    if isinstance(field, Levels):
        return bool(field.contains_array(xs).all())
    return field.is_discrete and bool((xs == np.round(xs)).all())


def _tick(field: AbstractField, axes: Axes) -> None:
    """Ticks at states, and nowhere between them."""
    if isinstance(field, Levels):
        if field.levels <= TICKS:
            axes.set_xticks(np.linspace(field.low, field.high, field.levels))
    else:
        few = 2 if isinstance(field, Binary) else field.categories if isinstance(field, Categorical) else TICKS + 1
        if few <= TICKS:
            axes.set_xticks(range(few))
        else:
            axes.locator_params(axis="x", integer=True)


def colours(xs: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Pictures (N, height, width, 3) side by side, from 0 to 1."""
    low, high = (float(xs.min()) if low is None else low), (float(xs.max()) if high is None else high)
    tiled = np.stack([tiles(xs[..., channel]) for channel in range(3)], axis=-1)
    return np.nan_to_num(np.clip((tiled - low) / (high - low or 1.0), 0.0, 1.0), nan=1.0)


def _bounds(field: AbstractField) -> tuple[float | None, float | None]:
    return (field.low, field.high) if isinstance(field, Real | Levels) else (None, None)


def tiles(xs: np.ndarray) -> np.ndarray:
    """Matrices (N, height, width) side by side in a near-square picture, with gaps of nan."""
    count, height, width = xs.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    padded = np.full((down * across, height + 1, width + 1), np.nan)
    padded[:count, :-1, :-1] = xs
    grid = padded.reshape(down, across, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(down * (height + 1), across * (width + 1))[:-1, :-1]
