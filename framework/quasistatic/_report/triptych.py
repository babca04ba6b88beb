"""Events as they were, as they are seen, and as they are drawn back, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import ListedColormap

from quasistatic._data.draw import draw_part
from quasistatic._data.source import AbstractPictures, capability
from quasistatic._report import film
from quasistatic._report.figure import NORMAL, TEXT, WIDTH, new_figure, picture_alone

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quasistatic._data.source import AbstractSource

HIDDEN = (198, 214, 232)  # of 255: what is painted over; white would pass for paper


def triptych(source: AbstractSource, columns: Mapping[str, np.ndarray], covered: np.ndarray | None = None) -> Figure:
    """Events (N, ...) as they were, as they are seen, and as they are drawn back, on one scale.

    Pictures have a row for each event, others a panel for each column.
    `covered` (N, ...) are the elements that are hidden in the column 'seen', painted over there.
    """
    if capability(source, AbstractPictures) is None:
        return _in_columns(source, columns, covered)
    ranges = [film.drawn_range(source, xs) for xs in columns.values() if not bool(np.isnan(xs).all())]
    bounds = min(low for low, _ in ranges), max(high for _, high in ranges)
    shown = {title: film.cells(source, xs, bounds) for title, xs in columns.items()}
    if covered is not None and "seen" in shown:
        hidden = np.asarray(covered.reshape(*covered.shape[:3], -1).any(axis=-1))
        for cell, over in zip(shown["seen"], hidden, strict=True):
            if cell.shape[:2] == over.shape:  # a third-party source may draw larger pixels
                cell[over] = HIDDEN
    gap = math.ceil(len(next(iter(shown.values()))[0]) / 6)
    rows = [film.in_a_row(row, gap) for row in zip(*shown.values(), strict=True)]
    return picture_alone(film.stacked(rows, gap), list(shown), gap)


def _in_columns(source: AbstractSource, columns: Mapping[str, np.ndarray], covered: np.ndarray | None) -> Figure:
    """A panel for each title, with all events as their source draws them."""
    figure = new_figure(WIDTH, 2.5)
    panels = dict(zip(columns, figure.subplots(1, len(columns), squeeze=False)[0], strict=True))
    for title, axes in panels.items():
        draw_part(source, columns[title], "", axes)
        axes.set_title(title, fontsize=NORMAL, color=TEXT)
    images = [image for axes in panels.values() for image in axes.images]
    limits = [image.get_clim() for image in images]
    for image in images:
        image.set_clim(min(low for low, _ in limits), max(high for _, high in limits))
    if covered is not None and "seen" in panels and panels["seen"].images:
        over = np.where(covered.reshape(len(covered), -1), 1.0, np.nan)
        panels["seen"].imshow(over, cmap=ListedColormap([np.divide(HIDDEN, 255)]), aspect="auto", interpolation="nearest")
    return figure
