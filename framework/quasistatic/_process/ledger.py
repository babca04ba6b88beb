"""The ledger: K, the bound on log p(x), as an exact sum of its terms.

-K(x) = KL(q(z_1 given x) || equilibrium) + sum over neighbours s < t of E KL(posterior || reverse) - E log decode(x)

One function serves every kernel and every grid (Sohl-Dickstein et al. 2015, eq. 14, without its assumption on the
data's second moment). T times are T network calls. Nats inside; units are named where numbers leave.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import checked_events, events_together, refuse_traced, rows_of, shared_blocks
from quasistatic._process.diffusion import Chain, Diffusion
from quasistatic._process.distribution import Key, Scalar, State, Time
from quasistatic._process.estimate import Estimate, estimate
from quasistatic._process.event import PADDING, AbstractEvent
from quasistatic._process.grid import Steps
from quasistatic._process.haste import compiled, is_brief
from quasistatic._process.kernel import AbstractJumping
from quasistatic._process.progress import counted
from quasistatic._process.shown import as_line, as_table
from quasistatic._process.tree import count_of


@attrs.frozen(eq=False, repr=False)
class Ledger:
    """K split into its terms. All in nats per event.

    `by_part` holds (N, T + 1) terms of -K for each part of an event, of each event: first step, the T - 1 steps (from
    `times[k]` back to `times[k-1]`), prior; a field alone has the name ''. The terms share their events, so their errors
    do not add; every total's error comes from per-event totals. `evaluations` counts calls of the network per event.
    `units` are those of an event, each with its number in all events or (N,) in each. `per_event_error` (N,) is the standard
    error of each event's K over repeats, None for a single draw. Of few repeats it is too small,
    by 8 % of 4, where 1.96 of it cover 87 %; from 16 on it is good, 2 % and 93 %.
    """

    times: np.ndarray
    by_part: Mapping[str, np.ndarray]
    evaluations: int
    units: Mapping[str, int | np.ndarray]
    per_event_error: np.ndarray | None = None

    def __repr__(self) -> str:
        return as_line("Ledger", self._rows())

    def _repr_html_(self) -> str:
        return as_table("Ledger", self._rows())

    def _rows(self) -> dict[str, object]:
        """K and its terms, in the unit that people read."""
        terms = {"K": self.bound, "first step": self.first, "steps": self.total_gap, "prior": self.prior}
        shown: dict[str, object] = {name: f"{value.customary()} per event" for name, value in terms.items()}
        return {**shown, "T": self.steps, "events": len(self.terms), "calls of the network per event": self.evaluations}

    @functools.cached_property
    def terms(self) -> np.ndarray:
        """The terms of -K of each event, (N, T + 1)."""
        return np.sum(list(self.by_part.values()), axis=0)

    def only(self, rows: np.ndarray) -> Ledger:
        """The ledger of some events."""
        return attrs.evolve(
            self,
            by_part={name: terms[rows] for name, terms in self.by_part.items()},
            per_event_error=None if self.per_event_error is None else self.per_event_error[rows],
            units={name: each[rows] if isinstance(each, np.ndarray) else each for name, each in self.units.items()},
        )

    def among(self, rows: np.ndarray, count: int) -> Ledger:
        """The ledger of `count` events of which these `rows` are its own; of the others K is minus infinity, in the first term."""
        by_part = {}
        for place, (name, terms) in enumerate(self.by_part.items()):
            by_part[name] = np.zeros((count, terms.shape[1]))
            by_part[name][:, 0] = np.inf if place == 0 else 0.0
            by_part[name][rows] = terms
        error = None if self.per_event_error is None else np.zeros(count)
        if error is not None:
            error[rows] = self.per_event_error
        units = dict(self.units)
        for name, each in self.units.items():
            if isinstance(each, np.ndarray):
                units[name] = own = np.zeros(count, each.dtype)
                own[rows] = each
        return attrs.evolve(self, by_part=by_part, per_event_error=error, units=units)

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
        return estimate(self.per_event, self.units)

    @property
    def first(self) -> Estimate:
        """The first step's term of -K."""
        return estimate(self.terms[:, 0], self.units)

    @property
    def gaps(self) -> list[Estimate]:
        """The terms of -K of the T - 1 steps, first to last."""
        return [estimate(column, self.units) for column in self.terms[:, 1:-1].T]

    @property
    def total_gap(self) -> Estimate:
        """All T - 1 steps together."""
        return estimate(self.terms[:, 1:-1].sum(axis=1), self.units)

    @property
    def prior(self) -> Estimate:
        """What the end of the forward process still knows of the data: KL(q(z_1 given x) || equilibrium)."""
        return estimate(self.terms[:, -1], self.units)

    @property
    def bound_by_part(self) -> dict[str, Estimate]:
        """The share of each part in K; they sum to K. A share is no bound by itself: the network reads all parts."""
        return {name: estimate(-terms.sum(axis=1), self.units) for name, terms in self.by_part.items()}


def ledger_terms(chain: Chain, x: State, *, key: Key, fold: int = 8) -> dict[str, Float[Array, " terms"]]:
    """One draw of the T + 1 terms of -K(x) for one event, in nats, by part: first step, steps, prior.

    `chain` is `diffusion.for_chain(steps)`. `fold` times share one call of the network. Of a kernel that jumps the terms are those
    of the log-weight of one path, where that takes fewer calls of the network than there are times.
    """
    diffusion, times, kernel = chain.diffusion, chain.times, chain.diffusion.kernel
    if isinstance(kernel, AbstractJumping) and (chain.is_amortised or kernel.most_jumps < len(times)):
        return _terms_of_jumps(chain, kernel, x, key=key, fold=fold)
    key_first, key_steps, key_prior = jr.split(key, 3)
    first = diffusion.first(x, times[0], key=key_first)
    prior = diffusion.prior(x, key=key_prior)
    if len(times) == 1:
        return jax.tree.map(lambda *terms: jnp.stack(terms), first, prior)

    def gap(at: tuple[Time, Time, Key]) -> dict[str, Scalar]:
        s, t, key_step = at
        return diffusion.gap(x, s, t, key=key_step)

    count = len(times) - 1
    calls = math.ceil(count / fold)
    # as even as can be, and filled up with the last step again: so all calls are one program
    numbers = jnp.minimum(jnp.arange(calls * math.ceil(count / calls)), count - 1).reshape(calls, -1)
    steps = (times[numbers], times[numbers + 1], jr.split(key_steps, count)[numbers])
    gaps = jax.tree.map(lambda leaf: leaf.reshape(-1)[:count], jax.lax.map(jax.vmap(gap), steps))
    return jax.tree.map(lambda one, more, last: jnp.concatenate([one[None], more, last[None]]), first, gaps, prior)


def log_prob_bound(diffusion: Diffusion, x: State, *, key: Key, steps: Steps = None) -> Scalar:
    """One draw of K(x) for one event x in model units, in nats, on a chain of T = `steps` (default: that of training).

    Its mean over keys is at most log p(x). A pure function: with one key it is a deterministic density, not normalised, that can be
    compiled, mapped over events and, in numbers, differentiated. Side information is `diffusion.given(side)`.
    """
    terms = ledger_terms(diffusion.for_chain(steps), x, key=key)
    return -jnp.sum(jnp.stack([jnp.sum(part) for part in terms.values()]))


def _terms_of_jumps(chain: Chain, kernel: AbstractJumping, x: State, *, key: Key, fold: int) -> dict[str, Float[Array, " terms"]]:
    """Minus the log-weight of one path, whose steps without a jump have a term of zero."""
    key_path, key_prior = jr.split(key)
    diffusion, times = chain.for_data(x), chain.times
    jumps = kernel.jumps(x, times, key=key_path)

    def cost(at: tuple[Array, State, State]) -> dict[str, Scalar]:
        number, before, after = at
        params = diffusion.params(after, times[number])
        to_data = diffusion.decode(params, after, times[0]).log_prob_by_part(x)
        s, t = times[jnp.maximum(number - 1, 0)], times[jnp.maximum(number, 1)]
        back = diffusion.reverse(params, after, s, t).log_prob_by_part(before)
        truly = kernel.posterior(x, after, s, t).log_prob_by_part(before)
        return {name: jnp.where(number == 0, -to_data[name], truly[name] - back[name]) for name in to_data}

    costs = jax.lax.map(cost, (jumps.numbers, jumps.before, jumps.after), batch_size=fold)
    prior = diffusion.prior(x, key=key_prior)
    return {
        name: jnp.zeros(len(times) + 1).at[jumps.numbers].add(jnp.where(jumps.counts, values, 0.0)).at[-1].add(prior[name])
        for name, values in costs.items()
    }


@compiled
def _batch_terms(chain: Chain, xs: State, side: State | None, key: Key, numbers: jax.Array, fold: int) -> dict[str, jax.Array]:
    def one(x: State, side_one: State | None, number: jax.Array) -> dict[str, jax.Array]:
        return ledger_terms(chain.given(side_one), x, key=jr.fold_in(key, number), fold=fold)

    return jax.vmap(one)(xs, side, numbers)


def ledger(
    diffusion: Diffusion,
    xs: State,
    *,
    key: Key,
    steps: Steps = None,
    side: State | None = None,
    repeats: int = 1,
) -> Ledger:
    """The ledger of events `xs` (N, ...), in model units, on a chain of T = `steps` (default: that of training).

    `steps` may also be the T increasing times themselves, the last of which is 1. `side` (N, ...) is their side
    information. `repeats` independent draws are averaged for every event. Event i's noise is a function of `key` and i
    alone. Raises DataError for no events, or events or side information that do not fit, ValueError for times that are
    not a whole chain, TypeError inside jit, vmap or grad, where `log_prob_bound` and `ledger_terms` give those of one event.
    """
    refuse_traced("ledger", "qs.log_prob_bound(diffusion, x, key=key), or qs.ledger_terms,", diffusion, xs, key, side)
    check_arithmetic()
    chain = diffusion.for_chain(steps)
    times = chain.times
    if repeats < 1:
        raise ValueError(f"ledger: expected at least one repeat, got {repeats}")
    xs, side = checked_events(diffusion, xs, side)
    count = count_of(xs)
    together = events_together(diffusion)
    in_haste, found = is_brief(diffusion, count * chain.calls * repeats), []
    for rows in counted(f"K (T = {len(times)})", shared_blocks(count, together), count):
        fold = max(1, together // len(rows))  # few events leave room for several times
        block, side_block = rows_of((xs, side), rows)
        draws = []
        for repeat in range(repeats):
            numbers = jnp.asarray(rows * repeats + repeat)
            drawn = _batch_terms(in_haste, chain, block, side_block, key, numbers, fold)
            draws.append(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), drawn))
        with np.errstate(invalid="ignore"):  # what an event costs may be infinite
            means = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *draws)
            totals = np.array([-np.sum(list(drawn.values()), axis=0).sum(axis=1) for drawn in draws])
            found.append((means, totals.std(axis=0, ddof=1) / repeats**0.5 if repeats > 1 else np.zeros(len(rows))))
    terms, errors = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *found)
    times_used = np.asarray(times, np.float64)
    event, spread = diffusion.kernel.event, errors if repeats > 1 else None
    return Ledger(times_used, terms, chain.calls * repeats, _units(event, side), spread)


def empty_ledger(diffusion: Diffusion, steps: Steps = None) -> Ledger:
    """The ledger of no events, for which the network is not called."""
    times, event = np.asarray(diffusion.times(steps), np.float64), diffusion.kernel.event
    terms = {name: np.empty((0, len(times) + 1)) for name in event.parts()}
    return Ledger(times, terms, 0, event.units, np.empty(0))


def _units(event: AbstractEvent, side: State | None) -> Mapping[str, int | np.ndarray]:
    """Those of an event; where there is padding, each sequence has symbols of its own."""
    if "symbol" not in event.units or not (isinstance(side, Mapping) and PADDING in side):
        return event.units
    padding = np.asarray(side[PADDING])
    return {**event.units, "symbol": event.units["symbol"] - padding.reshape(len(padding), -1).sum(axis=1)}
