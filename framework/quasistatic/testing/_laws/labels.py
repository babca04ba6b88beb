"""The law of side information: that it belongs to its event in every split."""

from __future__ import annotations

import jax
import numpy as np

from quasistatic._data.source import SPLITS, AbstractSource
from quasistatic._process.distribution import State
from quasistatic._process.numerics import nearest
from quasistatic.testing._law import law
from quasistatic.testing._laws.sources import draw_of, some_rows
from quasistatic.testing._reading import Reading, faults, not_measured
from quasistatic.testing._setting import Setting
from quasistatic.testing._tools.statistics import are_symbols, flat

# events that are compared of each split; how many standard errors half of what neighbours tell in training must be to miss it,
# and below how many nothing is measured
COMPARED, CLEAR, NOTHING = 2_000, 4.0, 2.5
# training events at least, and held-out ones whose value is not the usual one, for less of which nothing is compared
ENOUGH, RARE = 100, 25


@law(
    "source",
    "labels",
    "Side information belongs to its event: where in training the nearest other event tells something of it, the nearest training "
    "event does of those that are held out, and of those that are drawn.",
    "Cover & Hart 1967",
    when=lambda source: source.side is not None,
    once=True,
    unseen="Side information of which the nearest event tells little, and labels that are mixed up for a few events.",
)
def labels(source: AbstractSource, setting: Setting) -> Reading:
    data = source.split("train", COMPARED)
    xs, sides = flat(data.x), flat(data.side)
    near, others = nearest(xs, xs, np.arange(len(xs)))
    own, own_error = _explained(sides[others], sides)
    if np.all(own < CLEAR * own_error):
        return not_measured("the nearest event tells nothing of side information")
    splits = {f"the {name} split": source.split(name, COMPARED) for name in SPLITS[1:]}
    found = {name: (split.x, split.side) for name, split in splits.items()}
    found["training draws"] = _drawn(source, setting)
    bad = []
    for name, (x, side) in found.items():
        distance, beside = nearest(flat(x), xs)
        # training events that overlap, as windows of one picture do, know more of each other than of what is held out
        is_as_far = near >= np.median(distance)
        if is_as_far.sum() < ENOUGH:
            continue
        own, own_error = _explained(sides[others[is_as_far]], sides[is_as_far])
        explained, error = _explained(sides[beside], flat(side))
        # half of what is given in training would be seen for certain, and there is nothing
        lost = (0.5 * own > CLEAR * np.maximum(error, own_error)) & (explained < NOTHING * error) & _are_varied(flat(side))
        bad += [f"{name}: number {number} of side information" for number in np.flatnonzero(lost)]
    return faults(bad, "of side information that does not belong to its events")


def _explained(guessed: np.ndarray, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much guesses (N, size) tell of side information, 0 for nothing and 1 for all, and its standard error, (size,)."""
    symbols = are_symbols(sides)
    same = (guessed == sides) - np.mean([np.roll(guessed, shift, axis=0) == sides for shift in range(1, 8)], axis=(0, 1))
    away, mean = sides - sides.mean(axis=0), guessed.mean(axis=0)
    product = away * (guessed - mean) / np.maximum(sides.var(axis=0), 1e-12)
    terms = np.where(symbols, same, product)
    return terms.mean(axis=0), terms.std(axis=0) / len(sides) ** 0.5 + 1e-9


def _are_varied(sides: np.ndarray) -> np.ndarray:
    """Whether enough events have another value than the most frequent one, (size,)."""
    usual = [np.unique(column, return_counts=True)[1].max() for column in sides.T]
    return len(sides) - np.array(usual) >= RARE


def _drawn(source: AbstractSource, setting: Setting) -> tuple[State, State]:
    rows, keys = some_rows(source, np.arange(COMPARED)), setting.some_keys(75, COMPARED)
    x, side = jax.jit(jax.vmap(draw_of(source)))(rows, keys)
    return x, side
