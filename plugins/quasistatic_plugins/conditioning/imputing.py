"""What `quasistatic impute` prints and writes of missing cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEADERS = ("row", "column", "filled in", "5 %", "95 %", "share")
SHOWN = 10  # gaps of the table that is printed
PANELS, BARS = 6, 60  # columns of the picture, and gaps of each


def files(found: Any, out: Path, is_median: bool) -> dict[Path, bytes]:
    """The files to write: a completed table or several, or a picture."""
    ending = out.suffix.lower()
    if ending in parts.PICTURES:
        return {out: _picture(found, ending)}
    if is_median:
        return {out: found.gaps.written(found.texts("median"), ending)}
    names = [out] if found.tables == 1 else [out.with_stem(f"{out.stem}-{number + 1}") for number in range(found.tables)]
    return {name: found.gaps.written(found.texts(number), ending) for number, name in enumerate(names)}


def rows(found: Any) -> list[list[str]]:
    """The first gaps: where they are, the median or most frequent cell, where 90 % of draws are, and the share with this cell."""
    (low, high), texts, share = found.interval_texts(0.9), found.texts("median"), found.share
    places = _places(found)
    return [
        [
            places[gap],
            column,
            texts[gap],
            low[gap],
            high[gap],
            "" if low[gap] else f"{share[gap]:.2f}",
        ]
        for gap, (_, column) in enumerate(found.cells[:SHOWN])
    ]


def _places(found: Any) -> list[str]:
    """Where the record of each gap comes from."""
    tags = found.gaps.tags or {"row": found.gaps.rows}
    of_rows = [", ".join(f"{tag} {own[row]}" for tag, own in tags.items()) for row in range(len(found.gaps.rows))]
    return [of_rows[row] for row in np.searchsorted(found.gaps.rows, [row for row, _ in found.cells])]


def summary(found: Any) -> list[str]:
    """Sentences: how much was filled in, of which rows particles ran out, and which rows are refused."""
    gaps, filled = len(found.cells), len(found.gaps.rows)
    lines = [f"{gaps} gaps of {filled} rows are filled in; {found.gaps.count - filled - len(found.outside)} rows have none"]
    least = int(found.particles.min(initial=10**9))
    if (more := found.particles > least).any():
        lines.append(f"{least} particles ran out for {int(more.sum())} rows; up to {int(found.particles.max())} were used")
    if (few := found.is_few).any():
        first = _places(found)[int(np.searchsorted([row for row, _ in found.cells], found.gaps.rows[int(np.argmax(few))]))]
        lines.append(f"of {int(few.sum())} rows few particles still carry all the weight, and draws are copies; first: {first}")
    for each in found.outside[:SHOWN]:
        place = ", ".join(f"{tag} {value}" for tag, value in each.tags.items()) or f"row {each.number}"
        lines.append(f"refused: {place}, {each.reason}; its gaps stay")
    if (rest := len(found.outside) - SHOWN) > 0:
        lines.append(f"refused: {rest} more, all in --json")
    return lines


def cells_table(found: Any) -> bytes:
    """A line for every gap."""
    columns = _columns(found)
    return qs.files.csv_bytes(list(columns), [list(own) for own in columns.values()])


def _columns(found: Any) -> dict[str, list[Any]]:
    low, high = found.interval_texts(0.9)
    return {
        "row": [row for row, _ in found.cells],
        "column": [column for _, column in found.cells],
        "median": found.texts("median"),
        "mean": ["" if np.isnan(value) else float(value) for value in found.mean],
        "low": low,
        "high": high,
        "share": found.share.tolist(),
    }


def values(found: Any) -> dict[str, Any]:
    """All of it as JSON values."""
    columns = _columns(found)
    cells = [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]
    records = zip(found.gaps.rows.tolist(), found.particles.tolist(), found.effective.tolist(), strict=True)
    return {
        "records": found.gaps.count,
        "cells": cells,
        "particles": [{"row": row, "particles": count, "effective": effective} for row, count, effective in records],
        "outside": [{"row": each.number, "reason": each.reason} for each in found.outside],
    }


def _picture(found: Any, ending: str) -> bytes:
    """Of each column with gaps, the medians in rising order, with the intervals that 90 % of the draws are in."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(column for _, column in found.cells))[:PANELS]
    figure = Figure(figsize=(4.0 * max(len(names), 1), 3.2), layout="constrained")
    panels = np.ravel(figure.subplots(1, max(len(names), 1)))
    for name, axes in zip(names, panels, strict=False):
        _panel(found, name, axes)
    return qs.pictures.encode(figure, ending.removeprefix("."))


def _panel(found: Any, name: str, axes: Axes) -> None:
    own = [gap for gap, (_, column) in enumerate(found.cells) if column == name]
    low, high = found.interval(0.9)
    axes.set_title(name)
    if np.isnan(low[own]).all():
        texts = np.array(found.texts("median"))[own]
        states, counts = np.unique(texts, return_counts=True)
        axes.bar([str(state) for state in states], counts)
        axes.set_ylabel("gaps")
        return
    middle = np.nanmedian(found.numbers[:, own], axis=0)
    order = [own[each] for each in np.argsort(middle)][:: max(1, len(own) // BARS)]
    middle = np.nanmedian(found.numbers[:, order], axis=0)
    bars = [np.maximum(middle - low[order], 0.0), np.maximum(high[order] - middle, 0.0)]
    axes.errorbar(np.arange(len(order)), middle, np.array(bars), fmt=".", capsize=2)
    axes.set_xlabel("gap, by its median")
