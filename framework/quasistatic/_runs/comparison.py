"""Samplers side by side: how near to the data their samples are, by how many calls of the network they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from quasistatic._data.source import AbstractTruth, capability, judging_split
from quasistatic._process.event import AbstractEvent, Categorical
from quasistatic._process.grid import Steps
from quasistatic._process.sampler import AbstractSampler
from quasistatic._process.tree import count_of
from quasistatic._runs.run import Run
from quasistatic.errors import InputError

CALLS = (5, 7, 10, 20, 50)
DIRECTIONS, GROUPS = 128, 4


@attrs.frozen
class Quality:
    """Of one sampler with so many calls of the network for an event.

    `distance` is the sliced Wasserstein distance of samples to data in model units, with its standard error; `log_prob` the mean
    true log-probability of samples in nats, where it is known.
    """

    sampler: str
    calls: int
    distance: float
    error: float
    log_prob: float | None
    events_per_second: float


@attrs.frozen(eq=False)
class Comparison:
    """Qualities of several samplers, that of the run's own chain, `reference`, and the distance of data to other data, `floor`."""

    rows: tuple[Quality, ...]
    reference: Quality
    floor: float

    @property
    def recommended(self) -> Quality:
        """The fewest calls whose samples are as near to the data as those of `reference`, up to two standard errors.

        Where there are none, `reference` itself.
        """
        near = [
            row for row in self.rows if row.distance <= self.reference.distance + 2.0 * np.hypot(row.error, self.reference.error)
        ]
        return min(near, key=lambda row: (row.calls, row.distance), default=self.reference)


def compare_samplers(
    run: Run,
    samplers: Mapping[str, AbstractSampler],
    count: int,
    calls: Sequence[int] = CALLS,
    *,
    seed: int = 0,
    steps: Steps = None,
) -> Comparison:
    """`count` samples of each sampler by each number of calls, beside as many events that the run is judged by.

    The reference is the run's own sampler on a chain of T = `steps`, by default that of training.

    Raises InputError for fewer than 2 * GROUPS events.
    """
    data = _rows(run.source.event, run.source.split(judging_split(run.source), count).x)
    count = min(count, len(data)) // GROUPS * GROUPS
    if count < 2 * GROUPS:
        raise InputError(f"compare: expected at least {2 * GROUPS} events to compare samples with, got {len(data)}")
    data = data[:count]
    directions = np.random.default_rng(0).normal(size=(data.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    more = _rows(run.source.event, run.source.split("train", count).x)[:count]
    floor = _distances(np.resize(more, data.shape), data, directions).mean()

    def quality(name: str, sampler: AbstractSampler, **chain: Any) -> Quality:
        # the first call of a program compiles it
        run.sample(count, seed=seed, sampler=sampler, **chain, model_units=True)
        xs, info = run.sample(count, seed=seed + 1, sampler=sampler, **chain, model_units=True, return_info=True)
        away, truth = _distances(_rows(run.source.event, xs), data, directions), capability(run.source, AbstractTruth)
        log_prob = None if truth is None else float(np.mean(truth.log_prob(xs)))
        error = float(away.std(ddof=1) / np.sqrt(GROUPS))
        return Quality(name, info.calls, float(away.mean()), error, log_prob, info.events_per_second)

    rows = tuple(quality(name, sampler, calls=budget) for name, sampler in samplers.items() for budget in calls)
    return Comparison(rows, quality("the run's own", run.sampler, steps=steps), float(floor))


def _rows(event: AbstractEvent, xs: object) -> np.ndarray:
    """Events as rows of numbers (N, ...); of a symbol each category is one."""
    parts = []
    for name, field in event.parts().items():
        part = np.asarray(event.part_of(xs, name))
        if isinstance(field, Categorical):
            part = np.eye(field.categories)[part]
        parts.append(np.nan_to_num(part.reshape(count_of(part), -1).astype(np.float64)))
    return np.concatenate(parts, axis=1)


def _distances(xs: np.ndarray, ys: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The sliced Wasserstein distance, of order 2, of each of some groups of rows to as many others (GROUPS,)."""
    one, other = (np.sort((each @ directions).reshape(GROUPS, -1, directions.shape[1]), axis=1) for each in (xs, ys))
    return np.sqrt(((one - other) ** 2).mean(axis=(1, 2)))
