"""Laws of networks, for the ports that they were built for."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._distribution import Key
from quasistatic._model import AbstractModel, Ports
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, faults, worst
from quasistatic.testing._setting import Setting, spread

Inputs = tuple[jax.Array, jax.Array, jax.Array | None]


def inputs(ports: Ports, key: Key) -> Inputs:
    """Features, time and side information."""
    key_features, key_time, key_given = jr.split(key, 3)
    features = jr.normal(key_features, (*ports.shape, ports.features))
    given = jr.normal(key_given, (ports.given,)) if ports.given else None
    return features, jr.uniform(key_time), given


def many_inputs(ports: Ports, setting: Setting, count: int) -> Inputs:
    """So many of them, on a leading axis."""
    return jax.vmap(lambda key: inputs(ports, key))(jr.split(setting.key(60), count))


def stirred(model: AbstractModel, key: Key) -> AbstractModel:
    """The network some way into training: every trained leaf moved."""
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(key, len(leaves))
    moved = [
        leaf + 0.3 * jr.normal(key, leaf.shape, leaf.dtype) if eqx.is_inexact_array(leaf) else leaf
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


@eqx.filter_jit
def _answers(model: AbstractModel, batch: Inputs) -> jax.Array:
    return jax.vmap(lambda f, t, g: model(f, t, g))(*batch)


def zero_start(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """A fresh network says nothing: all params are zero, which is the exact reversal of the reference law."""
    said = _answers(model, many_inputs(ports, setting, 8))
    return Reading(float(jnp.max(jnp.abs(said))), 1e-6, "in a param")


def shapes(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """Floats of (*shape, params), with side information and without."""
    features, t, given = inputs(ports, setting.key(60))
    wanted = (*ports.shape, ports.params)
    results = {"with given": model(features, t, given), "without": model(features, t)}
    results["with a key"] = model(features, t, given, setting.key(0))
    return faults(
        (
            f"{name}: {params.dtype}{list(jnp.shape(params))}, expected floats of {list(wanted)}"
            for name, params in results.items()
            if jnp.shape(params) != wanted or not jnp.issubdtype(params.dtype, jnp.floating)
        ),
        "wrong shapes",
    )


def reads_all(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """Once trained, the params change with every feature, with time and with side information."""
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 16)
    by_features, said, by_given = _sensitivity(network, batch)
    everything = tuple(range(len(ports.shape) + 2))  # the inputs, and all params
    unread = {"a feature": not bool(jnp.all(jnp.any(by_features != 0, axis=everything)))}
    unread["time"] = bool(jnp.any(jnp.all(said[:, 1:] == said[:, :-1], axis=(0, *range(2, said.ndim)))))
    if by_given is not None:
        unread["side information"] = not bool(jnp.all(jnp.any(by_given != 0, axis=everything)))
    return faults((name for name, not_read in unread.items() if not_read), "inputs not read")


@eqx.filter_jit
def _sensitivity(network: AbstractModel, batch: Inputs) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Jacobians by features and by side information, and what is said at five times, for small inputs up to usual ones."""

    def one(size: jax.Array, inputs: Inputs) -> tuple[jax.Array, jax.Array, jax.Array | None]:
        features, t, given = jax.tree.map(lambda leaf: size * leaf, inputs)
        by_features = jax.jacrev(lambda f: network(f, t, given))(features)
        said = jax.vmap(lambda time: network(features, time, given))(jnp.linspace(0.0, 1.0, 5))
        by_given = None if given is None else jax.jacrev(lambda side: network(features, t, side))(given)
        return by_features, said, by_given

    return jax.vmap(one)(jnp.linspace(0.1, 1.0, len(batch[1])), batch)


def agreement(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """One event alone, under vmap, under jit and in a batch spread over all devices: the same params."""
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 2 * jax.device_count())
    sharded = np.asarray(_answers(network, spread(batch)))
    readings = []
    for number in range(2):
        one = jax.tree.map(lambda leaf, number=number: leaf[number], batch)
        alone = network(*one)
        others = {"vmap": _answers(network, batch)[number], "jit": _answer(network, *one), "many devices": sharded[number]}
        size = 1.0 + float(jnp.max(jnp.abs(alone)))
        gaps = {name: np.max(np.abs(np.asarray(alone) - np.asarray(other))) / size for name, other in others.items()}
        readings += [Reading(float(gap), 1e-4, "relative", name) for name, gap in gaps.items()]
    return worst(readings)


@eqx.filter_jit
def _answer(model: AbstractModel, features: jax.Array, t: jax.Array, given: jax.Array | None) -> jax.Array:
    return model(features, t, given)


def pure(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """No hidden state: the same question has the same answer, and asking changes no leaf of the network."""
    network, one = stirred(model, setting.key(61)), inputs(ports, setting.key(60))
    before = [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array))]
    first, other, again = (np.asarray(network(*each)) for each in (one, inputs(ports, setting.key(62)), one))
    after = jax.tree.leaves(eqx.filter(network, eqx.is_array))
    bad = [] if np.array_equal(first, again) and first.shape == other.shape else ["the answer changed"]
    if len(before) != len(after) or any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=False)):
        bad.append("a leaf changed")
    return faults(bad)


def counted(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """What is trained can be counted: at least one figure, every one of them finite; the figure says how many not."""
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    count = sum(leaf.size for leaf in leaves)
    wrong = sum(int(np.sum(~np.isfinite(np.asarray(leaf)))) for leaf in leaves)
    return Reading(float(wrong) if count else 1.0, 0.0, f"of {count} figures wrong")


def trained(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """Every inexact array leaf is a parameter: once leaves have moved, each gets a finite gradient from some input."""
    network = stirred(model, setting.key(61))
    total = _gradient_sizes(network, many_inputs(ports, setting, 6), jr.split(setting.key(63), 6))
    return faults(
        (
            jax.tree_util.keystr(path)
            for path, leaf in jax.tree_util.tree_leaves_with_path(total)
            if leaf.size and not (bool(jnp.all(jnp.isfinite(leaf))) and bool(jnp.any(leaf > 0)))
        ),
        "leaves without a finite gradient",
    )


@eqx.filter_jit
def _gradient_sizes(network: AbstractModel, batch: Inputs, keys: Key) -> Any:
    """Sums over inputs of the absolute gradient of some sum of the params."""

    @eqx.filter_grad
    def gradient(network: AbstractModel, one: Inputs, key: Key) -> jax.Array:
        params = network(*one)
        return jnp.sum(params * jr.normal(key, params.shape))

    each = jax.vmap(gradient, (None, 0, 0))(network, batch, keys)
    return jax.tree.map(lambda leaf: jnp.abs(leaf).sum(axis=0), each)


def keys(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    """The key of training (dropout) is split once, drawn from once, or folded with different numbers."""
    one = inputs(ports, setting.key(60))
    return faults(key_faults(lambda key: model(*one, key), setting.key(0)))
