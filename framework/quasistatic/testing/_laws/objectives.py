"""Laws of the losses of objectives, on three small kernels with a network that is wrong."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.diffusion import Diffusion, FirstStep
from quasistatic._process.distribution import Key, State
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.ledger import ledger as ledger_of
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.tree import take
from quasistatic.oracles._ledger import prior_term
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._reading import Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting, enumerate_states
from quasistatic.testing._tools.bench import Redraw, benches, joined, on_those_taken, tried_on_all
from quasistatic.testing._tools.key_trace import key_faults
from quasistatic.testing._tools.statistics import scores

DRAWS = 8_000
# steps of a chain, its first step, and whether side information is present: one step, two, an odd number, an even one, and many
CHAINS: dict[str, tuple[tuple[int, FirstStep, bool], ...]] = {
    "symbols": ((1, "learned", True), (4, "learned", True), (5, "paper", False)),
    "numbers": ((2, "paper", True), (33, "learned", False)),
    "Gaussian path": ((3, "learned", True),),
}


def is_bound(objective: AbstractObjective) -> bool:
    return objective.is_bound


def prepared(objective: AbstractObjective, diffusion: Diffusion, setting: Setting) -> AbstractObjective:
    xs = jax.tree.map(np.asarray, setting.data(diffusion.kernel, 200))
    return objective.prepare(diffusion, xs, None, key=setting.key(40))


def loss_of(objective: AbstractObjective, diffusion: Diffusion, x: State, key: Key) -> jax.Array:
    key_u, key_loss = jr.split(key)
    return objective(diffusion, x, jr.uniform(key_u), key=key_loss)[0]


@eqx.filter_jit
def losses_of(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    return jax.vmap(lambda key: loss_of(objective, diffusion, x, key))(keys)


@law(
    "objective",
    "taken",
    "There is a kernel that the objective takes: symbols, numbers or a Gaussian path. What it does not take it refuses with a "
    "TypeError of its own.",
    once=True,
    unseen="Kernels of other kinds, which it may take and weigh wrongly.",
)
def taken(objective: AbstractObjective, setting: Setting) -> Reading:
    def tried(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, x = setting.diffusion_with_random_network(kernel, 4), take(setting.data(kernel, 1), 0)
        ready = prepared(objective, diffusion, setting)
        jax.eval_shape(lambda: loss_of(ready, diffusion, x, setting.key(0)))
        return faults([])

    return worst(tried_on_all(tried))


@law(
    "objective",
    "unbiased",
    "The mean over times and noises is -K without its prior term, which nothing trained moves, with side information and without, "
    "with either first step, on chains of one step, of two, and of many.",
    f"{PAPER}, eq. 14",
    when=is_bound,
    float64=True,
    unseen="An objective that claims no bound; a bias of less than a twentieth of a deviation.",
)
def unbiased(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        readings = []
        for number, (steps, first_step, present) in enumerate(CHAINS[name]):
            diffusion = setting.diffusion_with_side_information(kernel, steps, first_step, present)
            ready = prepared(objective, diffusion, setting)
            x, keys = take(setting.data(kernel, 3), number), setting.keys(41, DRAWS)
            losses = losses_of(ready, diffusion, x, keys)
            terms = ledger_of(diffusion, jnp.repeat(x[None], len(keys), axis=0), key=setting.key(42)).terms
            side = "" if present else ", side information absent"
            where = f"{name}, T = {steps}, first step {first_step}{side}"
            readings.append(statistical(scores(losses, terms[:, :-1].sum(axis=1)), where))
        return worst(readings)

    return worst(on_those_taken(on))


@law(
    "objective",
    "never-better",
    "No mean loss promises more than there is: over all events the exponentials of K add up to one at most.",
    f"{PAPER}, eq. 14",
    when=is_bound,
    float64=True,
    unseen="A loss that is too high.",
)
def never_better(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, (xs, _) = setting.diffusion_with_random_network(kernel, 5), enumerate_states(kernel)
        ready, keys = prepared(objective, diffusion, setting), setting.keys(46, DRAWS)
        losses = np.stack([np.asarray(losses_of(ready, diffusion, x, keys)) for x in xs])
        weights = np.exp(-losses.mean(axis=1) - np.asarray(jax.vmap(lambda x: prior_term(kernel, x, jnp.ones(())))(xs)))
        error = np.linalg.norm(weights * losses.std(axis=1)) / len(keys) ** 0.5
        return statistical(float((weights.sum() - 1.0) / error), unit="standard errors above probability 1")

    return worst(on_those_taken(on, {"symbols": Redraw()}))


@law(
    "objective",
    "variance",
    "One loss is one draw of an estimate: its standard deviation, which must be a number; a smaller one trains faster.",
    unseen="How fast a network trains by it.",
)
def variance(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion = setting.diffusion_with_random_network(kernel, 4)
        ready, x = prepared(objective, diffusion, setting), take(setting.data(kernel, 1), 0)
        deviation = float(jnp.std(losses_of(ready, diffusion, x, setting.some_keys(49, 1_000))))
        return Reading(deviation, float(np.finfo(np.float32).max), "nats, standard deviation of one loss", name)

    return worst(on_those_taken(on))


def _value(objective: AbstractObjective, diffusion: Diffusion, x: State, u: jax.Array, key: Key) -> jax.Array:
    return objective(diffusion, x, u, key=key)[0]


_value_compiled = eqx.filter_jit(_value)


@law(
    "objective",
    "keys",
    "A key is split once, drawn from once, or folded with different numbers; the loss is a function of it, compiled or not.",
    once=True,
    unseen="Keys that are made at `prepare`.",
)
def keys(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, x = setting.diffusion_with_random_network(kernel, 4), take(setting.data(kernel, 1), 0)
        ready, u = prepared(objective, diffusion, setting), jnp.asarray(0.6)

        def slope(key: Key) -> Any:
            return jax.value_and_grad(lambda v: ready(diffusion, x * v, u, key=key)[0])(1.0)

        bad = key_faults(slope, setting.key(0))
        value, compiled = (ask(ready, diffusion, x, u, setting.key(1)) for ask in (_value, _value_compiled))
        if not np.allclose(value, compiled, rtol=1e-4, atol=1e-4):
            bad = [*bad, f"{name}: the same key gives two losses, or another one when compiled"]
        return faults(bad)

    return worst(on_those_taken(on))


@law(
    "objective",
    "scalars",
    "The values for observers are scalars, under the same names for every event and time.",
    once=True,
    unseen="What the values mean.",
)
def scalars(objective: AbstractObjective, setting: Setting) -> Reading:
    found: dict[str, dict[str, tuple[int, ...]]] = {}

    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, xs = setting.diffusion_with_random_network(kernel, 4), setting.data(kernel, 2)
        ready = prepared(objective, diffusion, setting)
        for number, u in enumerate((0.1, 0.9)):  # outside of jit, where a difference would be an error
            _, values = ready(diffusion, take(xs, number), jnp.asarray(u), key=setting.key(39))
            found[f"{name}, u = {u}"] = {key: jnp.shape(value) for key, value in values.items()}
        wanted = {name: () for name in next(iter(found.values())) if name not in ("loss_nats", "gradient_norm")}
        return faults(f"{where}: {shapes}, expected {wanted}" for where, shapes in found.items() if shapes != wanted)

    return worst(on_those_taken(on, {**benches(), "three parts": joined()}))


_loss_alone = eqx.filter_jit(loss_of)
_losses_together = eqx.filter_jit(eqx.filter_vmap(loss_of, in_axes=(None, None, 0, 0)))


@law(
    "objective",
    "agreement",
    "One event alone and in a batch, in two programs: the same scalar.",
    float64=True,
    unseen="What goes wrong in batches larger than three.",
)
def agreement(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, xs = setting.diffusion_with_random_network(kernel, 4), setting.data(kernel, 3)
        keys, ready = setting.some_keys(45, 3), prepared(objective, diffusion, setting)
        alone = [_loss_alone(ready, diffusion, x, key) for x, key in zip(xs, keys, strict=True)]
        if any(jnp.shape(loss) != () for loss in alone):
            return Reading(1.0, 0.0, "losses that are no scalars")
        gap = jnp.max(jnp.abs(jnp.stack(alone) - _losses_together(ready, diffusion, xs, keys)))
        return Reading(float(gap), 1e-9, "nats", name)

    return worst(on_those_taken(on))


@law(
    "objective",
    "prepared",
    "An objective that is prepared twice is as it was: the same losses.",
    once=True,
    float64=True,
    unseen="What a look at other events would change.",
)
def prepared_twice(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, x = setting.diffusion_with_random_network(kernel, 4), take(setting.data(kernel, 1), 0)
        ready = prepared(objective, diffusion, setting)
        keys = setting.some_keys(45, 16)
        once, twice = (losses_of(each, diffusion, x, keys) for each in (ready, prepared(ready, diffusion, setting)))
        return Reading(float(jnp.max(jnp.abs(once - twice))), 1e-9, "nats", name)

    return worst(on_those_taken(on))
