"""Before and after: a row for each event."""

from __future__ import annotations

import numpy as np

import quasistatic as qs
from quasistatic_plugins.conditioning.draws import Draws

MOST = 6  # draws of an event that are shown


def encoded(source: qs.AbstractSource, found: Draws, hidden: np.ndarray | None, form: str) -> bytes:
    """The picture's bytes in this format: what it was, what was seen, draws; without such events a sheet of draws."""
    if found.seen is None:
        return qs.pictures.encode(qs.pictures.samples(source, found.draws[:, 0]), form)
    columns: dict[str, np.ndarray] = {} if found.x is None else {"data": found.x}
    columns["seen"] = found.seen
    shown = found.draws[:, :MOST]
    columns |= {f"draw {number + 1}" if shown.shape[1] > 1 else "draw": shown[:, number] for number in range(shown.shape[1])}
    columns["mean of draws"] = found.draws.mean(axis=1)
    figure = qs.pictures.new_figure(1.6 * len(columns), 1.7 * len(found.draws))
    panels = figure.subplots(len(found.draws), len(columns), squeeze=False)
    for row, events in zip(panels, zip(*columns.values(), strict=True), strict=True):
        for axes, title, event in zip(row, columns, events, strict=True):
            qs.draw_part(source, event[None], "", axes)
            axes.set_title(title if axes in panels[0] else "", fontsize=9)
            if title == "seen" and hidden is not None and hidden.ndim > 1:
                covered = np.where(hidden.reshape(*hidden.shape[:2], -1).any(axis=-1), 1.0, np.nan)
                axes.imshow(covered, cmap="Blues", vmin=0, vmax=3, interpolation="nearest")  # or it would pass for paper
    return qs.pictures.encode(figure, form)
