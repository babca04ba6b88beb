"""What every step of a chain dissipates, measured without the truth: each step against its two halves.

What a step dissipates is g dt^2 to leading order, so two half steps dissipate half of it: twice the difference is all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import in_blocks
from quasistatic._process.diffusion import Chain, Diffusion
from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State, Time
from quasistatic._process.estimate import Estimate, estimate
from quasistatic._process.grid import Steps
from quasistatic._process.tree import count_of
from quasistatic.thermodynamics._per_event import PerEvent

Objective = Literal["bound", "ancestral"]


@attrs.frozen(eq=False)
class Dissipation(PerEvent):
    """Dissipation of the M steps between `knots` (M + 1,), in nats for each event, (N, M), first to last.

    Knots are the times of a chain, and 0 before them where the first step, to data, is measured too. `units` are those of an event.
    """

    knots: np.ndarray
    units: Mapping[str, int]

    @property
    def total(self) -> Estimate:
        """All steps together."""
        return estimate(self.per_event.sum(axis=1), self.units)


def dissipation(
    diffusion: Diffusion,
    xs: State,
    *,
    key: Key,
    steps: Steps = None,
    side: State | None = None,
    objective: Objective = "bound",
    repeats: int = 1,
) -> Dissipation:
    """What every step of the chain dissipates, by events `xs` (N, ...) with their side information (N, ...).

    Twice the mean of log p(two half steps) - log p(whole step, and the forward process between), which has little variance. With
    `objective` 'bound' the mean is over forward paths: what the whole step adds to log p(x) - K(x). With 'ancestral' it is over the
    model's own half steps: how far samples of the whole step are from theirs, at most. Exact as steps become small, too large
    for coarse ones. The first step is measured for discrete events alone: how finely the first time resolves real numbers is
    a choice. `repeats` draws are averaged for every event.

    Raises ValueError for fewer than two events.
    """
    check_arithmetic()
    count = count_of(xs)
    if count < 2:
        raise ValueError(f"dissipation: expected at least two events, got {count}")
    if objective not in _DRAWN:
        raise ValueError(f"dissipation: expected an objective of {', '.join(_DRAWN)}, got {objective!r}")
    chain = diffusion.for_chain(steps)
    times = chain.times
    with_first = len(knots_of(diffusion, times)) > len(times)

    def measure(block: State, side_block: State | None, numbers: jax.Array) -> jax.Array:
        return _measured(chain, block, side_block, key, numbers, objective, with_first)

    per_draw = in_blocks("dissipation of the steps", measure, diffusion, xs, side, repeats)
    per_event = per_draw.reshape(count, repeats, -1).mean(axis=1)
    return Dissipation(per_event, knots_of(diffusion, times), diffusion.kernel.event.units)


def knots_of(diffusion: Diffusion, times: np.ndarray | jax.Array) -> np.ndarray:
    """The times (T,) of a chain, after a 0 for data where the step to data can be halved: discrete events, a first time after 0."""
    is_discrete = all(field.is_discrete for field in diffusion.kernel.event.parts().values())
    return np.concatenate([[0.0] if is_discrete and times[0] > 0 else [], np.asarray(times, np.float64)])


@eqx.filter_jit
def _measured(
    chain: Chain,
    xs: State,
    side: State | None,
    key: Key,
    numbers: jax.Array,
    objective: Objective,
    with_first: bool,
) -> jax.Array:
    """Twice the log-ratio of each step, (N, M)."""

    def one(x: State, side_one: State | None, number: jax.Array) -> jax.Array:
        own, (key_first, key_steps) = chain.given(side_one), jr.split(jr.fold_in(key, number))
        # the model's own paths are not those of the data that an amortised network has seen
        given = own.for_data(x) if objective == "bound" else own.diffusion

        def ratio(s: Time | None, t: Time, key_step: Key) -> Scalar:
            m = 0.5 * t if s is None else 0.5 * (s + t)
            return 2.0 * _log_ratio(given, _DRAWN[objective](given, x, s, m, t, key_step), s, m, t)

        times = chain.times
        steps = (times[:-1], times[1:], jr.split(key_steps, len(times) - 1))
        found = jax.lax.map(lambda at: ratio(*at), steps)
        return jnp.concatenate([ratio(None, times[0], key_first)[None], found]) if with_first else found

    return jax.vmap(one)(xs, side, numbers)


def _forth(diffusion: Diffusion, x: State, s: Time | None, m: Time, t: Time, key: Key) -> tuple[State, State, State]:
    """z_s, z_m and z_t of a forward path from x; without s it is x that comes first."""
    kernel, keys = diffusion.kernel, jr.split(key, 3)
    z_s = x if s is None else kernel.marginal(x, s).sample(keys[0])
    z_m = (kernel.marginal(x, m) if s is None else kernel.transition(z_s, s, m)).sample(keys[1])
    return z_s, z_m, kernel.transition(z_m, m, t).sample(keys[2])


def _back(diffusion: Diffusion, x: State, s: Time | None, m: Time, t: Time, key: Key) -> tuple[State, State, State]:
    """z_t given x, and two half steps back by the model, from there to z_m and z_s, or to data."""
    kernel, keys = diffusion.kernel, jr.split(key, 3)
    z_t = kernel.marginal(x, t).sample(keys[0])
    z_m = _learned(diffusion, z_t, t, m)[0].sample(keys[1])
    return _learned(diffusion, z_m, m, s)[0].sample(keys[2]), z_m, z_t


def _learned(diffusion: Diffusion, z: State, t: Time, *earlier: Time | None) -> list[AbstractDistribution]:
    """What comes before z_t at every earlier time, from one call of the network; before none come data."""
    params = diffusion.params(z, t)
    return [diffusion.decode(params, z, t) if s is None else diffusion.reverse(params, z, s, t) for s in earlier]


def _log_ratio(diffusion: Diffusion, states: tuple[State, State, State], s: Time | None, m: Time, t: Time) -> Scalar:
    """log p of two half steps over log p of the whole step, in which the forward process fills in the state between."""
    kernel, (z_s, z_m, z_t) = diffusion.kernel, states
    (second,), (first, whole) = _learned(diffusion, z_m, m, s), _learned(diffusion, z_t, t, m, s)
    to_m, to_t = (kernel.marginal(z_s, at) if s is None else kernel.transition(z_s, s, at) for at in (m, t))
    between = to_m.log_prob(z_m) + kernel.transition(z_m, m, t).log_prob(z_t) - to_t.log_prob(z_t)
    return first.log_prob(z_m) + second.log_prob(z_s) - between - whole.log_prob(z_s)


_DRAWN = {"bound": _forth, "ancestral": _back}
