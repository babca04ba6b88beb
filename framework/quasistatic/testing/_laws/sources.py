"""Laws of data sources."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.special import expit

from quasistatic._data.source import (
    SPLITS,
    AbstractBaselines,
    AbstractDrawing,
    AbstractJudge,
    AbstractReading,
    AbstractSource,
    AbstractTruth,
    capability,
    units_of,
)
from quasistatic._process.distribution import Key, State
from quasistatic._process.event import AbstractEvent, AbstractField, Binary, Categorical, Levels, Real
from quasistatic._process.tree import Layout, count_of, take
from quasistatic._training.rows import Batches
from quasistatic.errors import DataError
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults, not_measured, statistical, worst
from quasistatic.testing._setting import Setting, types_of
from quasistatic.testing._tools.key_trace import key_faults
from quasistatic.testing._tools.statistics import are_symbols, flat, inside, largest_of, scores

# events whose mirror images are looked at, the elements of each part that are mirrored, the held-out events whose neighbours are
# searched, and the numbers among which they are
EVENTS, MIRRORED, COMPARED, SEARCHED = 2_000, 6, 1_000, 4_000_000
FEWEST = 20  # training events whose neighbours can be compared
# the most states over which a true probability is summed, and the points a side of a density's grid in one and two dimensions,
# for an event of one part and of several
STATES, POINTS, FEWER_POINTS = 4_096, {1: 4_000, 2: 200}, {1: 200, 2: 64}


def _has(kind: type) -> Callable[[AbstractSource], bool]:
    return lambda source: capability(source, kind) is not None


def _dense_parts(source: AbstractSource) -> list[str]:
    return [name for name, field in source.event.parts().items() if not field.is_discrete]


def _equal(a: Any, b: Any) -> bool:
    one, other = (jax.tree.leaves_with_path(tree) for tree in (a, b))
    return len(one) == len(other) and all(p == q and np.array_equal(x, y) for (p, x), (q, y) in zip(one, other, strict=True))


@law(
    "source",
    "splits",
    "Three splits of events and side information as declared, the same ones at every call, and a count takes the first of them.",
)
def splits(source: AbstractSource, setting: Setting) -> Reading:
    bad = []
    for name in SPLITS:
        data, again, first = source.split(name), source.split(name), source.split(name, 3)
        for part, tree, event in (("events", data.x, source.event), ("side information", data.side, source.side)):
            if event is None:
                bad += [] if tree is None else [f"{name}: side information that is not declared"]
                continue
            wanted = Layout.of(event.structs)
            found = None if tree is None else Layout.of(jax.tree.map(lambda leaf: np.asarray(leaf)[0], tree))
            if found != wanted:
                bad.append(f"{name}: {part} {found and types_of(found.tree)}, declared {types_of(wanted.tree)}")
        if not _equal((data.x, data.side), (again.x, again.side)):
            bad.append(f"{name}: not the same events again")
        elif not _equal((first.x, first.side), take((data.x, data.side), slice(3))):
            bad.append(f"{name}: a count of 3 does not give the first 3")
    return faults(bad)


@law(
    "source",
    "disjoint",
    "No stored event with real numbers is in two splits: what is held out is held out.",
    when=lambda source: source.stored() is not None and bool(_dense_parts(source)),
)
def disjoint(source: AbstractSource, setting: Setting) -> Reading:
    seen: dict[bytes, str] = {}
    shared = 0
    for name in SPLITS:
        rows = {row.tobytes() for row in flat(source.split(name).x)}
        shared += sum(row in seen for row in rows)
        seen.update(dict.fromkeys(rows, name))
    return Reading(float(shared), 0.0, "events in two splits")


@law(
    "source",
    "copies",
    "What is held out is no nearer to a training event than training events are to each other: no copy, exact or nearly so, of any "
    "kind of event.",
    when=lambda source: source.stored() is not None,
    once=True,
)
def copies(source: AbstractSource, setting: Setting) -> Reading:
    train = flat(source.split("train").x)
    if len(train) < FEWEST:
        return not_measured(f"{len(train)} training events are too few to have neighbours")
    train = train[: max(COMPARED, SEARCHED // train.shape[1])]
    numbers = np.unique(np.linspace(0, len(train) - 1, COMPARED).astype(int))
    among = _nearest(train[numbers], train, numbers)
    readings = []
    for name in SPLITS[1:]:
        held = _nearest(flat(source.split(name).x)[:COMPARED], train)
        # the shares within several distances; neighbours are neighbours of each other, so that there are half as many of them
        within = np.quantile(among, [0.01, 0.05, 0.25, 0.5])
        shares, usual = ((each[:, None] <= within).mean(axis=0) for each in (held, among))
        pooled = (len(held) * shares + len(among) * usual + 1.0) / (len(held) + len(among) + 2.0)
        error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / len(held) + 2.0 / len(among)))
        readings.append(statistical(largest_of(float(np.max((shares - usual) / error)), len(within)), f"the {name} split"))
    return worst(readings)


def _nearest(rows: np.ndarray, others: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """Distances of rows (N, size) to the nearest of others (M, size), but for the one that it is itself."""
    squares = np.sum(rows**2, axis=1)[:, None] + np.sum(others**2, axis=1) - 2.0 * rows @ others.T
    if own is not None:
        squares[np.arange(len(rows)), own] = np.inf
    return np.sqrt(np.maximum(np.min(squares, axis=1), 0.0))


@law("source", "support", "Every number is one that its field declares, in events and in side information.")
def support(source: AbstractSource, setting: Setting) -> Reading:
    outside = 0
    for name in SPLITS:
        data = source.split(name)
        for event, tree in ((source.event, data.x), (source.side, data.side)):
            if event is not None and tree is not None:
                outside += sum(int(np.sum(~inside)) for inside in jax.tree.leaves(event.contains(tree)))
    return Reading(float(outside), 0.0, "numbers outside the support")


@law(
    "source",
    "rows",
    "Stored rows have a length, and row numbers of any shape give rows of this shape, the same ones in any order.",
    when=lambda source: source.stored() is not None,
)
def rows(source: AbstractSource, setting: Setting) -> Reading:
    stored = source.stored()
    assert stored is not None
    numbers = np.arange(6).reshape(2, 3)[:, ::-1] * 5 % len(stored)
    table, each = stored[numbers], [stored[np.asarray([number])] for number in numbers.ravel()]
    in_turn = jax.tree.map(lambda *leaves: np.concatenate(leaves), *each)
    shaped = jax.tree.map(lambda leaf: leaf.reshape(2, 3, *leaf.shape[1:]), in_turn)
    return faults([] if _equal(jax.tree.map(np.asarray, table), shaped) else ["rows of numbers (2, 3) are not those of each"])


def _some_rows(source: AbstractSource, numbers: np.ndarray) -> Any:
    """Stored rows (N, ...) of these numbers, or None for a source that generates."""
    stored = source.stored()
    return None if stored is None else jax.tree.map(jnp.asarray, stored[numbers % len(stored)])


def _draw(source: AbstractSource) -> Callable[[Any, Key], tuple[State, State | None]]:
    return lambda row, key: source.draw(row, key=key)


@law(
    "source",
    "draws",
    "A training event is a pure function of its row and its key, of the type of the splits, alone and under jit and vmap.",
)
def draws(source: AbstractSource, setting: Setting) -> Reading:
    rows, keys, draw = _some_rows(source, np.arange(4)), jr.split(setting.key(70), 4), _draw(source)
    batched = jax.jit(jax.vmap(draw))(rows, keys)
    bad = []
    for number in range(4):
        row = take(rows, number)
        alone = draw(row, keys[number])
        if not _close(alone, draw(row, keys[number])):
            bad.append("the same key gives two events")
        if not _close(alone, take(batched, number)):
            bad.append("another event under jit and vmap")
    bad += key_faults(lambda key: draw(take(rows, 0), key), setting.key(0))
    if _is_stuck(source, setting):
        bad.append("64 keys, and as many rows, give one event")
    data = source.split("train", 4)
    found, wanted = (Layout.of(take(tree, 0)) for tree in (batched, (data.x, data.side)))
    if found != wanted:
        bad.append(f"draws {types_of(found.tree)}, splits hold {types_of(wanted.tree)}")
    elif not all(map(np.all, jax.tree.leaves(source.event.contains(batched[0])))):
        bad.append("numbers outside the support")
    return faults(bad)


def _close(a: Any, b: Any) -> bool:
    return all(np.allclose(one, two, atol=1e-5) for one, two in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _is_stuck(source: AbstractSource, setting: Setting) -> bool:
    """Whether many rows and many keys give one event."""
    rows, keys = _some_rows(source, np.arange(64)), jr.split(setting.key(72), 64)
    return (rows is None or not _all_equal(rows)) and _all_equal(jax.jit(jax.vmap(_draw(source)))(rows, keys))


def _all_equal(tree: Any) -> bool:
    return all(bool(np.all(np.asarray(leaf) == np.asarray(leaf[:1]))) for leaf in jax.tree.leaves(tree))


@law(
    "source",
    "ranks",
    "A batch drawn in parts, as the processes of one job draw it, is the batch drawn whole: event i is of row i and key i.",
)
def ranks(source: AbstractSource, setting: Setting) -> Reading:
    batch, draw = 12, jax.jit(jax.vmap(_draw(source)))
    keys = jr.split(setting.key(71), batch)
    with Batches(source.stored(), batch, 1, setting.seed % 1_000) as batches:
        rows = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batches.chunk(0))
    whole, gaps = draw(rows, keys), []
    for first, last in ((0, 6), (6, 12), (3, 6)):
        part = draw(take(rows, slice(first, last)), keys[first:last])
        same = jax.tree.map(lambda one, other: jnp.max(jnp.abs(one - other)), part, take(whole, slice(first, last)))
        gaps += jax.tree.leaves(same)
    return Reading(float(np.max(gaps)), 1e-5, "in a number")


@law(
    "source",
    "scale",
    "Real data have mean square 1 in model units, so that they match a unit normal equilibrium.",
    when=lambda source: any(isinstance(field, Real | Levels) for field in source.event.parts().values()),
)
def scale(source: AbstractSource, setting: Setting) -> Reading:
    x = source.split("train").x
    names = [name for name, field in source.event.parts().items() if isinstance(field, Real | Levels)]
    squares = {name: float(np.mean(np.asarray(source.event.part_of(x, name), np.float64) ** 2)) for name in names}
    part = max(squares, key=lambda name: abs(squares[name] - 1.0))
    return Reading(abs(squares[part] - 1.0), 0.1, "from 1 in mean square", part and f"the part {part}")


@law("source", "units", "There and back between model and user units is the same event.")
def units(source: AbstractSource, setting: Setting) -> Reading:
    x, gaps = source.split("validation", 100).x, []
    for name, own in units_of(source).items():
        part = np.asarray(source.event.part_of(x, name), np.float64)
        gaps.append(np.max(np.abs(own.to_model(own.to_user(part)) - part)))
    return Reading(float(np.max(gaps)), 1e-6, "in a number")


@law(
    "source",
    "true-log-prob",
    "The true probabilities sum to one, integrated over up to two real numbers a part, and are finite on the data.",
    when=_has(AbstractTruth),
)
def true_log_prob(source: AbstractSource, setting: Setting) -> Reading:
    truth, x = capability(source, AbstractTruth), source.split("validation").x
    assert truth is not None
    on_data = np.asarray(truth.log_prob(x))
    if on_data.shape != (count_of(x),) or not np.all(np.isfinite(on_data)):
        return Reading(math.nan, 0.0, "log-probabilities", "the validation split: not finite, or not one for each event")
    event = source.event
    fields = event.parts()
    found = {name: _points(field, np.asarray(event.part_of(x, name)), len(fields) > 1) for name, field in fields.items()}
    known = {name: each for name, each in found.items() if each is not None}
    if len(known) == len(fields):
        numbers = np.indices([len(points) for points, _ in known.values()]).reshape(len(known), -1)
        events = {name: points[index] for (name, (points, _)), index in zip(known.items(), numbers, strict=True)}
        cell = math.prod(cell for _, cell in known.values())
        total = float(np.exp(truth.log_prob(event.build(events))).sum()) * cell
        return Reading(abs(total - 1.0), 0.01 if _dense_parts(source) else 1e-5, "from 1 in total probability")
    if _dense_parts(source):
        return _importance(truth, _events(source, setting))
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
    when=_has(AbstractTruth),
)
def true_draws(source: AbstractSource, setting: Setting) -> Reading:
    truth, x = capability(source, AbstractTruth), _events(source, setting)
    assert truth is not None
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
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(_draw(source), (None, 0)))(None, jr.split(setting.key(73), count))[0])


def _importance(truth: AbstractTruth, x: State) -> Reading:
    """The mean of g / p over the data, for a g about one of them."""
    rows, log_probs = flat(x), np.asarray(truth.log_prob(x), np.float64)
    fitted, read = rows[::2], rows[1::2]
    # some of them, about one in the middle: as one normal distribution nearly
    scaled = (fitted - np.median(fitted, axis=0)) / (fitted.std(axis=0) + 1e-12)
    middle = scaled[np.argmin(np.sum(scaled**2, axis=1))]
    near = fitted[np.argsort(np.sum((scaled - middle) ** 2, axis=1))[: len(fitted) // 4]]
    return statistical(inside(near, read, log_probs[1::2], are_symbols(rows)), "the mean of g / p over the data")


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


def _are_numbers(found: Any) -> list[str]:
    """What is wrong with numbers by their names."""
    if not isinstance(found, dict) or not found:
        return [f"expected numbers by their names, got {found!r:.80}"]
    return [f"{name!r}: {value!r}" for name, value in found.items() if not (isinstance(name, str) and _is_number(value))]


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int | np.number) and math.isfinite(value)


@law("source", "judge", "Measures of events are finite numbers by their names.", when=_has(AbstractJudge))
def judge(source: AbstractSource, setting: Setting) -> Reading:
    own = capability(source, AbstractJudge)
    assert own is not None
    return faults(_are_numbers(own.judge(source.split("test", 100).x)))


@law("source", "baselines", "Log-likelihoods of simple models are finite, one for each event.", when=_has(AbstractBaselines))
def baselines(source: AbstractSource, setting: Setting) -> Reading:
    own, xs = capability(source, AbstractBaselines), source.split("test", 100).x
    assert own is not None
    found = own.baselines(xs)
    if not isinstance(found, dict) or not found:
        return faults([f"expected arrays by their names, got {found!r:.80}"])
    shape = (count_of(xs),)
    return faults([f"{name!r}: {value!r:.80}" for name, value in found.items() if not _are_finite(value, shape)])


def _are_finite(values: Any, shape: tuple[int, ...]) -> bool:
    return np.shape(values) == shape and bool(np.all(np.isfinite(values)))


@law("source", "drawing", "Events can be drawn on axes, a few and one alone.", when=_has(AbstractDrawing))
def drawing(source: AbstractSource, setting: Setting) -> Reading:
    from matplotlib.figure import Figure

    own, bad = capability(source, AbstractDrawing), []
    assert own is not None
    for count in (9, 1):
        axes = Figure().add_subplot()
        empty = len(axes.get_children())
        own.render(source.split("test", count).x, axes)
        if len(axes.get_children()) == empty:
            bad.append(f"{count} events leave the axes empty")
    return faults(bad)


@law("source", "reading", "A file that is not there, or that is empty, is refused with a DataError.", when=_has(AbstractReading))
def reading(source: AbstractSource, setting: Setting) -> Reading:
    own, bad = capability(source, AbstractReading), []
    assert own is not None
    with tempfile.TemporaryDirectory(prefix="quasistatic-laws-") as folder:
        empty = Path(folder) / "empty.csv"
        empty.touch()
        for path in (empty, empty.with_name("missing.csv")):
            try:
                own.read_events(path)
            except DataError:
                continue
            except Exception as error:
                bad.append(f"{path.name}: {type(error).__name__}")
            else:
                bad.append(f"{path.name}: accepted")
    return faults(bad)
