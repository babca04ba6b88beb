"""Many events from a diffusion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process import trajectory
from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import check_side, events_together, refuse_traced
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.grid import Steps
from quasistatic._process.haste import compiled, is_brief
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.progress import counted
from quasistatic._process.sampler import AbstractSampler, Ancestral
from quasistatic._process.tree import concatenate, count_of, take

# events, at most, of the first block, of the second, and of all others: a handful costs little, many fill the caches
SIZES = (256, 1024, 4608)


@attrs.frozen(eq=False)
class SampleInfo:
    """What drawing some events took.

    `calls` of a network were made for each event, or for each state that a sampler carries for it, through `times` (T,); `seconds`
    are those of all events, with compilation. `deviations` are what the sampler names as such: draws are not the model's by choice.
    """

    events: int
    calls: int
    times: np.ndarray
    seconds: float
    deviations: tuple[str, ...] = ()

    @property
    def events_per_second(self) -> float:
        """Events, or images, in a second."""
        return self.events / self.seconds

    def __str__(self) -> str:
        made = f"{self.calls} network calls an event, T = {len(self.times)}, {self.events_per_second:.3g} events per second"
        return f"{made}; not the model's: {', '.join(self.deviations)}" if self.deviations else made


@compiled
def _block(
    sampler: AbstractSampler,
    diffusion: Diffusion,
    times: jax.Array,
    key: Key,
    numbers: jax.Array,
    side: State | None,
    potential: AbstractPotential | None,
) -> State:
    def one(number: jax.Array, side_one: State | None, factor: AbstractPotential | None) -> State:
        keyed, given = jr.fold_in(key, number), diffusion.given(side_one)
        wanted = given if factor is None else given.tilted(factor)
        return trajectory.reverse(sampler, wanted, times, key=keyed, keep=False).x

    return jax.vmap(one)(numbers, side, potential)


def sample(
    diffusion: Diffusion,
    count: int,
    *,
    key: Key,
    sampler: AbstractSampler | None = None,
    steps: Steps = None,
    calls: int | None = None,
    side: State | None = None,
    potential: AbstractPotential | None = None,
    return_info: bool = False,
) -> Any:
    """`count` events (count, ...) in model units, by a chain of T = `steps` (default: that of training), or through these times.

    With `calls` T is as large as so many calls of the network for each event allow. A sampler of its own grid places T times on it.
    With `return_info` the events come with a `SampleInfo`: the times, the calls, and how long it took.

    `sampler` is `Ancestral` unless given. Event i is a function of `key`, i and its own row of `side` (rows, ...), which is
    repeated as needed, and of nothing else: it is computed in a block whose size depends on i alone, so not even rounding
    depends on `count`.

    `potential` is a stack of potentials, each leaf with a leading axis (rows, ...): event i is then one of
    `diffusion.tilted(r_i)`. Raises ValueError for no events, TypeError for a kernel that cannot be tilted and inside jit, vmap or
    grad, where `trajectory.reverse` draws one event, and DataError for side information that does not fit, or for a pair that the
    sampler does not take.
    """
    refuse_traced(
        "sample", "qs.trajectory.reverse(sampler, diffusion, diffusion.times(), key=key).x", diffusion, key, side, potential
    )
    check_arithmetic()
    began = time.perf_counter()
    if count < 1:
        raise ValueError(f"sample: expected at least one event, got {count}")
    if side is not None:
        check_side(diffusion, side, count_of(side))
    sampler = Ancestral() if sampler is None else sampler
    sampler.check(diffusion)
    networks = 1 if diffusion.guidance is None else 2
    if calls is not None:
        if steps is not None:
            raise ValueError("sample: steps and calls exclude one another, as either gives the number of times")
        steps = sampler.steps_within(calls // networks)
    times = sampler.times(diffusion, steps)
    parts = []
    for numbers in counted("samples", _blocks(count, max(1, events_together(diffusion) // sampler.states)), count):
        side_rows, factors = _rows(side, numbers), _rows(potential, numbers)
        in_haste = is_brief(diffusion, len(numbers) * len(times) * sampler.states)
        drawn = _block(in_haste, sampler, diffusion, times, key, jnp.asarray(numbers), side_rows, factors)
        parts.append(jax.tree.map(np.asarray, drawn))
    drawn = take(concatenate(parts), slice(count))
    if not return_info:
        return drawn
    calls, seconds = networks * sampler.calls(len(times)), time.perf_counter() - began
    return drawn, SampleInfo(count, calls, np.asarray(times), seconds, sampler.deviations)


def _rows(stack: Any, numbers: np.ndarray) -> Any:
    """The rows of these numbers of a stack that is repeated as needed."""
    return None if stack is None else jax.tree.map(jnp.asarray, take(stack, numbers % count_of(stack)))


def _blocks(count: int, largest: int) -> Iterator[np.ndarray]:
    """The numbers of the events of each block: small ones, then large ones, however many events there are."""
    start = 0
    for size in chain(SIZES, repeat(SIZES[-1])):
        if start >= count:
            return
        yield np.arange(start, start + min(size, largest))
        start += min(size, largest)
