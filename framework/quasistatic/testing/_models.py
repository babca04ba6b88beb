"""Laws of networks, for the ports that they were built for."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from quasistatic._distribution import Key
from quasistatic._model import AbstractModel, Ports
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, worst


def inputs(ports: Ports, seed: int = 60) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Features, time and side information."""
    key_features, key_time, key_given = jr.split(jr.key(seed), 3)
    features = jr.normal(key_features, (*ports.shape, ports.features))
    given = jr.normal(key_given, (ports.given,)) if ports.given else None
    return features, jr.uniform(key_time), given


def stirred(model: AbstractModel) -> AbstractModel:
    """The network some way into training: every trained leaf moved."""
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(jr.key(61), len(leaves))
    moved = [
        leaf + 0.3 * jr.normal(key, leaf.shape, leaf.dtype) if eqx.is_inexact_array(leaf) else leaf
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


def zero_start(model: AbstractModel, ports: Ports) -> Reading:
    """A fresh network says nothing: all params are zero, which is the exact reversal of the reference law."""
    largest = [float(jnp.max(jnp.abs(model(*inputs(ports, seed))))) for seed in range(3)]
    return Reading(max(largest), 1e-6, "in a param")


def shapes(model: AbstractModel, ports: Ports) -> Reading:
    """Floats of (*shape, params), with side information and without."""
    features, t, given = inputs(ports)
    wanted = (*ports.shape, ports.params)
    results = {"with given": model(features, t, given), "without": model(features, t)}
    results["with a key"] = model(features, t, given, jr.key(0))
    bad = [
        f"{name}: {jnp.shape(params)}, expected {wanted}"
        for name, params in results.items()
        if jnp.shape(params) != wanted or not jnp.issubdtype(params.dtype, jnp.floating)
    ]
    return Reading(float(len(bad)), 0.0, "wrong shapes", "; ".join(bad))


def reads_all(model: AbstractModel, ports: Ports) -> Reading:
    """Once trained, the params change with every feature, with time and with side information."""
    network, (features, t, given) = stirred(model), inputs(ports)
    by_features = jax.jacrev(lambda f: network(f, t, given))(features)
    unread = {"a feature": not bool(jnp.all(jnp.any(by_features != 0, axis=tuple(range(len(ports.shape) + 1)))))}
    said = jnp.stack([network(features, time, given) for time in jnp.linspace(0.0, 1.0, 5)])
    unread["time"] = bool(jnp.any(jnp.all(said[1:] == said[:-1], axis=tuple(range(1, said.ndim)))))
    if given is not None:
        by_given = jax.jacrev(lambda side: network(features, t, side))(given)
        unread["side information"] = not bool(jnp.all(jnp.any(by_given != 0, axis=tuple(range(len(ports.shape) + 1)))))
    names = [name for name, not_read in unread.items() if not_read]
    return Reading(float(len(names)), 0.0, "inputs not read", ", ".join(names))


def agreement(model: AbstractModel, ports: Ports) -> Reading:
    """One event alone, under vmap and under jit: the same params."""
    network = stirred(model)
    batch = [inputs(ports, seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batch)
    batched = jax.vmap(lambda f, t, g: network(f, t, g))(*stacked)
    readings = []
    for number, one in enumerate(batch):
        alone = network(*one)
        others = {"vmap": batched[number], "jit": eqx.filter_jit(network)(*one)}
        size = 1.0 + jnp.max(jnp.abs(alone))
        off = {name: float(jnp.max(jnp.abs(alone - other)) / size) for name, other in others.items()}
        readings += [Reading(figure, 1e-4, "relative", name) for name, figure in off.items()]
    return worst(readings)


def trained(model: AbstractModel, ports: Ports) -> Reading:
    """Every inexact array leaf is a parameter: once leaves have moved, each gets a finite gradient from some input."""
    network = stirred(model)

    @eqx.filter_grad
    def gradient(network: AbstractModel, features: jax.Array, t: jax.Array, given: jax.Array | None, key: Key) -> jax.Array:
        params = network(features, t, given)
        return jnp.sum(params * jr.normal(key, params.shape))

    total: Any = None
    for seed in range(6):
        found = jax.tree.map(jnp.abs, gradient(network, *inputs(ports, seed), jr.key(seed)))
        total = found if total is None else jax.tree.map(jnp.add, total, found)
    bad = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(total)
        if leaf.size and not (bool(jnp.all(jnp.isfinite(leaf))) and bool(jnp.any(leaf > 0)))
    ]
    return Reading(float(len(bad)), 0.0, "leaves without a finite gradient", ", ".join(bad))


def keys(model: AbstractModel, ports: Ports) -> Reading:
    """The key of training (dropout) is split once, drawn from once, or folded with different numbers."""
    faults = key_faults(lambda key: model(*inputs(ports), key), jr.key(0))
    return Reading(float(len(faults)), 0.0, "faults", "; ".join(faults))
