"""Pictures side by side: in rows and columns with titles, and events as they were, as they are seen, and as they are drawn back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import quasistatic as qs

HIDDEN = (198, 214, 232)  # of 255: what is painted over; white would pass for paper


def triptych(source: qs.AbstractSource, columns: Mapping[str, np.ndarray], covered: np.ndarray | None = None) -> Figure:
    """Events (N, ...) as they were, as they are seen, and as they are drawn back, on one scale.

    Pictures have a row for each event, others a panel for each column.
    `covered` (N, ...) are the elements that are hidden in the column 'seen', painted over there.
    """
    if qs.sources.capability(source, qs.sources.AbstractPictures) is None:
        return _in_columns(source, columns, covered)
    ranges = [qs.pictures.drawn_range(source, xs) for xs in columns.values() if not bool(np.isnan(xs).all())]
    bounds = min(low for low, _ in ranges), max(high for _, high in ranges)
    shown = {title: qs.pictures.cells(source, xs, bounds) for title, xs in columns.items()}
    if covered is not None and "seen" in shown:
        hidden = np.asarray(covered.reshape(*covered.shape[:3], -1).any(axis=-1))
        for cell, over in zip(shown["seen"], hidden, strict=True):
            if cell.shape[:2] == over.shape:  # a third-party source may draw larger pixels
                cell[over] = HIDDEN
    gap = math.ceil(len(next(iter(shown.values()))[0]) / 6)
    rows = [in_a_row(row, gap) for row in zip(*shown.values(), strict=True)]
    return picture_alone(stacked(rows, gap), list(shown), gap)


def _in_columns(source: qs.AbstractSource, columns: Mapping[str, np.ndarray], covered: np.ndarray | None) -> Figure:
    """A panel for each title, with all events as their source draws them."""
    figure = qs.pictures.new_figure(qs.pictures.WIDTH, 2.5)
    panels = dict(zip(columns, figure.subplots(1, len(columns), squeeze=False)[0], strict=True))
    for title, axes in panels.items():
        qs.pictures.draw_part(source, columns[title], "", axes)
        axes.set_title(title, fontsize=qs.pictures.NORMAL, color=qs.pictures.TEXT)
    images = [image for axes in panels.values() for image in axes.images]
    limits = [image.get_clim() for image in images]
    for image in images:
        image.set_clim(min(low for low, _ in limits), max(high for _, high in limits))
    if covered is not None and "seen" in panels and panels["seen"].images:
        over = np.where(covered.reshape(len(covered), -1), 1.0, np.nan)
        panels["seen"].imshow(over, cmap=ListedColormap([np.divide(HIDDEN, 255)]), aspect="auto", interpolation="nearest")
    return figure


def picture_alone(picture: np.ndarray, titles: Sequence[str], gap: int = 1) -> Figure:
    """A picture (height, width, 3) with titles above as many columns of it, which have gaps of so many pixels between them."""
    height, width = picture.shape[:2]
    figure = qs.pictures.new_figure(qs.pictures.WIDTH, qs.pictures.WIDTH * height / width + 0.5 * bool(titles))
    axes = figure.add_subplot()
    axes.imshow(picture, interpolation="nearest")
    axes.set_axis_off()
    for number, title in enumerate(titles):
        # the first pixel has its middle at 0
        at = (number + 0.5) * (width + gap) / len(titles) - 0.5 * gap - 0.5
        place: dict[str, Any] = dict(xytext=(0, 4), textcoords="offset points", ha="center", va="bottom")
        axes.annotate(title, (at, -0.5), fontsize=qs.pictures.NORMAL, color=qs.pictures.TEXT, **place)
    return figure


def in_a_row(shown: Sequence[np.ndarray], gap: int = 1) -> np.ndarray:
    """Pictures of one height side by side, with white gaps of so many pixels."""
    white = np.full((len(shown[0]), gap, 3), 255, np.uint8)
    return np.concatenate([part for each in shown for part in (each, white)], axis=1)[:, :-gap]


def stacked(rows: Sequence[np.ndarray], gap: int = 1) -> np.ndarray:
    """Pictures of one width below each other, with white gaps of so many pixels."""
    white = np.full((gap, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for each in rows for part in (each, white)])[:-gap]
