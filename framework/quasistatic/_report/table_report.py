"""What a report has of a table beside all else: its columns, data beside samples, in the user's units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import ks_2samp

from quasistatic._data.source import AbstractSource, judging_split
from quasistatic._process.distribution import State
from quasistatic._report.figure import as_picture
from quasistatic._report.page import HtmlTable, Picture
from quasistatic._report.table_pictures import (
    PAIRED,
    PANELS,
    correlation,
    correlations,
    histograms,
    is_table,
    number_columns,
    pairs,
)
from quasistatic._runs.run import Run

QUANTILES = (0.05, 0.5, 0.95)
SAMPLES, FEW = 1000, 256  # samples beside the test events, and beside as few of these or fewer
UNLIKELY = 0.01  # chance that some column is named without a reason


def columns(run: Run) -> tuple[State, State] | None:
    """Test events and samples in model units, of a run on a table; None of anything else."""
    if not is_table(run.source):
        return None
    data = run.source.split(judging_split(run.source), run.recipe.evaluation.events)
    samples = run.sample(SAMPLES if len(data) > FEW else FEW, seed=run.recipe.seed, model_units=True)
    return data.x, samples


def column_pictures(source: AbstractSource, data: State, samples: State) -> Iterator[Picture]:
    """Of the columns of numbers of rows in model units."""
    count = len(number_columns(source, data)[0])
    more = "" if count <= PANELS else f" The first {PANELS} of {count} columns."
    yield as_picture(
        "columns",
        "Every column, data and samples",
        histograms(source, data, samples),
        f"In the units of the data: test events filled, samples as a line.{more}",
    )
    if count > 1:
        more = "" if count <= PAIRED else f" The first {PAIRED} of {count} columns."
        yield as_picture(
            "pairs",
            "Columns against one another",
            pairs(source, data, samples),
            f"Below the diagonal test events, above it samples, on the same axes and in the units of the data.{more}",
        )
        yield as_picture(
            "correlations",
            "How columns hang together",
            correlations(source, data, samples),
            "Correlations of test events on the left, of samples on the right; they should look the same.",
        )


def quantiles(source: AbstractSource, data: State, samples: State) -> HtmlTable:
    """Of every column of numbers, in the user's units; and what differs most."""
    (names, events), (_, drawn) = (number_columns(source, xs) for xs in (data, samples))
    rows = []
    for name, column, made in zip(names, *map(present, (events, drawn)), strict=True):
        if not (len(column) and len(made)):
            continue
        both = zip(np.quantile(column, QUANTILES), np.quantile(made, QUANTILES), strict=True)
        rows.append((name, *(f"{value:.4g}" for pair in both for value in pair)))
    header = [f"{100 * share:g} %{side}" for share in QUANTILES for side in (", data", ", samples")]
    return HtmlTable(
        "Columns of data and of samples, in the units of the data",
        ("", *header),
        tuple(rows),
        _differences(names, events, drawn),
        False,
    )


def present(events: np.ndarray) -> list[np.ndarray]:
    """The numbers that are there, column by column, of events (N, columns)."""
    return [column[~np.isnan(column)] for column in events.T]


def _differences(names: Sequence[str], data: np.ndarray, samples: np.ndarray) -> str:
    """Where the distributions of single columns differ, by more than chance, and where pairs of them hang together otherwise."""
    pairs = [pair for pair in zip(present(data), present(samples), strict=True) if all(map(len, pair))]
    if len(pairs) < len(names):
        return f"Data are {len(data)} events of the split that is compared, samples are {len(samples)}."
    tests = [ks_2samp(column, made) for column, made in pairs]
    worst = max(range(len(names)), key=lambda k: tests[k].statistic)
    said = f"Data are {len(data)} events of the split that is compared, samples are {len(samples)}."
    far = sum(test.pvalue * len(names) < UNLIKELY for test in tests)
    if far:
        said += f" {far} of {len(names)} columns differ by more than chance, most of all {names[worst]!r}: the shares of events"
        said += f" below some value differ by {tests[worst].statistic:.2f}."
    if len(names) > 1:
        gap = np.abs(correlation(data) - correlation(samples))
        first, second = (int(place) for place in np.unravel_index(np.argmax(gap), gap.shape))
        said += f" Correlations differ most between {names[first]!r} and {names[second]!r}, by {gap[first, second]:.2f}."
    return said
