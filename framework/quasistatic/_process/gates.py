"""Which numbers of an event exist, and distributions of events of states and numbers."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int

from quasistatic._process.distribution import AbstractDistribution, AbstractElementwiseDistribution, Key, Scalar, State
from quasistatic._process.fields import Fields
from quasistatic._process.finite import FLOOR
from quasistatic._process.product import AbstractProduct


class _Hung(NamedTuple):
    """Where the elements of a part hang: places in the vector of all states, the state wanted there, and what hangs nowhere."""

    places: np.ndarray
    states: np.ndarray
    always: np.ndarray


@functools.lru_cache(maxsize=64)
def _table(event: Fields) -> dict[str, _Hung]:
    """By gated part, arrays of its shape."""
    names = states_of(event)
    starts = dict(zip(names, np.cumsum([0, *(event[name].size for name in names)]).tolist(), strict=False))
    found = {}
    for name, gates in event.gates:
        rows = [(0, 0, True) if gate is None else (starts[gate.part] + gate.element, gate.state, False) for gate in gates]
        places, states, always = (np.reshape(column, event[name].shape) for column in zip(*rows, strict=True))
        found[name] = _Hung(places.astype(np.int32), states.astype(np.int32), always)
    return found


def states_of(event: Fields) -> list[str]:
    """The names of the parts without gates."""
    gated = {name for name, _ in event.gates}
    return [name for name in event if name not in gated]


def with_gaps(event: Fields) -> list[str]:
    """The names of the parts some numbers of which need not exist."""
    return [name for name, gates in event.gates if any(gate is not None for gate in gates)]


def state_vector(event: Fields, x: State) -> Int[Array, " states"]:
    """The states of one event, of all parts without gates, in the order of `states_of`."""
    vectors = [jnp.ravel(x[name]).astype(jnp.int32) for name in states_of(event)]
    return jnp.concatenate([jnp.zeros(0, jnp.int32), *vectors])


def existing(event: Fields, x: State) -> dict[str, Bool[Array, "*event"]]:
    """Which numbers of an event exist, by gated part."""
    states = state_vector(event, x)
    return {
        name: jnp.asarray(hung.always if hung.always.all() else hung.always | (states[hung.places] == hung.states))
        for name, hung in _table(event).items()
    }


class Gated(AbstractProduct):
    """States, and numbers that stand still, or are drawn: those alone that the states say exist, or where not `by_states` all.

    `parts` of numbers are those of numbers that exist. `still` has their values where `is_still` (they count nowhere else).
    """

    parts: dict[str, AbstractDistribution]
    event: Fields = eqx.field(static=True)
    by_states: Bool[Array, ""]
    still: dict[str, Array]
    is_still: Bool[Array, ""]

    def with_parts(self, parts: Mapping[str, AbstractDistribution]) -> "Gated":
        return Gated({**self.parts, **parts}, self.event, self.by_states, self.still, self.is_still)

    def _drawn(self, states: State) -> dict[str, Bool[Array, "*event"]]:
        """Which numbers are drawn, by part, for events with these states."""
        return {name: ~self.is_still & (there | ~self.by_states) for name, there in existing(self.event, states).items()}

    def _else(self, name: str) -> Array:
        """What a number is that is not drawn."""
        return jnp.where(self.is_still, self.still[name], 0.0)

    def _states(self, key: Key) -> State:
        names = states_of(self.event)
        return {name: self.parts[name].sample(one) for name, one in zip(names, jr.split(key, len(names)), strict=True)}

    def _sum(self, name: str, drawn: Array, whole: Callable[[], Scalar], each: Callable[[], Array]) -> Scalar:
        """Of a value of numbers its sum over those that are drawn: of a part without gaps the value of the whole part."""
        if name not in with_gaps(self.event):
            return jnp.where(self.is_still, 0.0, whole())
        return jnp.sum(jnp.where(drawn, each(), 0.0))

    def _log_prob(self, name: str, drawn: Array, x: Array) -> Scalar:
        part = self.parts[name]
        return self._sum(name, drawn, lambda: part.log_prob(x), lambda: _elementwise(part).log_probs(x))

    def _kl(self, name: str, drawn: Array, other: AbstractDistribution, key: Key) -> Scalar:
        part = self.parts[name]
        each = lambda: _elementwise(part).kls(_elementwise(other), key=key)  # noqa: E731
        return self._sum(name, drawn, lambda: part.kl(other, key=key), each)

    def _entropy(self, name: str, drawn: Array, key: Key) -> Scalar:
        part = self.parts[name]
        return self._sum(name, drawn, lambda: part.entropy(key), lambda: _elementwise(part).entropies(key))

    def sample(self, key: Key) -> State:
        return self._joined({name: part.sample(one) for name, (part, one) in self._keyed(key).items()})

    def pair(self, key: Key) -> tuple[State, State]:
        pairs = {name: part.pair(one) for name, (part, one) in self._keyed(key).items()}
        one, other = ({name: pair[number] for name, pair in pairs.items()} for number in (0, 1))
        return self._joined(one), self._joined(other)

    def _joined(self, drawn: State) -> State:
        """States, and of the numbers drawn those that are."""
        are_drawn = self._drawn(drawn)
        return {
            name: jnp.where(are_drawn[name], value, self._else(name)) if name in are_drawn else value
            for name, value in drawn.items()
        }

    def log_prob_by_part(self, x: State) -> dict[str, Scalar]:
        found = {name: self.parts[name].log_prob(x[name]) for name in states_of(self.event)}
        for name, drawn in self._drawn(x).items():
            # what is not drawn is certain, and has no density
            kept = jnp.sum(jnp.where(drawn | (x[name] == self._else(name)), 0.0, FLOOR))
            found[name] = kept + self._log_prob(name, drawn, x[name])
        return found

    def kl_by_part(self, other: AbstractDistribution, *, key: Key) -> dict[str, Scalar]:
        """Of two distributions of the same step. Which numbers exist is drawn, if it is not certain."""
        if not isinstance(other, AbstractProduct):
            raise TypeError(f"kl_by_part: expected a product, got a {type(other).__name__}")
        key_states, key_parts = jr.split(key)
        drawn, found = self._drawn(self._states(key_states)), {}
        for name, (part, one) in self._keyed(key_parts).items():
            q = other.parts[name]
            found[name] = self._kl(name, drawn[name], q, one) if name in drawn else part.kl(q, key=one)
        return found

    def entropy(self, key: Key) -> Scalar:
        """Which numbers exist is drawn, if it is not certain."""
        key_states, key_parts = jr.split(key)
        drawn, total = self._drawn(self._states(key_states)), jnp.zeros(())
        for name, (part, one) in self._keyed(key_parts).items():
            total += self._entropy(name, drawn[name], one) if name in drawn else part.entropy(one)
        return total

    def score(self, x: State) -> Scalar:
        drawn, total = self._drawn(x), jnp.zeros(())
        for name, part in self.parts.items():
            if name not in drawn:
                total += part.score(x[name])
            elif not part.is_reparametrised:
                total += self._log_prob(name, drawn[name], jax.lax.stop_gradient(x[name]))
        return total


def _elementwise(part: AbstractDistribution) -> AbstractElementwiseDistribution:
    assert isinstance(part, AbstractElementwiseDistribution)  # `gated_kernel` has seen to that
    return part
