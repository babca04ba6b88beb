"""Events as a person would look at them, by their shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from quasistatic._event import Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_events(xs: np.ndarray, event: Event, axes: Axes) -> None:
    """One real figure as a histogram, two as points, a matrix as tiles, anything else as rows of a picture."""
    if event.support == "real" and event.size == 1:
        axes.hist(xs.ravel(), bins=60, density=True)
    elif event.support == "real" and event.size == 2:
        points = xs.reshape(-1, 2)
        axes.scatter(points[:, 0], points[:, 1], s=4, linewidths=0)
        axes.set_aspect("equal")
    else:
        picture = tiles(xs) if len(event.shape) == 2 else xs.reshape(len(xs), -1)
        low, high = (0, 1) if event.support == "binary" else (event.low, event.high)
        axes.imshow(picture, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
        axes.set_aspect("equal" if len(event.shape) == 2 else "auto")
        axes.set_axis_off()


def tiles(xs: np.ndarray) -> np.ndarray:
    """Matrices (N, height, width) side by side in a near-square picture, with gaps of nan."""
    count, height, width = xs.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    padded = np.full((down * across, height + 1, width + 1), np.nan)
    padded[:count, :-1, :-1] = xs
    grid = padded.reshape(down, across, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(down * (height + 1), across * (width + 1))[:-1, :-1]
