"""The picture of scores: their histogram beside held-out events with the threshold, and what the ends of it look like."""

from __future__ import annotations

from typing import Any

import numpy as np

import quasistatic as qs

SHOWN = 16  # events at each end
BINS = 40


def picture(found: qs.Scores, ending: str) -> bytes:
    """Encoded as the ending of the file has it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.0), layout="constrained")
    axes = figure.subplots(1, 3)
    _histogram(found, axes[0])
    order = np.argsort(-found.scores, kind="stable")
    for panel, title, rows in zip(axes[1:], ("most unusual", "most ordinary"), (order[:SHOWN], order[::-1][:SHOWN]), strict=True):
        _shares(found, rows, panel)
        panel.set_title(title)
    return qs.pictures.encode(figure, ending.lower().removeprefix("."))


def _histogram(found: qs.Scores, axes: Any) -> None:
    both = np.concatenate([found.known, found.scores])
    bins = np.linspace(both.min(), both.max() + 1e-9, BINS)
    for name, values in (("held-out", found.known), ("this file", found.scores)):
        axes.hist(values, bins=bins, density=True, alpha=0.6, label=f"{name} ({len(values)})")
    if np.isfinite(found.certificate.threshold):
        axes.axvline(found.certificate.threshold, color="black", label=f"flagged at a rate of {found.rate:g}")
    axes.set_xlabel("score")
    axes.set_ylabel("share per unit")
    axes.legend(fontsize=8)


def _shares(found: qs.Scores, rows: np.ndarray, axes: Any) -> None:
    """What columns add to the scores of some events, a row for each."""
    names = [*found.by_column, "all together"]
    values = np.stack([*(own[rows] for own in found.by_column.values()), found.together[rows]], axis=1)
    reach = max(float(np.abs(values).max(initial=0.0)), 1e-9)
    axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(rows)), [f"{found.data.numbers[row]}: {found.scores[row]:.2f}" for row in rows], fontsize=7)
