"""Laws of networks, for the ports that they were built for."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import Key
from quasistatic._process.model import AbstractModel, Ports, Side
from quasistatic._process.tree import take
from quasistatic.testing._law import WORK, law
from quasistatic.testing._laws.inputs import Inputs, answer, answers, inputs, many_inputs, some_absent, stirred, vector
from quasistatic.testing._reading import Reading, faults, not_measured, worst
from quasistatic.testing._setting import Setting, layout_of, spread, types_of, widened
from quasistatic.testing._tools.key_trace import key_faults

# inputs over which every number of a network gets a gradient, and the share of the params that dropout may lose, alone and for
# the relative variance between keys: the built-in networks, which are not linear, lose up to 0.6 of that. Beyond NOISY curves
# may lose as much as what is not made up for, if not all
GENERIC, DROPPED, CURVED, NOISY = 32, 0.03, 0.6, 0.5


@law(
    "model",
    "zero-start",
    "A fresh network gives zero params, which are the exact reversal of the reference.",
    WORK,
    unseen="Inputs other than its eight.",
)
def zero_start(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    return Reading(float(jnp.max(jnp.abs(answers(model, many_inputs(ports, setting, 8))))), 1e-6, "in a param")


@law(
    "model",
    "shapes",
    "Params in their layout, whether side information is present, absent or not offered, and with a key.",
    unseen="Params of a right shape and a wrong meaning.",
)
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
    "agreement",
    "One event alone, under vmap, under jit and in a batch spread over all devices: the same params.",
    unseen="What is less than 30 times what its own rounding changes, in a network that amplifies it.",
)
def agreement(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 2 * jax.device_count())
    batched, sharded = answers(network, batch), np.asarray(answers(network, spread(batch)))
    readings = []
    for number in range(2):
        one = take(batch, number)
        alone = np.asarray(vector(one.ask(network)))
        others = {"vmap": batched[number], "jit": answer(network, one), "many devices": sharded[number]}
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
        return vector(one.ask(jax.tree.unflatten(tree, moved)))

    return jax.lax.map(answer, keys)


@law(
    "model",
    "pure",
    "No hidden state: the same question has the same answer, and asking changes no leaf of the network.",
    unseen="State that changes after more than three calls.",
)
def pure(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, one, two = stirred(model, setting.key(61)), inputs(ports, setting.key(60)), inputs(ports, setting.key(62))
    before = [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array))]
    first, _, again = (np.asarray(vector(each.ask(network))) for each in (one, two, one))
    after = jax.tree.leaves(eqx.filter(network, eqx.is_array))
    bad = [] if np.array_equal(first, again) else ["the answer changed"]
    if len(before) != len(after) or any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=False)):
        bad.append("a leaf changed")
    return faults(bad)


@law(
    "model",
    "counted",
    "What is trained can be counted: at least one number, every one of them finite.",
    unseen="Whether the numbers are of a wise size.",
)
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
    float64=True,  # where float32 has no number for the gradient of a unit that is far from all inputs,
    unseen="A gradient of a wrong size, and numbers that do nothing at this size of an event.",
)
def trained(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), widened(some_absent(many_inputs(ports, setting, GENERIC)))
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
    if np.max(np.abs(np.asarray(answers(moved, batch)) - np.asarray(answers(network, batch)))) > 1e-9:
        return faults([f"{'; '.join(some)}, though the params depend on them"], unit)
    return worst([faults([], unit), not_measured(f"{'; '.join(some)} that do nothing at this size")])


@eqx.filter_jit
def _gradient_sizes(network: AbstractModel, batch: Inputs, keys: Key) -> Any:
    """Sums over inputs of the absolute gradient of some sum of the params."""

    @eqx.filter_grad
    def gradient(network: AbstractModel, one: Inputs, key: Key) -> jax.Array:
        params = vector(one.ask(network))
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
    unseen="Some hundredths of the params; layers that are not linear may move the mean by the variance between keys.",
)
def dropout(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    network, batch = stirred(model, setting.key(61)), many_inputs(ports, setting, 16)
    one, other = (answer(network, take(batch, 0), setting.key(role)) for role in (65, 66))
    if np.array_equal(one, other):
        return not_measured("no key changes the params: nothing is silenced")
    plain = np.asarray(answers(network, batch))
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
        params = jax.vmap(lambda one, key: vector(one.ask(network, key)))(batch, jr.split(key, len(batch.t)))
        return params, params**2

    mean, square = jax.lax.map(one, keys, batch_size=32)
    return jnp.mean(mean, axis=0), jnp.mean(square, axis=0)


@law(
    "model",
    "keys",
    "The key of training (dropout) is split once, drawn from once, or folded with different numbers.",
    once=True,
    unseen="Keys that the network makes itself.",
)
def keys(model: AbstractModel, ports: Ports, setting: Setting) -> Reading:
    one = inputs(ports, setting.key(60))
    return faults(key_faults(lambda key: one.ask(model, key), setting.key(0)))
