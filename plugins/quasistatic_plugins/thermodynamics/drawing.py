"""Pictures of the observatory: dissipation per step, work both ways, entropy bounds; and steps before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.steps import EntropyBounds
from quasistatic.thermodynamics.work import importance_weighted, sandwich_bound
from quasistatic_plugins.thermodynamics.classes import Classes
from quasistatic_plugins.thermodynamics.observatory import Observatory
from quasistatic_plugins.thermodynamics.schedules import Improvement

look = qs.pictures
LEAST = 0.05  # of log-weights that are drawn apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(found: Observatory, size: int) -> Figure:
    """Four panels, and two more where events have labels; values per event, in bits for small events."""
    rows = 2 if found.classes is None else 3
    figure = look.new_figure(look.WIDTH, 3.0 * rows)
    unit = look.customary_unit(size)
    scale = math.log(2.0) if unit == "bits" else 1.0
    panels = figure.subplots(rows, 2).ravel()
    _per_step(panels[0], found, scale)
    _work(panels[1], found, scale)
    _information(panels[2], found, scale)
    _entropy(panels[3], found.entropy, scale)
    labels = ["time t", f"log-weight less log p, {unit}", "time t", "time t"]
    if found.classes is not None:
        _appearance(panels[4], found.classes)
        _parting(panels[5], found.classes)
        labels += ["time t", "class"]
    for axes, label in zip(panels, labels, strict=True):
        axes.set_xlabel(label, fontsize=look.NORMAL, color=look.TEXT)
        look.quiet(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=look.SMALL, frameon=False, labelcolor=look.TEXT)
    panels[0].set_ylabel(f"{unit} per event and step", fontsize=look.NORMAL, color=look.TEXT)
    panels[2].set_ylabel(f"{unit} per event", fontsize=look.NORMAL, color=look.TEXT)
    panels[3].set_ylabel(f"above the lower bound, {unit}", fontsize=look.NORMAL, color=look.TEXT)
    return figure


def steps(found: Improvement, name: str, size: int) -> Figure:
    """What each step costs, and where the times are, of the natural chain and of the new one."""
    figure = look.new_figure(look.WIDTH, 3.0)
    unit = look.customary_unit(size)
    left, right = figure.subplots(1, 2)
    for row, (label, times, costs, colour) in enumerate(
        (("before", found.before, found.costs_before, look.DATA), (f"after: {name}", found.after, found.costs_after, look.LEARNED))
    ):
        # in the order of the steps: in time they crowd at one end
        left.step(
            np.arange(len(costs)) + 1, costs / (math.log(2.0) if unit == "bits" else 1.0), color=colour, where="mid", label=label
        )
        right.plot(times, np.full(len(times), -row), "|", color=colour, markersize=14)
    left.set_xlabel("step, from data to noise", fontsize=look.NORMAL, color=look.TEXT)
    left.set_ylabel(f"dissipated, {unit} per event", fontsize=look.NORMAL, color=look.TEXT)
    left.set_ylim(bottom=min(0.0, left.get_ylim()[0]))
    left.legend(fontsize=look.SMALL, frameon=False, labelcolor=look.TEXT)
    right.set(yticks=[0, -1], yticklabels=["before", "after"], ylim=(-1.6, 0.6), xlim=(-0.02, 1.02))
    right.set_xlabel("time t", fontsize=look.NORMAL, color=look.TEXT)
    for axes in (left, right):
        look.quiet(axes)
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
    log_p = 0.5 * (importance_weighted(found.forward) + sandwich_bound(found.backward, found.forward[:, 1:]))
    forward, backward = (found.forward - log_p[:, None]).ravel() / scale, (found.backward - log_p) / scale
    low, high = np.quantile(forward, 0.002), max(np.quantile(forward, 0.998), np.quantile(backward, 0.998))
    # where every path has the log-weight log p, what is left is rounding
    edges = np.linspace(min(low, -LEAST), max(high, LEAST), 31).tolist()
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


def _entropy(axes: Axes, found: EntropyBounds, scale: float) -> None:
    """The learned entropy of every step between its bounds, all above the lower one."""
    times, floor = found.times[1:], found.lower.mean(axis=0)
    upper = found.corrected_upper.mean(axis=0)
    upper = np.where(np.isfinite(upper), upper, found.paper_upper.mean(axis=0))
    axes.fill_between(times, 0.0, (upper - floor) / scale, color=look.DATA, alpha=0.15, linewidth=0, label="what the data allow")
    above = (found.learned - found.lower) / scale
    with np.errstate(invalid="ignore"):
        mean, error = above.mean(axis=0), 2.0 * above.std(axis=0, ddof=1) / math.sqrt(len(above))
    axes.plot(times, mean, color=look.LEARNED, linewidth=1.3, label="learned")
    axes.fill_between(times, mean - error, mean + error, color=look.LEARNED, alpha=0.2, linewidth=0)
    axes.axhline(0.0, color=look.FRAME, linewidth=0.8, zorder=0)
    axes.set_title("entropy of a step back", fontsize=look.NORMAL, color=look.TEXT)


def _appearance(axes: Axes, found: Classes) -> None:
    """How surely a noisy event is of its class, for each class, and how often two clones of the model agree."""
    line = found.timeline
    axes.plot(line.times, line.by_class, color=look.DATA, alpha=0.35, linewidth=0.8)
    axes.plot(line.times, np.exp(line.of_own).mean(axis=0), color=look.DATA, linewidth=1.6, label="P(its class), mean and each")
    if found.agreement is not None:
        times, agreement, error = found.agreement
        style: dict[str, Any] = {"marker": "o", "markersize": 3, "linewidth": 1.0, "capsize": 2}
        axes.errorbar(times, agreement, 2.0 * error, color=look.LEARNED, label="the model's clones agree", **style)
    axes.axhline(float((line.shares**2).sum()), color=look.FRAME, linewidth=0.8, zorder=0, label="by chance")
    axes.set_ylim(0.0, 1.05)
    axes.set_title("when the class appears", fontsize=look.NORMAL, color=look.TEXT)


def _parting(axes: Axes, found: Classes) -> None:
    """The tree of classes: two are distinct below the time at which they merge."""
    line, merges = found.timeline, found.merges
    first, last = merges[0][0], merges[-1][0]
    margin = max(0.5 * (last - first), 0.02)
    order = dendrogram(axes, merges, len(line.shares), first - margin, last + margin)
    axes.set(xticks=range(len(order)), xticklabels=[found.names[k] for k in order], ylim=(first - margin, last + margin))
    axes.set_ylabel("time t", fontsize=look.NORMAL, color=look.TEXT)
    axes.set_title("classes merge as noise rises", fontsize=look.NORMAL, color=look.TEXT)


def dendrogram(axes: Axes, merges: Sequence[tuple[float, int, int]], count: int, lowest: float, highest: float) -> list[int]:
    """A tree from merges (height, i, j) of `count` leaves; their order from the left, in which no lines cross."""
    groups = {number: [number] for number in range(count)}
    for _, first, second in merges:
        groups[first] += groups.pop(second)
    order = [number for group in groups.values() for number in group]
    place = {number: float(order.index(number)) for number in order}
    height = dict.fromkeys(order, lowest)
    style: dict[str, Any] = {"color": look.DATA, "linewidth": 1.3}
    for at, first, second in merges:
        left, right = place[first], place[second]
        axes.plot([left, left, right, right], [height[first], at, at, height[second]], **style)
        place[first], height[first] = 0.5 * (left + right), at
    for number in groups:
        axes.plot([place[number]] * 2, [height[number], highest], **style)
    return order
