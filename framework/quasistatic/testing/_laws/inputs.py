"""Where a network is evaluated, and the laws of what it reads of that."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree

from quasistatic._process.distribution import Key, State
from quasistatic._process.event import AbstractEvent, AbstractField, Binary, Categorical, Counts, Levels
from quasistatic._process.model import AbstractModel, Ports, Side
from quasistatic._process.tree import Layout
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults
from quasistatic.testing._setting import Setting, layout_of


class Inputs(NamedTuple):
    """Where a network is evaluated."""

    features: State
    t: jax.Array
    side: Side | None

    def ask(self, model: AbstractModel, key: Key | None = None) -> State:
        return model(self.features, self.t, self.side, key=key)


def inputs(ports: Ports, key: Key) -> Inputs:
    """Features, time and side information at random."""
    key_features, key_time, key_side = jr.split(key, 3)
    return Inputs(_some(ports.features, key_features), jr.uniform(key_time), _some_side(ports.side, key_side))


def _some(layout: Layout, key: Key) -> State:
    """Normal numbers, or small whole ones where the layout has whole numbers."""
    leaves, tree = jax.tree.flatten(layout.tree)
    drawn = []
    for leaf, one in zip(leaves, jr.split(key, len(leaves)), strict=True):
        is_whole = jnp.issubdtype(leaf.dtype, jnp.integer)
        drawn.append(jr.randint(one, leaf.shape, 0, 2, leaf.dtype) if is_whole else jr.normal(one, leaf.shape, leaf.dtype))
    return jax.tree.unflatten(tree, drawn)


def _some_side(event: AbstractEvent | None, key: Key) -> Side | None:
    if event is None:
        return None
    parts = event.parts()
    values = {name: _some_values(field, one) for (name, field), one in zip(parts.items(), jr.split(key, len(parts)), strict=True)}
    return Side(event.build(values), jnp.asarray(True))


def _some_values(field: AbstractField, key: Key) -> jax.Array:
    """Events of one field, whichever are easy to draw."""
    if isinstance(field, Categorical | Binary | Counts):
        return jr.randint(key, field.shape, 0, getattr(field, "categories", 2)).astype(field.dtype)
    if isinstance(field, Levels):
        return field.low + field.spacing * jr.randint(key, field.shape, 0, field.levels)
    return jr.normal(key, field.shape)


def many_inputs(ports: Ports, setting: Setting, count: int) -> Inputs:
    """So many of them, on a leading axis."""
    return jax.vmap(lambda key: inputs(ports, key))(setting.some_keys(60, count))


def some_absent(batch: Inputs) -> Inputs:
    """The same, with every fourth input without its side information."""
    if batch.side is None:
        return batch
    present = jnp.arange(len(batch.t)) % 4 > 0
    value = jax.vmap(lambda here, value: jax.tree.map(lambda leaf: jnp.where(here, leaf, 0), value))(present, batch.side.value)
    return batch._replace(side=Side(value, present))


def stirred(model: AbstractModel, key: Key) -> AbstractModel:
    """The network some way into training: every trained leaf moved."""
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(key, len(leaves))
    moved = [
        leaf + 0.3 * jr.normal(key, leaf.shape, leaf.dtype) if eqx.is_inexact_array(leaf) else leaf
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


def vector(params: State) -> jax.Array:
    return layout_of(params).ravel(params)


@eqx.filter_jit
def answers(model: AbstractModel, batch: Inputs) -> jax.Array:
    """Params of many inputs, a row for each."""
    return jax.vmap(lambda one: vector(one.ask(model)))(batch)


@eqx.filter_jit
def answer(model: AbstractModel, one: Inputs, key: Key | None = None) -> jax.Array:
    return vector(one.ask(model, key))


@law(
    "model",
    "reads-all",
    "Once trained, the params change with every feature, with time, with side information and, of symbols, with whether it is "
    "present; of a causal network, with every feature but those of the last element, and with side information.",
    unseen="An input that is read badly, or a different one at each size of the network.",
)
def reads_all(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 16)
    by_features, over_time = _sensitivity(network, batch)
    if model.is_causal:
        by_features = by_features[: -ports.features.shapes[-1][-1]]
    unread = ["a feature"] if not bool(jnp.all(by_features)) else []
    if not model.is_causal and bool(jnp.any(jnp.all(over_time[:, 1:] == over_time[:, :-1], axis=(0, 2)))):
        unread.append("time")
    if batch.side is not None and ports.side is not None:
        plain = answers(network, batch)
        for name, changed in _changed_sides(ports.side, batch.side):
            if bool(jnp.all(answers(network, batch._replace(side=changed)) == plain)):
                unread.append(f"side information {name}".rstrip())
        absent, zeros = (_with_presence(batch.side, here) for here in (False, True))
        one, other = (answers(network, batch._replace(side=side)) for side in (absent, zeros))
        # of numbers a zero may stand for what is absent, of symbols it is the first one
        has_symbols = any(isinstance(field, Categorical) for field in ports.side.parts().values())
        if has_symbols and bool(jnp.all(one == other)):
            unread.append("whether side information is present: what is absent is read as zeros")
    return faults(unread, "inputs not read")


def _with_presence(side: Side, here: bool) -> Side:
    """Zeros for a batch of side information, which are there or stand for what is absent."""
    return Side(jax.tree.map(jnp.zeros_like, side.value), jnp.full_like(side.present, here))


def _is_causal(model: AbstractModel) -> bool:
    return model.is_causal


@law(
    "model",
    "causal",
    "Of a causal network, once trained, the params of an element stay as they are whatever its own features, those after it and "
    "time become.",
    when=_is_causal,
    unseen="Leaks smaller than rounding.",
)
def causal(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, one = stirred(model, setting.key(61)), inputs(ports, setting.key(62))
    moved = _moved_by_what_follows(network, ports, one, inputs(ports, setting.key(63)))
    return Reading(float(moved), 1e-5 * float(jnp.max(jnp.abs(answer(network, one)))), "in a param")


@eqx.filter_jit
def _moved_by_what_follows(network: AbstractModel, ports: Ports, one: Inputs, other: Inputs) -> jax.Array:
    """How far the params of each element move at most where it, and all after it, have the features of another event."""
    size = sum(math.prod(shape[:-1]) for shape in ports.features.shapes)

    def by_element(tree: State) -> jax.Array:
        return jnp.concatenate([leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(tree)])

    def moved(place: jax.Array) -> jax.Array:
        def mixed(mine: jax.Array, theirs: jax.Array) -> jax.Array:
            numbers = jnp.arange(math.prod(mine.shape[:-1])).reshape(*mine.shape[:-1], 1)
            return jnp.where(numbers < place, mine, theirs)

        changed = Inputs(jax.tree.map(mixed, one.features, other.features), other.t, one.side).ask(network)
        away = jnp.abs(by_element(changed) - by_element(one.ask(network)))
        return jnp.max(jnp.where(jnp.arange(size)[:, None] <= place, away, 0.0))

    return jnp.max(jax.vmap(moved)(jnp.arange(size)))


@eqx.filter_jit
def _sensitivity(network: AbstractModel, batch: Inputs) -> tuple[jax.Array, jax.Array]:
    """Which features move any param, and the params at five times, for small inputs up to usual ones.

    A number moves them with its derivative, a symbol by being another.
    """
    numbers, whole = eqx.partition(batch.features, eqx.is_inexact_array)

    def one(size: jax.Array, features: State, symbols: State, inputs: Inputs) -> tuple[list[jax.Array], jax.Array]:
        scaled = jax.tree.map(lambda leaf: size * leaf, features)

        def at(features: State, symbols: State, t: jax.Array) -> jax.Array:
            return vector(inputs._replace(features=eqx.combine(features, symbols), t=t).ask(network))

        over_time = jax.vmap(lambda t: at(scaled, symbols, t))(jnp.linspace(0.0, 1.0, 5))
        moved = []
        if jax.tree.leaves(scaled):
            jacobian = jax.jacrev(lambda features: at(features, symbols, size * inputs.t))(scaled)
            moved += [jnp.any(leaf != 0, axis=0).ravel() for leaf in jax.tree.leaves(jacobian)]
        if jax.tree.leaves(symbols):
            flat, unravel = ravel_pytree(symbols)
            others = flat ^ jnp.eye(len(flat), dtype=flat.dtype)
            params = jax.vmap(lambda other: at(scaled, unravel(other), size * inputs.t))(others)
            moved.append(jnp.any(params != at(scaled, symbols, size * inputs.t), axis=1))
        return moved, over_time

    moved, over_time = jax.vmap(one)(jnp.linspace(0.1, 1.0, len(batch.t)), numbers, whole, batch)
    return jnp.concatenate([jnp.any(leaf, axis=0) for leaf in moved]), over_time


def _changed_sides(event: AbstractEvent, side: Side) -> list[tuple[str, Side]]:
    """A batch of side information with one element of one part changed, for every element of every part."""
    changed = []
    for name, field in event.parts().items():
        for element in range(field.size):
            parts = {other: event.part_of(side.value, other) for other in event.parts()}
            flat = parts[name].reshape(len(parts[name]), -1)
            old = flat[:, element]
            if isinstance(field, Categorical | Binary):
                new = (old + 1) % getattr(field, "categories", 2)
            elif isinstance(field, Levels):
                new = field.low + field.high - old
            else:
                new = old + 1
            parts[name] = flat.at[:, element].set(new.astype(flat.dtype)).reshape(parts[name].shape)
            changed.append((name, Side(event.build(parts), side.present)))
    return changed
