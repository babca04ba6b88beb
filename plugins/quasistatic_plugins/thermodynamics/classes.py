"""When the classes of labelled events appear, as the data have it and as the model has it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.order import ClassTimeline, class_timeline, crossing, u_turn
from quasistatic_plugins.thermodynamics.lines import Line

LABEL = "label"  # the tag of labelled events
KNOWN = 2048  # labelled training events, at most
SEEN = 2  # labelled test events for each event of `thermo`: they take no network
LEVELS = 41  # times of the curve of the data
TURNS = 6  # times at which clones are sent back
CLONED = 64  # events of which there are clones, at most


@attrs.frozen(eq=False)
class Classes:
    """What noise leaves of the class; `agreement` has the rows times, chance that two clones agree, and its error.

    It is None where the model is given the class. `clones` is the number of events that were cloned.
    """

    names: tuple[str, ...]
    timeline: ClassTimeline
    agreement: np.ndarray | None
    clones: int

    @property
    def merges(self) -> tuple[tuple[float, int, int], ...]:
        """Of classes, as noise rises: time, i, j."""
        return self.timeline.merges()


def class_survey(run: qs.Run, steps: int | None, events: int, key: jax.Array) -> Classes | None:
    """By `SEEN` times `events` test events.

    None where events have no labels, or only one; labels are a tag of this name, or the side information.
    """
    data = run.source.split("test", SEEN * events)
    if len(np.unique(_labels(run, data))) < 2:
        return None
    known = run.source.split("train", KNOWN)
    names, known_labels = np.unique(_labels(run, known), return_inverse=True)
    if len(names) < 2:
        return None
    kept = np.isin(_labels(run, data), names)
    labels = np.searchsorted(names, _labels(run, data)[kept])
    xs = jax.tree.map(lambda leaf: jnp.asarray(leaf[kept]), data.x)
    times = np.asarray(run.diffusion.times(steps), np.float64)
    levels = np.unique(np.interp(np.linspace(0, len(times) - 1, LEVELS), np.arange(len(times)), times))
    key_noise, key_turn = jr.split(key)
    found = class_timeline(run.diffusion.kernel, known.x, known_labels, xs, labels, key=key_noise, times=levels)
    clones = min(CLONED, len(labels))
    turned = None if _is_told(run) else _clones(run, data, kept, times, clones, known.x, known_labels, key_turn)
    return Classes(tuple(str(name) for name in names), found, turned, clones)


def _is_told(run: qs.Run) -> bool:
    """Whether there is one category for an event in the side information."""
    side = run.source.side
    return side is not None and any(isinstance(part, qs.Categorical) and part.shape == () for part in side.parts().values())


def _labels(run: qs.Run, data: qs.Data) -> np.ndarray:
    """(N,), all equal without labels."""
    if LABEL in data.tags:
        return np.asarray(data.tags[LABEL])
    return np.asarray(data.side) if isinstance(run.source.side, qs.Categorical) and _is_told(run) else np.zeros(len(data), int)


def _clones(
    run: qs.Run, data: qs.Data, kept: np.ndarray, times: np.ndarray, count: int, known: Any, labels: np.ndarray, key: jax.Array
) -> np.ndarray:
    """Pairs of the model from one noisy event, and whether the class that each is nearest to is the same: (3, TURNS)."""
    rows = np.flatnonzero(kept)[:count]
    xs, side = (jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), tree) for tree in (data.x, data.side))
    found = []
    for number, end in enumerate(np.linspace(0, len(times) - 1, TURNS + 1)[1:]):
        key_back, key_read = jr.split(jr.fold_in(key, number))
        # as many times as the chain has: of one length, which is compiled once, and no step is longer than one of the chain's
        way = np.interp(np.linspace(0, end, len(times)), np.arange(len(times)), times)
        pairs = u_turn(run.diffusion, xs, jnp.asarray(way, jnp.result_type(float)), key=key_back, side=side)
        flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), pairs)
        # read at the first level of noise, where the classes of known events are all but certain
        read = class_timeline(run.diffusion.kernel, known, labels, flat, np.zeros(2 * count, int), key=key_read, times=times[:1])
        pair = read.log_posteriors[:, 0].argmax(axis=1).reshape(count, 2)
        same = (pair[:, 0] == pair[:, 1]).astype(float)
        found.append((way[-1], same.mean(), same.std(ddof=1) / math.sqrt(count)))
    return np.array(found).T


def classes_lines(found: Classes | None) -> Iterator[Line]:
    """What is known of the class, when it appears, and when it does for the model."""
    if found is None:
        return
    line = found.timeline
    about, entropy = f"{len(line.labels)} test events", -float(line.shares @ np.log(line.shares))
    yield Line(
        "class_entropy", f"entropy of the class, of {len(found.names)}", entropy / math.log(2), math.nan, "bits", "event", about
    )
    half = -crossing(-line.times, line.information, 0.5 * entropy)
    why = "noise hides the class at no time"
    yield _when("class_time", "  half of it is known, at least, below t", half, "data set", about, why)
    for number, name in enumerate(found.names):
        middle = 0.5 * (1.0 + float(line.shares[number]))
        time = -crossing(-line.times, line.by_class[:, number], middle)
        yield _when(f"class_time_{name}", f"  class {name} appears at t", time, "class", about, "no time at which it is as sure")
    if found.agreement is not None:
        times, agreement, _ = found.agreement
        middle = 0.5 * (1.0 + float((line.shares**2).sum()))
        parted, clones = -crossing(-times, agreement, middle), f"pairs of clones of {found.clones} test events"
        label = "clones of the model end in one class below t"
        yield _when("clone_time", label, parted, "data set", clones, "no time at which they part")


def _when(name: str, label: str, time: float, per: str, samples: str, why: str) -> Line:
    """A time, or why there is none."""
    return Line(name, label, time, math.nan, "", per, samples, why if math.isnan(time) else None)
