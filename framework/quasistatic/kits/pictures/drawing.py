"""Figures of pictures: side by side, on their way out of the noise, beside their neighbours; and filters of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic.kits.pictures.panels import in_a_row, picture_alone, stacked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRIP, NEIGHBOURS = 6, 12  # pictures shown on their way, and beside their neighbours
FILTERS = 64  # shown of a network


def draw_picture(xs: np.ndarray, white: float, axes: Axes) -> None:
    """Photographs (N, height, width) or (N, height, width, 3) side by side, black at 0."""
    if xs.ndim == 4:
        axes.imshow(qs.pictures.colours(xs, 0.0, white), interpolation="nearest")
    else:
        axes.imshow(qs.pictures.tiles(xs), cmap="gray", vmin=0.0, vmax=white, interpolation="nearest")
    axes.set_axis_off()


def strip(source: qs.AbstractSource, times: np.ndarray, zs: np.ndarray, xs: np.ndarray) -> Figure:
    """Some samples xs (N, ...) that are pictures, one a row, from noise at the left: zs (N, k, ...) at rising `times` (k,)."""
    titles = [*(f"t = {time:.2g}" for time in np.asarray(times)[::-1]), "sample"]
    return picture_alone(strip_of(source, np.asarray(zs)[:STRIP], np.asarray(xs)[:STRIP]), titles)


def neighbours(source: qs.AbstractSource, xs: np.ndarray, nearest: np.ndarray) -> Figure:
    """Samples, and below each the training picture that is nearest to it."""
    bounds = qs.pictures.drawn_range(source, xs)
    rows = [in_a_row(qs.pictures.cells(source, each[:NEIGHBOURS], bounds)) for each in (xs, nearest)]
    return picture_alone(np.concatenate([rows[0], np.full_like(rows[0][:2], 255), rows[1]]), [])


def filters(model: qs.AbstractFilters) -> Figure:
    """The largest filters of a network, each on a scale of its own: zero is white, blue is positive, red negative."""
    found = np.asarray(model.filters(), np.float64)
    sizes = np.sqrt(np.sum(found**2, axis=(1, 2)))
    chosen = found[np.sort(np.argsort(-sizes, kind="stable")[:FILTERS])]
    scaled = chosen / np.maximum(np.abs(chosen).max(axis=(1, 2), keepdims=True), 1e-30)
    figure = qs.pictures.new_figure(0.5 * qs.pictures.WIDTH, 0.5 * qs.pictures.WIDTH)
    axes = figure.add_subplot()
    signs = LinearSegmentedColormap.from_list("signs", [qs.pictures.LEARNED, "white", qs.pictures.DATA])
    axes.imshow(qs.pictures.tiles(scaled), cmap=signs, vmin=-1.0, vmax=1.0, interpolation="nearest")
    axes.set_axis_off()
    return figure


def strip_of(source: qs.AbstractSource, film: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """One picture (height, width, 3) from 0 to 255: each sample of xs (N, ...) a row, from noise at the left to itself."""
    count, frames = film.shape[:2]
    ways = np.concatenate([film[:, ::-1], xs[:, None]], axis=1)
    shown = qs.pictures.cells(source, ways.reshape(-1, *ways.shape[2:]), qs.pictures.drawn_range(source, xs))
    rows = (shown[number * (frames + 1) : (number + 1) * (frames + 1)] for number in range(count))
    return stacked([in_a_row(row) for row in rows])
