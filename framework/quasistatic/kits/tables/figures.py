"""Pictures of a table, in the user's units: every column, pairs of columns, and how columns hang together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

import quasistatic as qs

if TYPE_CHECKING:
    from matplotlib.axis import Axis

ACROSS = 4  # panels side by side
PANELS = 24  # columns at most that have one
PAIRED = 6  # columns at most whose pairs are shown
POINTS = 500  # at most in a panel

Columns = Mapping[str, np.ndarray]  # numbers (N,) by the names of their columns, nan where there is none


def histograms(data: Columns, samples: Columns | None = None) -> Figure:
    """Every column of numbers of data, and of samples, both in the user's units, on axes that hold all data."""
    names, rows = _as_matrix(data)
    made = None if samples is None else _as_matrix(samples)[1]
    shown = min(PANELS, rows.shape[1])
    across = min(ACROSS, shown)
    down = math.ceil(shown / across)
    figure = qs.pictures.new_figure(min(qs.pictures.WIDTH, 3.2 * across), 1.9 * down + 0.3)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[shown:]:
        axes.set_axis_off()
    for number, (axes, name) in enumerate(zip(panels[:shown], names[:shown], strict=True)):
        column = rows[:, number][~np.isnan(rows[:, number])]
        bins = int(np.clip(2 * np.sqrt(len(column)), 10, 40))
        edges = np.linspace(*limits(column, None if made is None else made[:, number]), bins + 1)
        axes.hist(column, edges, density=True, color=qs.pictures.DATA, alpha=0.35, label="data")
        if made is not None:
            axes.hist(
                made[:, number], edges, density=True, histtype="step", color=qs.pictures.LEARNED, linewidth=1.3, label="samples"
            )
        axes.set(yticks=[], xlim=(edges[0], edges[-1]))
        axes.locator_params(axis="x", nbins=4)
        axes.set_title(_short(name), fontsize=qs.pictures.NORMAL, color=qs.pictures.TEXT)
        qs.pictures.quiet(axes)
        axes.spines["left"].set_visible(False)
    if made is not None:
        legend: dict[str, Any] = dict(
            ncols=2, fontsize=qs.pictures.SMALL, frameon=False, labelcolor=qs.pictures.TEXT, handlelength=1.2
        )
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", **legend)
    return figure


def pairs(data: Columns, samples: Columns) -> Figure:
    """The first columns against one another: data below the diagonal, samples above it, on the same axes."""
    (names, rows), (_, made) = (_as_matrix(x) for x in (data, samples))
    names = names[:PAIRED]
    count = len(names)
    figure = qs.pictures.new_figure(min(qs.pictures.WIDTH, 2.0 * count + 0.6), min(qs.pictures.WIDTH, 1.8 * count + 0.4))
    grid = figure.subplots(count, count, squeeze=False)
    ranges = [limits(rows[:, number], made[:, number]) for number in range(count)]
    for down in range(count):
        for across in range(count):
            axes = grid[down, across]
            axes.set_xlim(ranges[across])
            if down == across:
                axes.hist(rows[:, down], np.linspace(*ranges[down], 31), density=True, color=qs.pictures.DATA, alpha=0.35)
                axes.hist(made[:, down], np.linspace(*ranges[down], 31), density=True, histtype="step", color=qs.pictures.LEARNED)
            else:
                below = down > across
                events = (rows if below else made)[:POINTS]
                axes.scatter(
                    events[:, across],
                    events[:, down],
                    s=3,
                    linewidths=0,
                    alpha=0.6,
                    color=qs.pictures.DATA if below else qs.pictures.LEARNED,
                )
                axes.set_ylim(ranges[down])
            axes.spines[:].set_color(qs.pictures.FRAME)
            axes.locator_params(nbins=3)
            axes.tick_params(
                labelsize=qs.pictures.SMALL, color=qs.pictures.FRAME, labelcolor=qs.pictures.TEXT, labelbottom=down == count - 1
            )
            axes.tick_params(labelleft=across == 0 < down, bottom=down == count - 1, left=across == 0 < down)
            if down == count - 1:
                _name(axes.xaxis, names[across])
            if across == 0:
                _name(axes.yaxis, names[down], is_labelled=down > 0)
    return figure


def correlations(data: Columns, samples: Columns) -> Figure:
    """The correlations of the columns of data and of samples, side by side on one scale."""
    (names, rows), (_, made) = (_as_matrix(x) for x in (data, samples))
    names = [_short(name) for name in names]
    size = min(qs.pictures.WIDTH, 5.0 + 0.5 * len(names))
    figure = qs.pictures.new_figure(size, 0.48 * size + 0.9)
    image = None
    for axes, events, title in zip(figure.subplots(1, 2), (rows, made), ("data", "samples"), strict=True):
        image = axes.imshow(correlation(events), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=qs.pictures.NORMAL, color=qs.pictures.TEXT)
        ticks = range(len(names)) if len(names) <= PANELS else []
        axes.set_xticks(ticks, [names[k] for k in ticks], rotation=90)
        axes.set_yticks(ticks, [names[k] for k in ticks] if title == "data" else [])
        axes.tick_params(labelsize=qs.pictures.SMALL, labelcolor=qs.pictures.TEXT, length=0)
        axes.spines[:].set_color(qs.pictures.FRAME)
    assert image is not None
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.tick_params(labelsize=qs.pictures.SMALL, labelcolor=qs.pictures.TEXT)
    bar.outline.set_edgecolor(qs.pictures.FRAME)
    return figure


def _as_matrix(columns: Columns) -> tuple[list[str], np.ndarray]:
    """The names of columns, and their numbers (N, columns)."""
    return list(columns), np.stack(list(columns.values()), axis=1)


def correlation(events: np.ndarray) -> np.ndarray:
    """(columns, columns), of each pair over the events (N, columns) that have both; 0 beside a column that is constant."""
    is_there = ~np.isnan(events)
    both = np.maximum(is_there.T.astype(float) @ is_there, 1.0)
    centred = np.nan_to_num(events - np.nan_to_num(events).sum(axis=0) / np.maximum(is_there.sum(axis=0), 1))
    deviation = np.sqrt((centred**2).sum(axis=0) / np.maximum(is_there.sum(axis=0), 1))
    return np.nan_to_num(centred.T @ centred / both / np.maximum(np.outer(deviation, deviation), 1e-300))


def limits(data: np.ndarray, samples: np.ndarray | None = None) -> tuple[float, float]:
    """A range of axes that holds all data and all but the farthest samples."""
    data = data[~np.isnan(data)]
    samples = None if samples is None else samples[~np.isnan(samples)]
    if not len(data):
        return 0.0, 1.0
    low, high = float(data.min()), float(data.max())
    if samples is not None and len(samples):
        low, high = min(low, float(np.quantile(samples, 0.005))), max(high, float(np.quantile(samples, 0.995)))
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    return low - room, high + room


def _name(axis: Axis, name: str, is_labelled: bool = True) -> None:
    """The name of a column, and below it what its ticks are less or divided by: matplotlib would print that over the name."""
    formatter = axis.get_major_formatter()
    formatter.format_ticks(axis.get_majorticklocs().tolist())
    offset = formatter.get_offset() if is_labelled else ""
    axis.get_offset_text().set_visible(False)
    sign = "\n" if offset[:1] in ("", "+", "\N{MINUS SIGN}") else "\n\N{MULTIPLICATION SIGN}"
    axis.set_label_text(f"{_short(name)}{sign}{offset}".rstrip(), fontsize=qs.pictures.SMALL, color=qs.pictures.TEXT)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}\N{HORIZONTAL ELLIPSIS}"
