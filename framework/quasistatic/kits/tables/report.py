"""What a report has of a table beside all else: its columns, data beside samples, in the user's units."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.figures import PAIRED, PANELS, Columns, correlation, correlations, histograms, pairs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTILES = (0.05, 0.5, 0.95)
SAMPLES, FEW = 1000, 256  # samples beside the test events, and beside as few of these or fewer
UNLIKELY = 0.01  # chance that some column is named without a reason


class AbstractColumns(qs.pictures.AbstractReporting, qs.pictures.AbstractOverview):
    """A source whose events are rows, some columns of which are numbers: these are drawn, and compared with samples, in a report.

    To inherit from beside `qs.AbstractSource`.
    """

    @abstractmethod
    def number_columns(self, xs: Any) -> Mapping[str, np.ndarray]:
        """The numbers of events (N, ...) in the user's units by the names of their columns, (N,) each, nan where there is none."""

    def overview(self, xs: Any) -> Figure | None:
        """Every column of numbers; None where there is none."""
        columns = self.number_columns(xs)
        return histograms(columns) if columns else None

    def report(self, reported: qs.pictures.Reported) -> Iterator[qs.pictures.HtmlTable | qs.pictures.Picture]:
        """Quantiles, columns, pairs and correlations, of the events that a run is judged by and of samples."""
        run = reported.run
        xs = run.source.split(reported.split, run.recipe.evaluation.events).x
        data = self.number_columns(xs)
        if data:
            drawn = run.sample(SAMPLES if count_of(data) > FEW else FEW, seed=run.recipe.seed, model_units=True)
            samples = self.number_columns(drawn)
            yield from column_pictures(data, samples)
            yield quantiles(data, samples)


def count_of(columns: Columns) -> int:
    """How many rows there are."""
    return len(next(iter(columns.values())))


def column_pictures(data: Columns, samples: Columns) -> Iterator[qs.pictures.Picture]:
    """Of the columns of numbers, before all other pictures."""
    count = len(data)
    more = "" if count <= PANELS else f" The first {PANELS} of {count} columns."
    yield qs.pictures.as_picture(
        "columns",
        "Every column, data and samples",
        histograms(data, samples),
        f"In the units of the data: test events filled, samples as a line.{more}",
        is_first=True,
    )
    if count > 1:
        more = "" if count <= PAIRED else f" The first {PAIRED} of {count} columns."
        yield qs.pictures.as_picture(
            "pairs",
            "Columns against one another",
            pairs(data, samples),
            f"Below the diagonal test events, above it samples, on the same axes and in the units of the data.{more}",
            is_first=True,
        )
        yield qs.pictures.as_picture(
            "correlations",
            "How columns hang together",
            correlations(data, samples),
            "Correlations of test events on the left, of samples on the right; they should look the same.",
            is_first=True,
        )


def quantiles(data: Columns, samples: Columns) -> qs.pictures.HtmlTable:
    """Of every column of numbers, in the user's units; and what differs most."""
    names, events, drawn = list(data), *(np.stack(list(each.values()), axis=1) for each in (data, samples))
    rows = []
    for name, column, made in zip(names, *map(present, (events, drawn)), strict=True):
        if not (len(column) and len(made)):
            continue
        both = zip(np.quantile(column, QUANTILES), np.quantile(made, QUANTILES), strict=True)
        rows.append((name, *(f"{value:.4g}" for pair in both for value in pair)))
    header = [f"{100 * share:g} %{side}" for share in QUANTILES for side in (", data", ", samples")]
    return qs.pictures.HtmlTable(
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
    from scipy.stats import ks_2samp  # as slow to import as all else that a table needs

    pairs = [pair for pair in zip(present(data), present(samples), strict=True) if all(map(len, pair))]
    if len(pairs) < len(names):
        return f"Data are {len(data)} events of the split that is compared, samples are {len(samples)}."
    tests = [ks_2samp(column, made) for column, made in pairs]
    worst = max(range(len(names)), key=lambda k: tests[k].statistic)
    text = f"Data are {len(data)} events of the split that is compared, samples are {len(samples)}."
    far = sum(test.pvalue * len(names) < UNLIKELY for test in tests)
    if far:
        text += f" {far} of {len(names)} columns differ by more than chance, most of all {names[worst]!r}: the shares of events"
        text += f" below some value differ by {tests[worst].statistic:.2f}."
    if len(names) > 1:
        gap = np.abs(correlation(data) - correlation(samples))
        first, second = (int(place) for place in np.unravel_index(np.argmax(gap), gap.shape))
        text += f" Correlations differ most between {names[first]!r} and {names[second]!r}, by {gap[first, second]:.2f}."
    return text
