"""Laws of data sources."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._data.conversion import units_of
from quasistatic._data.source import (
    SPLITS,
    AbstractBaselines,
    AbstractDrawing,
    AbstractJudge,
    AbstractSource,
    capability,
)
from quasistatic._process.distribution import Key, State
from quasistatic._process.event import Levels, Real
from quasistatic._process.numerics import nearest
from quasistatic._process.tree import Layout, count_of, take
from quasistatic._training.rows import Batches
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults, not_measured, statistical, worst
from quasistatic.testing._setting import Setting, types_of
from quasistatic.testing._tools.key_trace import key_faults
from quasistatic.testing._tools.statistics import flat, largest_of

# the held-out events whose neighbours are searched, and the numbers among which they are
COMPARED, SEARCHED = 1_000, 4_000_000
FEWEST = 20  # training events whose neighbours can be compared


def has(kind: type) -> Callable[[AbstractSource], bool]:
    return lambda source: capability(source, kind) is not None


def dense_parts(source: AbstractSource) -> list[str]:
    return [name for name, field in source.event.parts().items() if not field.is_discrete]


def _equal(a: Any, b: Any) -> bool:
    one, other = (jax.tree.leaves_with_path(tree) for tree in (a, b))
    return len(one) == len(other) and all(p == q and np.array_equal(x, y) for (p, x), (q, y) in zip(one, other, strict=True))


def _first(leaf: Any) -> np.ndarray:
    """The first of many, as kernels read it: a source may give real numbers with more digits."""
    first = np.asarray(np.asarray(leaf)[0])
    return first.astype(np.float32) if first.dtype == np.float64 else first


@law(
    "source",
    "splits",
    "Three splits of events and side information as declared, the same ones at every call, and a count takes the first of them.",
    unseen="Splits that differ from process to process.",
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
            found = None if tree is None else Layout.of(jax.tree.map(_first, tree))
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
    when=lambda source: source.stored() is not None and bool(dense_parts(source)),
    unseen="The same thing in other words: two photographs of one face, two windows of one record. Split by what they are of.",
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
    unseen="The same thing in other words, and events beyond the first thousand of a split.",
)
def copies(source: AbstractSource, setting: Setting) -> Reading:
    train = flat(source.split("train").x)
    if len(train) < FEWEST:
        return not_measured(f"{len(train)} training events are too few to have neighbours")
    train = train[: max(COMPARED, SEARCHED // train.shape[1])]
    numbers = np.unique(np.linspace(0, len(train) - 1, COMPARED).astype(int))
    among = nearest(train[numbers], train, numbers)[0]
    readings = []
    for name in SPLITS[1:]:
        held = nearest(flat(source.split(name).x)[:COMPARED], train)[0]
        # the shares within several distances; neighbours are neighbours of each other, so that there are half as many of them
        within = np.quantile(among, [0.01, 0.05, 0.25, 0.5])
        shares, usual = ((each[:, None] <= within).mean(axis=0) for each in (held, among))
        pooled = (len(held) * shares + len(among) * usual + 1.0) / (len(held) + len(among) + 2.0)
        error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / len(held) + 2.0 / len(among)))
        readings.append(statistical(largest_of(float(np.max((shares - usual) / error)), len(within)), f"the {name} split"))
    return worst(readings)


@law(
    "source",
    "support",
    "Every number is one that its field declares, in events and in side information.",
    unseen="Numbers that are possible and wrong.",
)
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
    unseen="Rows that change while a run lasts.",
)
def rows(source: AbstractSource, setting: Setting) -> Reading:
    stored = source.stored()
    assert stored is not None
    numbers = np.arange(6).reshape(2, 3)[:, ::-1] * 5 % len(stored)
    table, each = stored[numbers], [stored[np.asarray([number])] for number in numbers.ravel()]
    in_turn = jax.tree.map(lambda *leaves: np.concatenate(leaves), *each)
    shaped = jax.tree.map(lambda leaf: leaf.reshape(2, 3, *leaf.shape[1:]), in_turn)
    return faults([] if _equal(jax.tree.map(np.asarray, table), shaped) else ["rows of numbers (2, 3) are not those of each"])


def some_rows(source: AbstractSource, numbers: np.ndarray) -> Any:
    """Stored rows (N, ...) of these numbers, or None for a source that generates."""
    stored = source.stored()
    return None if stored is None else jax.tree.map(jnp.asarray, stored[numbers % len(stored)])


def draw_of(source: AbstractSource) -> Callable[[Any, Key], tuple[State, State | None]]:
    return lambda row, key: source.draw(row, key=key)


@law(
    "source",
    "draws",
    "A training event is a pure function of its row and its key, of the type of the splits, alone and under jit and vmap.",
    unseen="Augmentation that changes what an event is.",
)
def draws(source: AbstractSource, setting: Setting) -> Reading:
    rows, keys, draw = some_rows(source, np.arange(4)), setting.some_keys(70, 4), draw_of(source)
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
    found, wanted = (Layout.of(jax.tree.map(_first, tree)) for tree in (batched, (data.x, data.side)))
    if found != wanted:
        bad.append(f"draws {types_of(found.tree)}, splits hold {types_of(wanted.tree)}")
    elif not all(map(np.all, jax.tree.leaves(source.event.contains(batched[0])))):
        bad.append("numbers outside the support")
    return faults(bad)


def _close(a: Any, b: Any) -> bool:
    return all(np.allclose(one, two, atol=1e-5) for one, two in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _is_stuck(source: AbstractSource, setting: Setting) -> bool:
    """Whether many rows and many keys give one event."""
    rows, keys = some_rows(source, np.arange(64)), setting.some_keys(72, 64)
    return (rows is None or not _all_equal(rows)) and _all_equal(jax.jit(jax.vmap(draw_of(source)))(rows, keys))


def _all_equal(tree: Any) -> bool:
    return all(bool(np.all(np.asarray(leaf) == np.asarray(leaf[:1]))) for leaf in jax.tree.leaves(tree))


@law(
    "source",
    "ranks",
    "A batch drawn in parts, as the processes of one job draw it, is the batch drawn whole: event i is of row i and key i.",
    unseen="Jobs of more than four processes.",
)
def ranks(source: AbstractSource, setting: Setting) -> Reading:
    batch, draw = 12, jax.jit(jax.vmap(draw_of(source)))
    keys = setting.some_keys(71, batch)
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
    unseen="Parts that are small beside others and have mean square 1 together with them.",
)
def scale(source: AbstractSource, setting: Setting) -> Reading:
    x = source.split("train").x
    names = [name for name, field in source.event.parts().items() if isinstance(field, Real | Levels)]
    squares = {name: float(np.mean(np.asarray(source.event.part_of(x, name), np.float64) ** 2)) for name in names}
    part = max(squares, key=lambda name: abs(squares[name] - 1.0))
    return Reading(abs(squares[part] - 1.0), 0.1, "from 1 in mean square", part and f"the part {part}")


@law(
    "source",
    "units",
    "There and back between model and user units is the same event.",
    unseen="Units that are wrong by their name.",
)
def units(source: AbstractSource, setting: Setting) -> Reading:
    x, gaps = source.split("validation", 100).x, []
    for name, own in units_of(source).items():
        part = np.asarray(source.event.part_of(x, name), np.float64)
        gaps.append(np.max(np.abs(own.to_model(own.to_user(part)) - part)))
    return Reading(float(np.max(gaps)), 1e-6, "in a number")


def _are_numbers(found: Any) -> list[str]:
    """What is wrong with numbers by their names."""
    if not isinstance(found, dict) or not found:
        return [f"expected numbers by their names, got {found!r:.80}"]
    return [f"{name!r}: {value!r}" for name, value in found.items() if not (isinstance(name, str) and _is_number(value))]


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int | np.number) and math.isfinite(value)


@law(
    "source",
    "judge",
    "Measures of events are finite numbers by their names.",
    when=has(AbstractJudge),
    unseen="Whether the measure is the right one.",
)
def judge(source: AbstractSource, setting: Setting) -> Reading:
    own = capability(source, AbstractJudge)
    assert own is not None
    return faults(_are_numbers(own.judge(source.split("test", 100).x)))


@law(
    "source",
    "baselines",
    "Log-likelihoods of simple models are finite, one for each event.",
    when=has(AbstractBaselines),
    unseen="Whether the models are fitted on the training split alone.",
)
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


@law(
    "source",
    "drawing",
    "Events can be drawn on axes, a few and one alone.",
    when=has(AbstractDrawing),
    unseen="Whether the picture shows the events.",
)
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
