"""Draws of many events under conditions, each from weighted particles of its own: more of them where they run out."""

from __future__ import annotations

import functools
import math
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.blocks import events_together, rows_of
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.grid import Steps
from quasistatic._process.haste import compiled, is_brief
from quasistatic._process.own_noise import digests
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.progress import counted
from quasistatic._process.sampler import AbstractWeighted
from quasistatic._process.trajectory import posterior, systematic
from quasistatic._process.tree import count_of

FEW = 3.0  # effective particles: with fewer, draws are copies of one another
FACTOR = 4  # so many times as many particles where they run out


@attrs.frozen(eq=False)
class WeightedDraws:
    """Draws `x` (N, draws, ...) of N events in model units, in random order, and how they came about.

    `particles` (N,) is how many there were for each event, and `effective` (N,) the least effective number of them on the way.
    `log_evidence` (N,) is log Z in nats; with `effective` particles it is low by about half of the variance of their mean weight.
    """

    x: State
    log_evidence: np.ndarray
    particles: np.ndarray
    effective: np.ndarray

    @property
    def is_few(self) -> np.ndarray:
        """Of which events too few particles carried all the weight, so that draws are copies of one another, (N,)."""
        return self.effective < FEW


@compiled
def _block(
    sampler: AbstractWeighted, diffusion: Diffusion, times: jax.Array, key: Key, names: jax.Array,
    potential: AbstractPotential, side: State | None, draws: int,
) -> tuple[State, jax.Array, jax.Array]:  # fmt: skip
    def one(name: jax.Array, factor: AbstractPotential, side_one: State | None) -> tuple[State, jax.Array, jax.Array]:
        own = functools.reduce(jr.fold_in, name, key)
        key_walk, key_choice, key_order = jr.split(own, 3)
        found, share = posterior(sampler, diffusion.given(side_one).tilted(factor), times, key=key_walk)
        chosen = jr.permutation(key_order, systematic(found.log_weights, draws, key=key_choice))
        return jax.tree.map(lambda leaf: leaf[chosen], found.x), found.log_evidence, share

    return jax.vmap(one)(names, potential, side)


def weighted_draws(
    sampler: AbstractWeighted,
    diffusion: Diffusion,
    potential: AbstractPotential,
    *,
    key: Key,
    draws: int,
    side: State | None = None,
    steps: Steps = None,
    most: int | None = None,
) -> WeightedDraws:
    """`draws` of each event of `diffusion.tilted(r_i)`, for a stack of potentials (N, ...) and side information (N, ...).

    The noise of an event is a function of `key` and of what is known of it, so that neither their order nor their company matters;
    of several of which the same is known each has its own. Where the effective number of the sampler's particles falls below `FEW`,
    `FACTOR` times as many are used, up to `most`, by default no more. Raises TypeError for a kernel that cannot be tilted.
    """
    count, size = count_of(potential), sampler.states
    if not count:
        raise ValueError("weighted_draws: expected at least one event, got 0")
    names = _names(potential, count)
    done: WeightedDraws | None = None
    rows = np.arange(count)
    while len(rows):
        found = _pass(sampler.of_size(size), diffusion, rows_of((potential, side), rows), names[rows], key, draws, steps)
        done = found if done is None else _replaced(done, rows, found)
        rows, size = rows[found.is_few], size * FACTOR
        if size > (most or 0):
            break
    assert done is not None
    return done


def _pass(
    sampler: AbstractWeighted, diffusion: Diffusion, given: Any, names: np.ndarray, key: Key, draws: int, steps: Steps
) -> WeightedDraws:
    times, (potential, side) = sampler.times(diffusion, steps), given
    parts = []
    for block in counted("draws", _blocks(len(names), max(1, events_together(diffusion) // sampler.states)), len(names)):
        in_haste = is_brief(diffusion, len(block) * len(times) * sampler.states)
        factors, sides = rows_of((potential, side), block)
        found = _block(in_haste, sampler, diffusion, times, key, jnp.asarray(names[block]), factors, sides, draws)
        parts.append(jax.tree.map(np.asarray, found))
    x, log_evidence, share = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(names)], *parts)
    return WeightedDraws(x, log_evidence, np.full(len(names), sampler.states), share * sampler.states)


def _names(potential: AbstractPotential, count: int) -> np.ndarray:
    """Three words for each event, (N, 3): two of what is known of it, and how many before it are the same."""
    words = digests(potential, count)
    _, kinds = np.unique(words, axis=0, return_inverse=True)
    order = np.argsort(kinds, kind="stable")
    firsts = np.searchsorted(kinds[order], np.arange(kinds.max() + 1))
    before = np.empty(count, np.uint32)
    before[order] = np.arange(count) - firsts[kinds[order]]
    return np.concatenate([words, before[:, None]], axis=1)


def _replaced(done: WeightedDraws, rows: np.ndarray, found: WeightedDraws) -> WeightedDraws:
    def put(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        old = np.array(old)
        old[rows] = new
        return old

    fields = ((getattr(done, each.name), getattr(found, each.name)) for each in attrs.fields(WeightedDraws))
    return WeightedDraws(*(jax.tree.map(put, old, new) for old, new in fields))


def _blocks(count: int, largest: int) -> list[np.ndarray]:
    """Row numbers in blocks of one size, a power of two, so that few programs serve tables of any length."""
    width = min(largest, 2 ** math.ceil(math.log2(count)))
    return [np.arange(start, start + width) % count for start in range(0, count, width)]
