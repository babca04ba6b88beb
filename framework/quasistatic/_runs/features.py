"""What a run knows of events as vectors of numbers, for methods that take these: groups, maps, classifiers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from quasistatic._data.answers import far_outside
from quasistatic._data.conversion import data_of
from quasistatic._data.source import Data
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import AbstractDistribution, Key, State, Time
from quasistatic._process.event import AbstractEvent, AbstractField, Categorical
from quasistatic._process.held import Phases, Point
from quasistatic._process.normal import mean_of
from quasistatic._process.own_noise import terms_with_own_noise, with_own_noise
from quasistatic._process.product import AbstractProduct
from quasistatic._training.keys import Role, role_key
from quasistatic.errors import InputError

if TYPE_CHECKING:
    from quasistatic._runs.run import Run

By = Literal["mean", "hidden", "ledger"]
At = float | Literal["auto"]
STEPS = 24  # of the chain whose terms are the ledger's features
LEVELS = 16  # of noise, of which one is chosen
JUDGED = 256  # training events that it is chosen by, at most
KNOWN = 0.9  # the share of the variance of the data that is known at that level


@attrs.frozen(eq=False)
class Features:
    """Of N events: `values` (N, D), float64, with `names` (D,); at this `time` of the chain, None for the ledger of all of it.

    By 'mean' they are E[x given z_t], of symbols their probabilities; by 'hidden' a hidden layer of the network, where it offers
    one (Xiang et al. 2023); by 'ledger' the terms of -K of a chain of 24 steps, in nats. All are means over draws of the noise.
    The time is that of z_t; by default, where nine tenths of the variance of training events are known. Events outside of the
    model are `data.outside`.
    """

    values: np.ndarray
    names: tuple[str, ...]
    time: float | None
    data: Data


def features(run: Run, events: Data | Any, *, by: By, time: At, seed: int, repeats: int) -> Features:
    """Of events: `Data`, the rows of a data frame, or values (N, ...) in the user's units. See `Run.features`."""
    if by not in get_args(By):
        raise InputError(f"features: by: expected one of {', '.join(get_args(By))}, got {by!r}")
    if repeats < 1:
        raise InputError(f"features: repeats: expected at least 1, got {repeats}")
    if not isinstance(events, Data):
        events = data_of(run.source, events)
    diffusion, key = run.diffusion, role_key(seed, Role.EVALUATION)
    if by == "ledger":
        names, at = ("first", *(f"step_{number}" for number in range(1, STEPS)), "prior"), None
    else:
        at = telling_time(run, seed=seed) if time == "auto" else _checked(run, time)
        measure = eqx.Partial(_MEASURES[by], diffusion, jnp.asarray(at, jnp.result_type(float)))
        names = _names(run.source.event, measure, by)
    if not len(events):
        return Features(np.zeros((0, len(names))), names, at, events)
    if by == "ledger":
        drawn = terms_with_own_noise(diffusion, events.x, key=key, steps=STEPS, side=events.side, repeats=repeats)
    else:
        drawn = with_own_noise("features", measure, diffusion, events.x, key=key, side=events.side, repeats=repeats)
    # one draw after another: in what order numpy sums may depend on how many events there are
    values = functools.reduce(np.add, drawn) / repeats
    is_near = np.isfinite(values).all(axis=1)
    return Features(values[is_near], names, at, events if is_near.all() else far_outside(events, is_near))


def telling_time(run: Run, seed: int = 0) -> float:
    """The time at which noise leaves nine tenths of the variance of the data known: that of the means that the network makes.

    By training events, without labels. Below it features hold what is of one event alone, above it what all have in common.
    """
    diffusion, key = run.diffusion, role_key(seed, Role.EVALUATION)
    train, times = run.source.split("train", JUDGED), np.asarray(diffusion.times(), np.float64)
    levels = np.unique(times[np.linspace(0, len(times) - 1, LEVELS).round().astype(int)])
    measure = eqx.Partial(_at_levels, diffusion, jnp.asarray(levels, jnp.result_type(float)))
    means = with_own_noise("noise levels", measure, diffusion, train.x, key=key, side=train.side)[0]
    known = means.var(axis=0).sum(axis=-1)  # the rest of the variance is the mean of those given z (law of total variance)
    return float(levels[np.argmin(np.abs(known / known.max() - KNOWN))])


def _checked(run: Run, time: float) -> float:
    first = float(run.diffusion.times()[0])
    if not first <= time <= 1.0:
        raise InputError(f"features: time: expected 'auto', or one from {first:.3g}, the first of the run, to 1, got {time!r}")
    return float(time)


def _names(event: AbstractEvent, measure: Any, by: By) -> tuple[str, ...]:
    """Names of all numbers; InputError of a network that offers no hidden layer."""
    xs = jax.tree.map(lambda struct: jnp.zeros(struct.shape, struct.dtype), event.structs)
    if by == "mean":
        sizes = {name: field.size * _states(field) for name, field in event.parts().items()}
        return tuple(f"{name or 'x'}.{number}" for name, size in sizes.items() for number in range(size))
    found = eqx.filter_eval_shape(measure, xs, None, jax.random.key(0))
    return tuple(f"hidden.{number}" for number in range(found.size))


def _at_levels(diffusion: Diffusion, times: Array, x: State, side: State | None, key: Key) -> Float[Array, "times numbers"]:
    return jax.lax.map(lambda t: _posterior_mean(diffusion, t, x, side, key), times)


def _noisy(diffusion: Diffusion, t: Time, x: State, side: State | None, key: Key) -> tuple[Diffusion, State]:
    given = diffusion.given(side)
    return given, given.kernel.marginal(x, t).sample(key)


def _posterior_mean(diffusion: Diffusion, t: Time, x: State, side: State | None, key: Key) -> Float[Array, " numbers"]:
    """E[x given z_t] of one draw of z_t; of symbols their probabilities."""
    given, z = _noisy(diffusion, t, x, side, key)
    data, event = given.denoise(given.params(z, t), z, t), diffusion.kernel.event
    parts = data.parts if isinstance(data, AbstractProduct) else {"": data}
    return jnp.concatenate([_mean(parts[name], field).ravel() for name, field in event.parts().items()])


def _mean(data: AbstractDistribution, field: AbstractField) -> Array:
    if isinstance(data, Phases):
        return data.chosen([_mean(phase, field) for phase in data.phases])
    if isinstance(data, Point):
        states = _states(field)
        return data.value if states == 1 else jax.nn.one_hot(data.value, states)
    found = mean_of(data)
    return found[..., 1:] if _states(field) == 1 and found.shape != field.shape else found


def _states(field: AbstractField) -> int:
    """How many numbers the mean of an element has."""
    return field.categories if isinstance(field, Categorical) else 1


def _representation(diffusion: Diffusion, t: Time, x: State, side: State | None, key: Key) -> Float[Array, " units"]:
    given, z = _noisy(diffusion, t, x, side, key)
    found = given.model.representation(given.kernel.encode(z, t), t, given.side)
    if found is None:
        raise InputError(f"features: the network {type(given.model).__name__} offers no hidden layer; take by = 'mean' or 'ledger'")
    return found


_MEASURES = {"mean": _posterior_mean, "hidden": _representation}
