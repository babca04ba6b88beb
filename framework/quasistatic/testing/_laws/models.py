"""Laws of networks, for the ports that they were built for."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from quasistatic._process.distribution import Key, State
from quasistatic._process.event import AbstractEvent, AbstractField, Binary, Categorical, Counts, Levels
from quasistatic._process.model import AbstractModel, Ports, Side
from quasistatic._process.tree import Layout, take
from quasistatic.testing._law import WORK, law
from quasistatic.testing._reading import Reading, faults, not_measured, worst
from quasistatic.testing._setting import Setting, layout_of, spread, types_of, widened
from quasistatic.testing._tools.key_trace import key_faults

# inputs over which every number of a network gets a gradient, and the share of the params that dropout may lose, alone and for
# the relative variance between keys: the built-in networks, which are not linear, lose up to 0.6 of that. Beyond NOISY curves
# may lose as much as what is not made up for, if not all
GENERIC, DROPPED, CURVED, NOISY = 32, 0.03, 0.6, 0.5


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


def stirred(model: AbstractModel, key: Key) -> AbstractModel:
    """The network some way into training: every trained leaf moved."""
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(key, len(leaves))
    moved = [
        leaf + 0.3 * jr.normal(key, leaf.shape, leaf.dtype) if eqx.is_inexact_array(leaf) else leaf
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


def _vector(params: State) -> jax.Array:
    return layout_of(params).ravel(params)


@eqx.filter_jit
def _answers(model: AbstractModel, batch: Inputs) -> jax.Array:
    """Params of many inputs, a row for each."""
    return jax.vmap(lambda one: _vector(one.ask(model)))(batch)


@eqx.filter_jit
def _answer(model: AbstractModel, one: Inputs, key: Key | None = None) -> jax.Array:
    return _vector(one.ask(model, key))


@law("model", "zero-start", "A fresh network gives zero params, which are the exact reversal of the reference.", WORK)
def zero_start(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    return Reading(float(jnp.max(jnp.abs(_answers(model, many_inputs(ports, setting, 8))))), 1e-6, "in a param")


@law("model", "shapes", "Params in their layout, whether side information is present, absent or not offered, and with a key.")
def shapes(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    one = inputs(ports, setting.key(60))
    results = {
        "with side information": one.ask(model),
        "with absent side information": one._replace(side=Side.absent(ports.side)).ask(model),
        "with none": one._replace(side=None).ask(model),
        "with a key": one.ask(model, setting.key(0)),
    }
    found = {name: layout_of(params) for name, params in results.items()}
    return faults(
        (
            f"{name}: {types_of(layout.tree)}, expected {types_of(ports.params.tree)}"
            for name, layout in found.items()
            if layout != ports.params
        ),
        "wrong shapes",
    )


@law(
    "model",
    "reads-all",
    "Once trained, the params change with every feature, with time and with side information; of a causal network, with every "
    "feature but those of the last element, and with side information.",
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
        plain = _answers(network, batch)
        for name, changed in _changed_sides(ports.side, batch.side):
            if bool(jnp.all(_answers(network, batch._replace(side=changed)) == plain)):
                unread.append(f"side information {name}".rstrip())
    return faults(unread, "inputs not read")


def _is_causal(model: AbstractModel) -> bool:
    return model.is_causal


@law(
    "model",
    "causal",
    "Of a causal network, once trained, the params of an element stay as they are whatever its own features, those after it and "
    "time become.",
    when=_is_causal,
)
def causal(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, one = stirred(model, setting.key(61)), inputs(ports, setting.key(62))
    moved = _moved_by_what_follows(network, ports, one, inputs(ports, setting.key(63)))
    return Reading(float(moved), 1e-5 * float(jnp.max(jnp.abs(_answer(network, one)))), "in a param")


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
            return _vector(inputs._replace(features=eqx.combine(features, symbols), t=t).ask(network))

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


@law("model", "agreement", "One event alone, under vmap, under jit and in a batch spread over all devices: the same params.")
def agreement(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 2 * jax.device_count())
    batched, sharded = _answers(network, batch), np.asarray(_answers(network, spread(batch)))
    readings = []
    for number in range(2):
        one = take(batch, number)
        alone = np.asarray(_vector(one.ask(network)))
        others = {"vmap": batched[number], "jit": _answer(network, one), "many devices": sharded[number]}
        size = 1.0 + float(np.max(np.abs(alone)))
        # deep networks with large weights may make much of how float32 rounds
        rounding = float(np.max(np.abs(_rounded_otherwise(network, one, setting.some_keys(66, 4)) - alone))) / size
        gaps = {name: np.max(np.abs(alone - np.asarray(other))) / size for name, other in others.items()}
        readings += [Reading(float(gap), max(1e-4, 30.0 * rounding), "relative", name) for name, gap in gaps.items()]
    return worst(readings)


@eqx.filter_jit
def _rounded_otherwise(model: AbstractModel, one: Inputs, keys: Key) -> jax.Array:
    """Params of one input, a row for each key, by networks whose numbers are off by as much as a float may be."""

    def off(leaf: jax.Array, key: Key) -> jax.Array:
        return leaf * (1.0 + jnp.finfo(leaf.dtype).eps * jr.normal(key, leaf.shape, leaf.dtype))

    def answer(key: Key) -> jax.Array:
        leaves, tree = jax.tree.flatten(model)
        moved = [off(leaf, jr.fold_in(key, number)) if eqx.is_inexact_array(leaf) else leaf for number, leaf in enumerate(leaves)]
        return _vector(one.ask(jax.tree.unflatten(tree, moved)))

    return jax.lax.map(answer, keys)


@law("model", "pure", "No hidden state: the same question has the same answer, and asking changes no leaf of the network.")
def pure(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, one, two = stirred(model, setting.key(61)), inputs(ports, setting.key(60)), inputs(ports, setting.key(62))
    before = [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array))]
    first, _, again = (np.asarray(_vector(each.ask(network))) for each in (one, two, one))
    after = jax.tree.leaves(eqx.filter(network, eqx.is_array))
    bad = [] if np.array_equal(first, again) else ["the answer changed"]
    if len(before) != len(after) or any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=False)):
        bad.append("a leaf changed")
    return faults(bad)


@law("model", "counted", "What is trained can be counted: at least one number, every one of them finite.")
def counted(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    count = sum(leaf.size for leaf in leaves)
    wrong = sum(int(np.sum(~np.isfinite(np.asarray(leaf)))) for leaf in leaves)
    return Reading(float(wrong) if count else 1.0, 0.0, f"of {count} numbers wrong")


@law(
    "model",
    "trained",
    "Every inexact array leaf is a parameter: once leaves have moved, each gets a finite gradient from some input, and so does "
    "every number in it that the params depend on.",
    float64=True,  # where float32 has no number for the gradient of a unit that is far from all inputs
)
def trained(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), widened(many_inputs(ports, setting, GENERIC))
    total = _gradient_sizes(network, batch, setting.some_keys(63, GENERIC))
    still = jax.tree.map(lambda leaf: ~(np.isfinite(leaf) & (np.asarray(leaf) > 0)), total)
    named = jax.tree_util.tree_leaves_with_path(still)
    whole = [jax.tree_util.keystr(path) for path, leaf in named if leaf.size and leaf.all()]
    some = [f"{jax.tree_util.keystr(path)}: {leaf.sum()} numbers" for path, leaf in named if leaf.any() and not leaf.all()]
    unit = "leaves without a finite gradient"
    if whole or not some:
        return faults(whole, unit)
    trained_part, rest = eqx.partition(network, eqx.is_inexact_array)
    moved = eqx.combine(jax.tree.map(lambda leaf, numbers: leaf + 1e-3 * numbers, trained_part, still), rest)
    if np.max(np.abs(np.asarray(_answers(moved, batch)) - np.asarray(_answers(network, batch)))) > 1e-9:
        return faults([f"{'; '.join(some)}, though the params depend on them"], unit)
    return worst([faults([], unit), not_measured(f"{'; '.join(some)} that do nothing at this size")])


@eqx.filter_jit
def _gradient_sizes(network: AbstractModel, batch: Inputs, keys: Key) -> Any:
    """Sums over inputs of the absolute gradient of some sum of the params."""

    @eqx.filter_grad
    def gradient(network: AbstractModel, one: Inputs, key: Key) -> jax.Array:
        params = _vector(one.ask(network))
        return jnp.sum(params * jr.normal(key, params.shape))

    each = jax.vmap(gradient, (None, 0, 0))(network, batch, keys)
    return jax.tree.map(lambda leaf: jnp.abs(leaf).sum(axis=0), each)


@law(
    "model",
    "dropout",
    "What training silences at random it makes up for: over many keys the params are in the mean what they are without a key, but "
    "for the relative variance between keys, which is what layers that are not linear may add.",
    "Srivastava et al. 2014",
    once=True,
)
def dropout(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 16)
    one, other = (_answer(network, take(batch, 0), setting.key(role)) for role in (65, 66))
    if np.array_equal(one, other):
        return not_measured("no key changes the params: nothing is silenced")
    plain = np.asarray(_answers(network, batch))
    mean, square = map(np.asarray, _moments_over_keys(network, batch, setting.keys(64, 512)))
    size = np.sum(plain**2)
    lost, spread_of_keys = abs(np.sum(plain * mean) / size - 1.0), np.sum(square - mean**2) / size
    reading = Reading(float(lost), float(DROPPED + CURVED * spread_of_keys), "of the params lost or gained")
    if spread_of_keys > NOISY and not reading.passed and lost < 1.0:
        return not_measured(f"keys change the params by {spread_of_keys:.2f} of their square: what is lost may be due to curves")
    return reading


@eqx.filter_jit
def _moments_over_keys(network: AbstractModel, batch: Inputs, keys: Key) -> tuple[jax.Array, jax.Array]:
    """The mean over keys of the params of many inputs, a row for each, and of their squares."""

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        params = jax.vmap(lambda one, key: _vector(one.ask(network, key)))(batch, jr.split(key, len(batch.t)))
        return params, params**2

    mean, square = jax.lax.map(one, keys, batch_size=32)
    return jnp.mean(mean, axis=0), jnp.mean(square, axis=0)


@law("model", "keys", "The key of training (dropout) is split once, drawn from once, or folded with different numbers.", once=True)
def keys(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    one = inputs(ports, setting.key(60))
    return faults(key_faults(lambda key: one.ask(model, key), setting.key(0)))
