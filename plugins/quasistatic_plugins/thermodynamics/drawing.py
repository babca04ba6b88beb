"""The page of the observatory: dissipation per step, work both ways, entropy bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import quasistatic as qs
from quasistatic import thermodynamics as td
from quasistatic_plugins.thermodynamics.observatory import Observatory

look = qs.pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def page(found: Observatory, size: int) -> Figure:
    """Four panels; values per event, in bits for small events."""
    figure = look.new_figure(look.WIDTH, 6.0)
    unit = look.customary_unit(size)
    scale = math.log(2.0) if unit == "bits" else 1.0
    panels = figure.subplots(2, 2).ravel()
    _per_step(panels[0], found, scale)
    _work(panels[1], found, scale)
    _information(panels[2], found, scale)
    _entropy(panels[3], found.entropy, scale)
    for axes, label in zip(panels, ("time t", f"log-weight less log p, {unit}", "time t", "time t"), strict=True):
        axes.set_xlabel(label, fontsize=look.NORMAL, color=look.TEXT)
        look.quiet(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=look.SMALL, frameon=False, labelcolor=look.TEXT)
    panels[0].set_ylabel(f"{unit} per event and step", fontsize=look.NORMAL, color=look.TEXT)
    panels[2].set_ylabel(f"{unit} per event", fontsize=look.NORMAL, color=look.TEXT)
    panels[3].set_ylabel(f"above the lower bound, {unit}", fontsize=look.NORMAL, color=look.TEXT)
    return figure


def _per_step(axes: Axes, found: Observatory, scale: float) -> None:
    """Each step's term of -K, at the time it starts from, and how much of it is dissipated."""
    lost = found.dissipation
    times, mean, error = lost.knots[1:], lost.mean / scale, 2.0 * lost.standard_errors / scale
    mark: dict[str, Any] = {"marker": "o" if len(times) <= 60 else None, "markersize": 2.5, "linewidth": 1.3}
    axes.plot(times, -found.terms[-1 - len(times) : -1] / scale, color=look.DATA, label="term of \N{MINUS SIGN}K", **mark)
    axes.plot(times, mean, color=look.LEARNED, label="of it dissipated", **mark)
    axes.fill_between(times, mean - error, mean + error, color=look.LEARNED, alpha=0.2, linewidth=0)
    axes.axhline(0.0, color=look.FRAME, linewidth=0.8, zorder=0)
    axes.set_title("dissipation per step", fontsize=look.NORMAL, color=look.TEXT)


def _work(axes: Axes, found: Observatory, scale: float) -> None:
    """Log-weights of the model's own events, less what log p of each lies between: both ways they cross at 0."""
    log_p = 0.5 * (td.importance_weighted(found.forward) + td.sandwich_bound(found.backward, found.forward[:, 1:]))
    forward, backward = (found.forward - log_p[:, None]).ravel() / scale, (found.backward - log_p) / scale
    low, high = np.quantile(forward, 0.002), max(np.quantile(forward, 0.998), np.quantile(backward, 0.998))
    edges = np.linspace(low, high, 31).tolist()
    axes.hist(forward, edges, density=True, color=look.DATA, alpha=0.35, label="forward paths")
    axes.hist(backward, edges, density=True, histtype="step", color=look.LEARNED, linewidth=1.3, label="the model's paths")
    axes.axvline(0.0, color=look.TRUTH, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.set_yticks([])
    axes.set_title("work both ways crosses at log p", fontsize=look.NORMAL, color=look.TEXT)


def _information(axes: Axes, found: Observatory, scale: float) -> None:
    """How much of the event a state at time t has: where the curve is steep, the event is decided."""
    axes.plot(found.dissipation.knots, found.information / scale, color=look.DATA, linewidth=1.3)
    axes.axhline(0.0, color=look.FRAME, linewidth=0.8, zorder=0)
    axes.set_title("information about the event", fontsize=look.NORMAL, color=look.TEXT)


def _entropy(axes: Axes, found: td.EntropyBounds, scale: float) -> None:
    """The learned entropy of every step between its bounds, all above the lower one."""
    times, floor = found.times[1:], found.lower.mean(axis=0)
    upper = found.corrected_upper.mean(axis=0)
    upper = np.where(np.isfinite(upper), upper, found.paper_upper.mean(axis=0))
    axes.fill_between(times, 0.0, (upper - floor) / scale, color=look.DATA, alpha=0.15, linewidth=0, label="what the data allow")
    axes.plot(times, (found.learned.mean(axis=0) - floor) / scale, color=look.LEARNED, linewidth=1.3, label="learned")
    axes.axhline(0.0, color=look.FRAME, linewidth=0.8, zorder=0)
    axes.set_title("entropy of a step back", fontsize=look.NORMAL, color=look.TEXT)
