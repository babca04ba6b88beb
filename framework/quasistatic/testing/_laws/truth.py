"""Laws of the true probabilities of a source."""

from __future__ import annotations

import math

import jax
import numpy as np
from scipy.special import expit

from quasistatic._data.source import AbstractSource, AbstractTruth, capability
from quasistatic._process.distribution import State
from quasistatic._process.event import AbstractEvent, AbstractField, Binary, Categorical, Levels
from quasistatic._process.tree import count_of, take
from quasistatic.testing._law import law
from quasistatic.testing._laws.sources import dense_parts, draw_of, has
from quasistatic.testing._reading import Reading, not_measured, statistical, worst
from quasistatic.testing._setting import Setting
from quasistatic.testing._tools.statistics import are_flat, are_symbols, flat, inside, lows_of, scores

# events whose mirror images are looked at, and the elements of each part that are mirrored
EVENTS, MIRRORED = 2_000, 6
# the most states over which a true probability is summed, and the points a side of a density's grid in one and two dimensions,
# for an event of one part and of several
STATES, POINTS, FEWER_POINTS = 4_096, {1: 4_000, 2: 200}, {1: 200, 2: 64}
FEWER = "events lie on a set of fewer dimensions than they have numbers: of which volume this is a density is not known"


@law(
    "source",
    "true-log-prob",
    "The true probabilities sum to one, integrated over up to two real numbers a part, and are finite on the data.",
    when=has(AbstractTruth),
    unseen="The sum over all events, where these are too many; data on a set of fewer dimensions.",
)
def true_log_prob(source: AbstractSource, setting: Setting) -> Reading:
    truth, x = capability(source, AbstractTruth), source.split("validation").x
    assert truth is not None
    on_data = np.asarray(truth.log_prob(x))
    if on_data.shape != (count_of(x),) or not np.all(np.isfinite(on_data)):
        return Reading(math.nan, 0.0, "log-probabilities", "the validation split: not finite, or not one for each event")
    event = source.event
    if are_flat(flat(x)):
        return not_measured(FEWER)
    fields = event.parts()
    found = {name: _points(field, np.asarray(event.part_of(x, name)), len(fields) > 1) for name, field in fields.items()}
    known = {name: each for name, each in found.items() if each is not None}
    if len(known) == len(fields):
        numbers = np.indices([len(points) for points, _ in known.values()]).reshape(len(known), -1)
        events = {name: points[index] for (name, (points, _)), index in zip(known.items(), numbers, strict=True)}
        cell = math.prod(cell for _, cell in known.values())
        total = float(np.exp(truth.log_prob(event.build(events))).sum()) * cell
        return Reading(abs(total - 1.0), 0.01 if dense_parts(source) else 1e-5, "from 1 in total probability")
    if dense_parts(source):
        return _importance(event, truth, _events(source, setting))
    _, first = np.unique(flat(x), axis=0, return_index=True)
    excess = float(np.exp(truth.log_prob(take(x, first))).sum()) - 1.0
    above = Reading(max(0.0, excess), 1e-5, "above 1 in probability of the events seen")
    return worst([above, not_measured("the sum over all events: there are too many")])


@law(
    "source",
    "true-draws",
    "The data are draws of the true probabilities p: with x' the mirror image of an event in one number, bit or pair of symbols, "
    "the mean of p(x') / (p(x) + p(x')) times the change is 0, and so it is times any other number of the event.",
    "Barker 1965 (the weights); Gorham & Mackey 2015 (a mean that vanishes under p alone)",
    when=has(AbstractTruth),
    unseen="A fault that only a change of several parts at once shows; data on a set of fewer dimensions.",
)
def true_draws(source: AbstractSource, setting: Setting) -> Reading:
    truth, x = capability(source, AbstractTruth), _events(source, setting)
    assert truth is not None
    if are_flat(flat(x)):
        return not_measured(FEWER)
    event, log_probs, rows = source.event, np.asarray(truth.log_prob(x), np.float64), flat(x)
    centred = rows - rows.mean(axis=0)
    readings = []
    for name, field in event.parts().items():
        part = np.asarray(event.part_of(x, name))
        elements = part.reshape(len(part), -1)
        for element in np.unique(np.linspace(0, elements.shape[1] - 1, MIRRORED).astype(int)):
            for image in _images(field, elements[:, element]):
                moved = elements.copy()
                moved[:, element] = image
                other = event.build({**{each: event.part_of(x, each) for each in event.parts()}, name: moved.reshape(part.shape)})
                possible = _are_inside(event, other)
                # outside of its support a density may give any number
                with np.errstate(all="ignore"):
                    log_ratio = np.where(possible, np.asarray(truth.log_prob(other), np.float64) - log_probs, -np.inf)
                where, weights = f"{name} element {element}".strip(), expit(log_ratio)
                if not np.any(weights > 1e-9):
                    readings.append(not_measured(f"{where}: the mirror images of events are impossible"))
                    continue
                change = elements[:, element].astype(np.float64) - image
                # what the image has too: the other numbers, and the distance from the mirror
                kept = np.where(np.all(rows == flat(other), axis=0), centred, np.abs(change)[:, None])
                terms = (weights * change)[:, None] * np.concatenate([np.ones((len(rows), 1)), kept], axis=1)
                readings.append(statistical(scores(terms, np.zeros(terms.shape[1])), where))
    return worst(readings)


def _events(source: AbstractSource, setting: Setting) -> State:
    """Training events (N, ...): those that are stored, or ones that are drawn."""
    count = EVENTS * setting.draws_factor
    if source.stored() is not None:
        return source.split("train", count).x
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(draw_of(source), (None, 0)))(None, setting.some_keys(73, count))[0])


def _importance(event: AbstractEvent, truth: AbstractTruth, x: State) -> Reading:
    """The mean of g / p over the data, for a g about one of them."""
    rows, log_probs = flat(x), np.asarray(truth.log_prob(x), np.float64)
    fitted, read = rows[::2], rows[1::2]
    # some of them, about one in the middle: as one normal distribution nearly
    scaled = (fitted - np.median(fitted, axis=0)) / (fitted.std(axis=0) + 1e-12)
    middle = scaled[np.argmin(np.sum(scaled**2, axis=1))]
    near = fitted[np.argsort(np.sum((scaled - middle) ** 2, axis=1))[: len(fitted) // 4]]
    return statistical(inside(near, read, log_probs[1::2], are_symbols(rows), lows_of(event)), "the mean of g / p over the data")


def _images(field: AbstractField, x: np.ndarray) -> list[np.ndarray]:
    """Mirror images of the values (N,) of an element, each of which is its own inverse and keeps volumes."""
    if isinstance(field, Categorical):
        return [np.where(x == a, a + 1, np.where(x == a + 1, a, x)) for a in range(min(field.categories - 1, 3))]
    if isinstance(field, Binary):
        return [1 - x]
    middles = np.unique(np.quantile(x, [0.1, 0.3, 0.5, 0.7, 0.9]))
    if isinstance(field, Levels):
        middles = field.low + field.spacing * np.round((middles - field.low) / field.spacing)
    elif field.is_discrete:
        middles = np.round(middles)
    return [(2.0 * middle - x).astype(x.dtype) for middle in middles]


def _are_inside(event: AbstractEvent, x: State) -> np.ndarray:
    """Whether all numbers of each event are possible, (N,)."""
    found = [np.asarray(leaf) for leaf in jax.tree.leaves(event.contains(x))]
    return np.all([leaf.reshape(len(leaf), -1).all(axis=1) for leaf in found], axis=0)


def _points(field: AbstractField, x: np.ndarray, several: bool) -> tuple[np.ndarray, float] | None:
    """All values of a field, or points of a grid and the size of a cell around each; None where they are too many."""
    axes: list[np.ndarray] = []
    if isinstance(field, Binary | Categorical | Levels):
        values = np.linspace(field.low, field.high, field.levels) if isinstance(field, Levels) else None
        values = np.arange(getattr(field, "categories", 2)) if values is None else values
        axes = [values] * field.size if len(values) ** field.size <= STATES else []
    elif not field.is_discrete and field.size in POINTS:
        count = (FEWER_POINTS if several else POINTS)[field.size]
        columns = x.reshape(len(x), -1).T
        # a little more than the data show, but for bounds
        low, high = getattr(field, "low", None), getattr(field, "high", None)
        lows = [float(column.min()) - 0.75 if low is None else low for column in columns]
        highs = [float(column.max()) + 0.75 if high is None else high for column in columns]
        axes = [low + (high - low) * (np.arange(count) + 0.5) / count for low, high in zip(lows, highs, strict=True)]
    if not axes:
        return None
    cell = 1.0 if field.is_discrete else math.prod(float(axis[1] - axis[0]) for axis in axes)
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, *field.shape).astype(x.dtype), cell
