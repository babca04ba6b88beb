"""Simple models of rows of a table, to read K against: fitted to training rows, their sizes chosen on validation rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.densities import simple_models
from quasistatic.kits.tables.layout import NUMBERS, Layout
from quasistatic.kits.tables.mixture import Flat, best_mixture


def baselines(
    layout: Layout,
    event: qs.Fields,
    train: Mapping[str, np.ndarray],
    validation: Mapping[str, np.ndarray],
    xs: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Log-probabilities in nats (N,) of events `xs` in model units, a density of numbers that are not on a lattice, by model:
    independent columns, each a mixture; a mixture of parts in which columns are independent; and, of rows of numbers alone
    that are always there, a Gaussian, a kernel density and a mixture of full Gaussians.
    """
    known, held, rows = (flat(layout, event, each) for each in (train, validation, xs))
    columns = zip(known.alone(), held.alone(), rows.alone(), strict=True)
    alone = sum(best_mixture(one, two).log_prob(three) for one, two, three in columns)
    mixture = best_mixture(known, held)
    found = {"independent columns": np.asarray(alone), f"mixture of {len(mixture.weights)} parts": mixture.log_prob(rows)}
    if list(event) == [NUMBERS] and isinstance(event[NUMBERS], qs.Real) and len(held):
        found |= simple_models(*(np.asarray(each[NUMBERS], np.float64) for each in (train, validation, xs)))
    return found


def flat(layout: Layout, event: qs.Fields, xs: Mapping[str, np.ndarray]) -> Flat:
    """Events (N, ...) in model units as columns, with nan for numbers that do not exist."""
    count = len(next(iter(xs.values())))
    numbers, widths, ends = np.empty((count, 0)), np.empty(0), np.empty((2, 0))
    if NUMBERS in event:
        field = event[NUMBERS]
        numbers = np.array(xs[NUMBERS], np.float64)
        for slot in layout.part(NUMBERS):
            state = layout.state_of(slot.column)
            if state is not None:
                numbers[np.asarray(xs[state.part])[:, state.place] != 0, slot.place] = np.nan
        spacings = field.spacings if isinstance(field, qs.Measured) else (0.0,) * field.size
        lows = field.lows if isinstance(field, qs.Measured) else (None,) * field.size
        highs = field.highs if isinstance(field, qs.Measured) else (None,) * field.size
        widths = np.array(spacings)
        ends = np.array([[-np.inf if low is None else low for low in lows], [np.inf if high is None else high for high in highs]])
    states = [(name, field) for name, field in event.parts().items() if name != NUMBERS]
    codes = [np.asarray(xs[name]).astype(int) for name, _ in states]
    categories = tuple(getattr(field, "categories", 2) for _, field in states for _ in range(field.size))
    return Flat(numbers, widths, ends, np.concatenate([np.empty((count, 0), int), *codes], axis=1), categories)
