"""The picture of samplers side by side."""

from __future__ import annotations

from matplotlib.figure import Figure

from quasistatic._report.figure import FRAME, NORMAL, TRUTH, new_figure, quiet
from quasistatic._runs.comparison import Comparison


def drawn(found: Comparison) -> Figure:
    """Distance to the data against calls of the network, a line for each sampler; dashed that of the run's own chain."""
    figure = new_figure(6.5, 4.5)
    axes = figure.add_subplot()
    quiet(axes)
    for name in dict.fromkeys(row.sampler for row in found.rows):
        rows = [row for row in found.rows if row.sampler == name]
        distances, errors = [row.distance for row in rows], [row.error for row in rows]
        axes.errorbar([row.calls for row in rows], distances, errors, marker="o", markersize=3, linewidth=1, label=name)
    axes.axhline(found.reference.distance, color=FRAME, linestyle="--", label=f"T = {found.reference.calls}, as trained")
    axes.axhline(found.floor, color=TRUTH, linestyle=":", label="data to data")
    axes.set(xscale="log", yscale="log", xlabel="network calls an event", ylabel="sliced Wasserstein distance to data")
    axes.legend(fontsize=NORMAL, frameon=False)
    return figure
