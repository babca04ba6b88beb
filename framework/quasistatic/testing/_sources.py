"""Laws of data sources."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._rows import Rows
from quasistatic._source import SPLITS, AbstractSource
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, faults
from quasistatic.testing._setting import Setting
from quasistatic.testing._support import inside

# the most states over which a true probability is summed, and the points a side of a density's grid in one and two dimensions
STATES, POINTS = 4_096, {1: 4_000, 2: 200}


def splits(source: AbstractSource, setting: Setting) -> Reading:
    """Three splits of events of the declared shape and side information, the same ones at every call."""
    bad = []
    for name in SPLITS:
        data, again = source.split(name), source.split(name)
        if len(data) == 0 or data.x.shape[1:] != source.event.shape:
            bad.append(f"{name}: {data.x.shape}, expected events of {source.event.shape}")
        if not np.array_equal(data.x, again.x):
            bad.append(f"{name}: not the same events again")
        given = () if data.given is None else data.given.shape
        if given != ((len(data), source.event.given) if source.event.given else ()):
            bad.append(f"{name}: side information of shape {given}, declared {source.event.given} figures")
    return faults(bad)


def disjoint(source: AbstractSource, setting: Setting) -> Reading:
    """No stored real event is in two splits: held-out figures are held out."""
    seen: dict[bytes, str] = {}
    shared = 0
    for name in SPLITS:
        rows = {np.ascontiguousarray(x).tobytes() for x in source.split(name).x}
        shared += sum(row in seen for row in rows)
        seen.update(dict.fromkeys(rows, name))
    return Reading(float(shared), 0.0, "events in two splits")


def support(source: AbstractSource, setting: Setting) -> Reading:
    """Every figure is one that the event declares."""
    outside = sum(int(np.sum(~inside(source.split(name).x, source.event))) for name in SPLITS)
    return Reading(float(outside), 0.0, "figures outside the support")


def draws(source: AbstractSource, setting: Setting) -> Reading:
    """A training event is a pure function of its row and its key, of the type of the splits, alone and under jit and vmap."""
    stored, data = source.stored(), source.split("train")
    rows = None if stored is None else jax.tree.map(lambda leaf: jnp.asarray(leaf[:4]), stored)
    keys = jr.split(setting.key(70), 4)
    batched = jax.jit(jax.vmap(source.draw))(rows, keys)
    bad = []
    for number in range(4):
        row = None if rows is None else jax.tree.map(lambda leaf, number=number: leaf[number], rows)
        alone = source.draw(row, keys[number])
        if not _same(alone, source.draw(row, keys[number])):
            bad.append("the same key gives two events")
        if not _same(alone, jax.tree.map(lambda leaf, number=number: leaf[number], batched)):
            bad.append("another event under jit and vmap")
    row = None if rows is None else jax.tree.map(lambda leaf: leaf[0], rows)
    bad += key_faults(lambda key: source.draw(row, key), setting.key(0))
    x, given = batched
    if _is_stuck(source, setting):
        bad.append("64 keys, and as many rows, give one event")
    if x.shape[1:] != source.event.shape or x.dtype != jnp.asarray(data.x).dtype:
        bad.append(f"draws {x.dtype}{list(x.shape[1:])}, splits hold {data.x.dtype}{list(data.x.shape[1:])}")
    if (given is None) != (data.given is None):
        bad.append("side information in one of draw and split alone")
    if not np.all(inside(np.asarray(x), source.event)):
        bad.append("figures outside the support")
    return faults(bad)


def _is_stuck(source: AbstractSource, setting: Setting) -> bool:
    """Whether many rows and many keys give one event."""
    stored, keys = source.stored(), jr.split(setting.key(72), 64)
    if stored is None:
        return _all_equal(jax.jit(jax.vmap(lambda key: source.draw(None, key)))(keys))
    numbers = np.arange(64) % len(jax.tree.leaves(stored)[0])
    rows = jax.tree.map(lambda leaf: np.asarray(leaf[numbers]), stored)
    return not _all_equal(rows) and _all_equal(jax.jit(jax.vmap(source.draw))(rows, keys))


def _all_equal(tree: Any) -> bool:
    return all(bool(np.all(np.asarray(leaf) == np.asarray(leaf[:1]))) for leaf in jax.tree.leaves(tree))


def ranks(source: AbstractSource, setting: Setting) -> Reading:
    """A batch drawn in parts, as the processes of one job draw it, is the batch drawn whole: event i is of row i and key i."""
    stored, batch = source.stored(), 12
    keys = jr.split(setting.key(71), batch)
    rows = None if stored is None else Rows(stored, batch, setting.seed % 1_000).chunk(0, 1)
    rows = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), rows)
    draw = jax.jit(jax.vmap(source.draw))
    whole, gaps = draw(rows, keys), []
    for first, last in ((0, 6), (6, 12), (3, 6)):
        part = draw(jax.tree.map(lambda leaf, a=first, b=last: leaf[a:b], rows), keys[first:last])
        same = jax.tree.map(lambda one, all_, a=first, b=last: jnp.max(jnp.abs(one - all_[a:b])), part, whole)
        gaps += jax.tree.leaves(same)
    return Reading(float(np.max(gaps)), 1e-5, "in a figure")


def _same(a: Any, b: Any) -> bool:
    return all(np.allclose(one, two, atol=1e-5) for one, two in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def scale(source: AbstractSource, setting: Setting) -> Reading:
    """Real data have mean square 1 in model units, so that they match a unit normal equilibrium."""
    x = np.asarray(source.split("train").x, np.float64)
    return Reading(abs(float(np.mean(x**2)) - 1.0), 0.1, "from 1 in mean square")


def units(source: AbstractSource, setting: Setting) -> Reading:
    """There and back between model and user units is the same event."""
    x = np.asarray(source.split("validation").x[:100], np.float64)
    back = source.units.to_model(source.units.to_user(x))
    return Reading(float(np.max(np.abs(back - x))), 1e-6, "in a figure")


def true_log_prob(source: AbstractSource, setting: Setting) -> Reading:
    """The true probabilities sum to one, or integrate to one in one and two dimensions, and are finite on the data."""
    event, x = source.event, np.asarray(source.split("validation").x)
    on_data = source.log_prob(x)
    assert on_data is not None
    if on_data.shape != (len(x),) or not np.all(np.isfinite(on_data)):
        return Reading(math.nan, 0.0, "log-probabilities", "the validation split: not finite, or not one for each event")
    count = {"binary": 2, "categorical": event.categories}.get(event.support)
    if count and count**event.size <= STATES:
        states = np.array(list(itertools.product(range(count), repeat=event.size)), x.dtype).reshape(-1, *event.shape)
        return Reading(abs(_sum(source, states) - 1.0), 1e-5, "from 1 in total probability")
    bounded = event.low is not None and event.high is not None
    if event.size in POINTS and not event.quantised and (event.support == "real" or bounded):
        axes = [_middles(low, high, POINTS[event.size]) for low, high in _ranges(source)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, *event.shape)
        cell = math.prod(axis[1] - axis[0] for axis in axes)
        return Reading(abs(_sum(source, points) * cell - 1.0), 0.01, "from 1 in total probability")
    discrete = count is not None or event.quantised or event.support == "count"
    distinct = np.unique(x.reshape(len(x), -1), axis=0).reshape(-1, *event.shape)
    excess = _sum(source, distinct) - 1.0 if discrete else 0.0
    return Reading(max(0.0, excess), 1e-5, "above 1 in probability of the events seen")


def _sum(source: AbstractSource, xs: np.ndarray) -> float:
    log_probs = source.log_prob(xs)
    assert log_probs is not None
    return float(np.exp(log_probs).sum())


def _ranges(source: AbstractSource) -> list[tuple[float, float]]:
    """Where each element has its density: its bounds if it has any, else a little more than the data show."""
    if source.event.low is not None and source.event.high is not None:
        return [(source.event.low, source.event.high)] * source.event.size
    flat = source.split("validation").x.reshape(-1, source.event.size)
    return [(float(low) - 0.75, float(high) + 0.75) for low, high in zip(flat.min(axis=0), flat.max(axis=0), strict=True)]


def _middles(low: float, high: float, count: int) -> np.ndarray:
    """The middles of so many cells."""
    return low + (high - low) * (np.arange(count) + 0.5) / count
