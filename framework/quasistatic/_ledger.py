"""The ledger: K, the bound on log p(x), as an exact sum of its terms.

-K(x) = KL(q(z_1 given x) || equilibrium) + sum over neighbours s < t of E KL(posterior || reverse) - E log decode(x)

One function serves every kernel and every grid (Sohl-Dickstein et al. 2015, eq. 14, without its assumption on the
data's second moment). T times are T network calls. Nats inside; units are named where numbers leave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key, State

Unit = Literal["nats", "bits", "bits/dim"]
# events and times whose network calls share one batch: large enough for two cores, small enough for their caches
EVENTS, FOLD = 512, 8


def customary_unit(size: int) -> Unit:
    """What people read of an event of `size` elements: bits for a small one, nats for a larger one."""
    return "bits" if size <= 32 else "nats"


@attrs.frozen
class Estimate:
    """A figure with its unit, standard error, and the number of events behind it."""

    value: float
    standard_error: float
    unit: Unit
    per: Literal["event"] = "event"
    events: int = 0
    size: int = 1

    def to(self, unit: Unit) -> Estimate:
        """The same figure in another unit; bits/dim divide by the number of elements of an event."""
        nats = {"nats": 1.0, "bits": math.log(2), "bits/dim": math.log(2) * self.size}
        factor = nats[self.unit] / nats[unit]
        return attrs.evolve(self, value=self.value * factor, standard_error=self.standard_error * factor, unit=unit)

    def customary(self) -> Estimate:
        """The same figure in the unit that people read."""
        return self.to(customary_unit(self.size))

    def __str__(self) -> str:
        return f"{self.value:.4f} +- {self.standard_error:.4f} {self.unit}"


def estimate(per_event: np.ndarray, size: int) -> Estimate:
    """Mean of figures in nats per event (N,), with the standard error of that mean."""
    values = np.asarray(per_event, np.float64)
    count = len(values)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return Estimate(float(values.mean()), error, "nats", events=count, size=size)


@attrs.frozen(eq=False)
class Ledger:
    """K split into its terms. All in nats per event.

    `terms` (N, T + 1) holds each event's terms of -K: first step, the T - 1 steps (from `times[k]` back to
    `times[k-1]`), prior. The terms share their events, so their errors do not add; every total's error comes from
    per-event totals. `evaluations` counts calls of the network per event. `per_event_error` (N,) is the standard error
    of each event's K over repeats, None for a single draw.
    """

    times: np.ndarray
    terms: np.ndarray
    evaluations: int
    size: int
    per_event_error: np.ndarray | None = None

    @property
    def steps(self) -> int:
        """T."""
        return len(self.times)

    @property
    def per_event(self) -> np.ndarray:
        """K of each event in nats, (N,)."""
        return -self.terms.sum(axis=1)

    @property
    def bound(self) -> Estimate:
        """K."""
        return estimate(self.per_event, self.size)

    @property
    def first(self) -> Estimate:
        """The first step's term of -K."""
        return estimate(self.terms[:, 0], self.size)

    @property
    def gaps(self) -> list[Estimate]:
        """The terms of -K of the T - 1 steps, first to last."""
        return [estimate(column, self.size) for column in self.terms[:, 1:-1].T]

    @property
    def total_gap(self) -> Estimate:
        """All T - 1 steps together."""
        return estimate(self.terms[:, 1:-1].sum(axis=1), self.size)

    @property
    def prior(self) -> Estimate:
        """What the end of the forward process still knows of the data: KL(q(z_1 given x) || equilibrium)."""
        return estimate(self.terms[:, -1], self.size)


def ledger_terms(
    diffusion: Diffusion, x: State, times: jax.Array, key: Key, given: jax.Array | None = None
) -> jax.Array:
    """One draw of the T + 1 terms of -K(x) for one event, in nats: first step, steps, prior; shape (T + 1,)."""
    key_first, key_steps, key_prior = jr.split(key, 3)
    first = diffusion.first(x, times[0], key_first, given)
    prior = diffusion.prior(x, key_prior)
    if len(times) == 1:
        return jnp.stack([first, prior])

    def gap(at: tuple[jax.Array, jax.Array, Key]) -> jax.Array:
        s, t, key_step = at
        return diffusion.gap(x, s, t, key_step, given)

    keys = jr.split(key_steps, len(times) - 1)
    gaps = jax.lax.map(gap, (times[:-1], times[1:], keys), batch_size=min(FOLD, len(keys)))
    return jnp.concatenate([first[None], gaps, prior[None]])


@eqx.filter_jit
def _batch_terms(
    diffusion: Diffusion, xs: State, times: jax.Array, key: Key, numbers: jax.Array, given: jax.Array | None
) -> jax.Array:
    def one(x: State, number: jax.Array, given_one: jax.Array | None) -> jax.Array:
        return ledger_terms(diffusion, x, times, jr.fold_in(key, number), given_one)

    return jax.vmap(one)(xs, numbers, given)


def ledger(
    diffusion: Diffusion,
    xs: State,
    key: Key,
    steps: int | Sequence[float] | None = None,
    given: np.ndarray | None = None,
    repeats: int = 1,
) -> Ledger:
    """The ledger of events `xs` (N, *event), in model units, on a chain of T = `steps` (default: that of training).

    `steps` may also be the T increasing times themselves, the last of which is 1. `repeats` independent draws are
    averaged for every event. Event i's noise is a function of `key` and i alone.
    """
    if steps is None or isinstance(steps, int):
        times = diffusion.times(steps)
    else:
        times = _checked_times(steps)
    count = len(jax.tree.leaves(xs)[0])
    if count == 0:
        raise ValueError("ledger: expected at least one event, got none")
    width = min(EVENTS, count)
    blocks = []
    for start in range(0, count, width):
        # the last block is filled up with events again, so that every block has one shape and compiles once
        rows = np.arange(start, start + width) % count
        block = jax.tree.map(lambda leaf, rows=rows: leaf[rows], xs)
        side = None if given is None else jnp.asarray(given[rows])
        sums, squares = np.zeros((width, len(times) + 1)), np.zeros(width)
        for repeat in range(repeats):
            numbers = jnp.asarray(np.arange(start, start + width) * repeats + repeat)
            terms = np.asarray(_batch_terms(diffusion, block, times, key, numbers, side), np.float64)
            sums += terms
            squares += terms.sum(axis=1) ** 2
        blocks.append((sums / repeats, squares / repeats))
    means, mean_squares = (np.concatenate(parts)[:count] for parts in zip(*blocks, strict=True))
    error = None
    if repeats > 1:
        spread = np.maximum(mean_squares - means.sum(axis=1) ** 2, 0.0)
        error = np.sqrt(spread / (repeats - 1))
    return Ledger(np.asarray(times, np.float64), means, len(times) * repeats, diffusion.kernel.event.size, error)


def _checked_times(times: Sequence[float]) -> jax.Array:
    values = np.asarray(times, np.float64)
    if values.ndim != 1 or len(values) == 0 or values[-1] != 1 or values[0] < 0 or np.any(np.diff(values) <= 0):
        raise ValueError(f"times: expected increasing times in [0, 1] that end with 1, got {times!r}")
    return jnp.asarray(values, jnp.result_type(float))
