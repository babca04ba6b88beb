"""Laws of objectives, on small diffusions with a network that is wrong."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from quasistatic._process.diffusion import Diffusion, FirstStep
from quasistatic._process.distribution import Key, State
from quasistatic._process.grid import LearnedGrid
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.ledger import ledger as ledger_of
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.tree import take
from quasistatic._training.engine import trained_part
from quasistatic.oracles._ledger import first_term, gap_term, prior_term
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._reading import Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting, enumerate_states
from quasistatic.testing._tools.bench import Fading, Redraw, joined
from quasistatic.testing._tools.key_trace import key_faults
from quasistatic.testing._tools.statistics import scores

DRAWS = 8_000
FIRST_STEPS: tuple[FirstStep, ...] = ("learned", "paper")


def _is_bound(objective: AbstractObjective) -> bool:
    return objective.is_bound


def _benches() -> dict[str, AbstractKernel]:
    return {"symbols": Redraw(), "numbers": Fading()}


def _prepared(objective: AbstractObjective, diffusion: Diffusion, setting: Setting) -> AbstractObjective:
    xs = jax.tree.map(np.asarray, setting.data(diffusion.kernel, 200))
    return objective.prepare(diffusion, xs, None, key=setting.key(40))


def _loss(objective: AbstractObjective, diffusion: Diffusion, x: State, key: Key) -> jax.Array:
    key_u, key_loss = jr.split(key)
    return objective(diffusion, x, jr.uniform(key_u), key=key_loss)[0]


@eqx.filter_jit
def _losses(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    return jax.vmap(lambda key: _loss(objective, diffusion, x, key))(keys)


@law(
    "objective",
    "unbiased",
    "The mean over times and noises is -K without its prior term, which nothing trained moves, with side information and with "
    "either first step.",
    f"{PAPER}, eq. 14",
    when=_is_bound,
    float64=True,
)
def unbiased(objective: AbstractObjective, setting: Setting) -> Reading:
    readings = []
    for name, kernel in _benches().items():
        for number, first_step in enumerate(FIRST_STEPS):
            diffusion = setting.diffusion_with_side_information(kernel, 4, first_step)
            ready = _prepared(objective, diffusion, setting)
            x, keys = take(setting.data(kernel, 2), number), setting.keys(41, DRAWS)
            losses = _losses(ready, diffusion, x, keys)
            terms = ledger_of(diffusion, jnp.repeat(x[None], len(keys), axis=0), key=setting.key(42)).terms
            readings.append(statistical(scores(losses, terms[:, :-1].sum(axis=1)), f"{name}, first step {first_step}"))
    return worst(readings)


@law(
    "objective",
    "never-better",
    "No mean loss promises more than there is: over all events the exponentials of K add up to one at most.",
    f"{PAPER}, eq. 14",
    when=_is_bound,
    float64=True,
)
def never_better(objective: AbstractObjective, setting: Setting) -> Reading:
    kernel = Redraw()
    diffusion, (xs, _) = setting.diffusion_with_random_network(kernel, 4), enumerate_states(kernel)
    ready, keys = _prepared(objective, diffusion, setting), setting.keys(46, DRAWS)
    losses = np.stack([np.asarray(_losses(ready, diffusion, x, keys)) for x in xs])
    weights = np.exp(-losses.mean(axis=1) - np.asarray(jax.vmap(lambda x: prior_term(kernel, x, jnp.ones(())))(xs)))
    error = np.linalg.norm(weights * losses.std(axis=1)) / len(keys) ** 0.5
    return statistical(float((weights.sum() - 1.0) / error), unit="standard errors above probability 1")


@law(
    "objective",
    "unbiased-gradient",
    "The mean of the gradient is that of the exact -K, for the network and for a learned grid.",
    f"{PAPER}, eq. 14",
    when=_is_bound,
    float64=True,
)
def unbiased_gradient(objective: AbstractObjective, setting: Setting) -> Reading:
    kernel = Redraw()
    diffusion = setting.diffusion_with_random_network(kernel, LearnedGrid(kernel, 4))
    ready, x = _prepared(objective, diffusion, setting), take(setting.data(kernel, 2), 1)
    drawn = _loss_gradients(ready, diffusion, x, setting.keys(43, DRAWS))
    return statistical(scores(drawn, np.asarray(_exact_gradient(diffusion, x))))


@eqx.filter_jit
def _loss_gradients(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    trained, rest = trained_part(diffusion)
    vector, unravel = ravel_pytree(trained)

    def loss(vector: jax.Array, key: Key) -> jax.Array:
        return _loss(objective, eqx.combine(unravel(vector), rest), x, key)

    return jax.vmap(jax.grad(loss), (None, 0))(vector, keys)


@eqx.filter_jit
def _exact_gradient(diffusion: Diffusion, x: State) -> jax.Array:
    trained, rest = trained_part(diffusion)
    vector, unravel = ravel_pytree(trained)

    def exact(vector: jax.Array) -> jax.Array:
        whole = eqx.combine(unravel(vector), rest)
        times = whole.times()
        gaps = jax.lax.map(lambda step: gap_term(whole, x, *step), (times[:-1], times[1:]))
        return first_term(whole, x, times[0]) + gaps.sum()

    return jax.grad(exact)(vector)


@law(
    "objective",
    "finite-differences",
    "The gradient of the loss is what the loss does when the network's numbers move a little, all draws held fixed.",
    float64=True,
)
def finite_differences(objective: AbstractObjective, setting: Setting) -> Reading:
    readings = []
    for name, kernel in _benches().items():
        diffusion = setting.diffusion_with_random_network(kernel, 4)
        ready, x = _prepared(objective, diffusion, setting), take(setting.data(kernel, 2), 0)
        slope, moved = _slopes(ready, diffusion, x, setting.some_keys(47, 16), setting.key(48))
        readings.append(Reading(float(jnp.max(jnp.abs(slope - moved) / (1.0 + jnp.abs(moved)))), 1e-5, "relative", name))
    return worst(readings)


@eqx.filter_jit
def _slopes(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key, key_way: Key) -> tuple[jax.Array, jax.Array]:
    """Along a random way: the derivative of each loss, and its central difference."""
    trained, rest = trained_part(diffusion)
    vector, unravel = ravel_pytree(trained)
    way, small = jr.normal(key_way, vector.shape), 1e-5

    def loss(vector: jax.Array, key: Key) -> jax.Array:
        return _loss(objective, eqx.combine(unravel(vector), rest), x, key)

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        ahead, behind = loss(vector + small * way, key), loss(vector - small * way, key)
        return jnp.dot(jax.grad(loss)(vector, key), way), (ahead - behind) / (2.0 * small)

    return jax.vmap(one)(keys)


@law("objective", "gradients", "Every trained number gets a finite gradient, and not always zero.")
def gradients(objective: AbstractObjective, setting: Setting) -> Reading:
    bad = []
    for name, kernel in _benches().items():
        diffusion = setting.diffusion_with_random_network(kernel, LearnedGrid(kernel, 4))
        ready, x = _prepared(objective, diffusion, setting), take(setting.data(kernel, 1), 0)
        found = _mean_gradient(ready, diffusion, x, setting.some_keys(44, 64))
        for path, leaf in jax.tree_util.tree_leaves_with_path(found):
            if not (np.all(np.isfinite(leaf)) and np.any(np.asarray(leaf) != 0)):
                bad.append(f"{jax.tree_util.keystr(path)} on {name}")
    return faults(bad, "leaves without a finite gradient")


@eqx.filter_jit
def _mean_gradient(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> Any:
    trained, rest = trained_part(diffusion)
    return jax.grad(lambda trained: _losses(objective, eqx.combine(trained, rest), x, keys).mean())(trained)


@law(
    "objective",
    "variance",
    "One loss is one draw of an estimate: its standard deviation, which must be a number; a smaller one trains faster.",
)
def variance(objective: AbstractObjective, setting: Setting) -> Reading:
    deviations = []
    for kernel in _benches().values():
        diffusion = setting.diffusion_with_random_network(kernel, 4)
        ready, x = _prepared(objective, diffusion, setting), take(setting.data(kernel, 1), 0)
        deviations.append(float(jnp.std(_losses(ready, diffusion, x, setting.some_keys(49, 1_000)))))
    return Reading(float(np.max(deviations)), float(np.finfo(np.float32).max), "nats, standard deviation of one loss")


def _value(objective: AbstractObjective, diffusion: Diffusion, x: State, u: jax.Array, key: Key) -> jax.Array:
    return objective(diffusion, x, u, key=key)[0]


_value_compiled = eqx.filter_jit(_value)


@law(
    "objective",
    "keys",
    "A key is split once, drawn from once, or folded with different numbers; the loss is a function of it, compiled or not.",
    once=True,
)
def keys(objective: AbstractObjective, setting: Setting) -> Reading:
    bad = []
    for kernel in _benches().values():
        diffusion, x = setting.diffusion_with_random_network(kernel, 4), take(setting.data(kernel, 1), 0)
        ready, u = _prepared(objective, diffusion, setting), jnp.asarray(0.6)

        def slope(key: Key, ready: AbstractObjective = ready, d: Diffusion = diffusion, x: Any = x, u: Any = u) -> Any:
            return jax.value_and_grad(lambda v: ready(d, x * v, u, key=key)[0])(1.0)

        bad += key_faults(slope, setting.key(0))
        value, compiled = (ask(ready, diffusion, x, u, setting.key(1)) for ask in (_value, _value_compiled))
        if not np.allclose(value, compiled, rtol=1e-4, atol=1e-4):
            bad.append("the same key gives two losses, or another one when compiled")
    return faults(bad)


@law("objective", "scalars", "The values for observers are scalars, under the same names for every event and time.", once=True)
def scalars(objective: AbstractObjective, setting: Setting) -> Reading:
    found = {}
    for name, kernel in {**_benches(), "three parts": joined()}.items():
        diffusion, xs = setting.diffusion_with_random_network(kernel, 4), setting.data(kernel, 2)
        ready = _prepared(objective, diffusion, setting)
        for number, u in enumerate((0.1, 0.9)):  # outside of jit, where a difference would be an error
            _, values = ready(diffusion, take(xs, number), jnp.asarray(u), key=setting.key(39))
            found[f"{name}, u = {u}"] = {key: jnp.shape(value) for key, value in values.items()}
    wanted = {name: () for name in next(iter(found.values())) if name not in ("loss_nats", "gradient_norm")}
    return faults(f"{where}: {shapes}, expected {wanted}" for where, shapes in found.items() if shapes != wanted)


_loss_alone = eqx.filter_jit(_loss)
_losses_of = eqx.filter_jit(eqx.filter_vmap(_loss, in_axes=(None, None, 0, 0)))


@law("objective", "agreement", "One event alone and in a batch, in two programs: the same scalar.", float64=True)
def agreement(objective: AbstractObjective, setting: Setting) -> Reading:
    readings = []
    for name, kernel in _benches().items():
        diffusion, xs = setting.diffusion_with_random_network(kernel, 4), setting.data(kernel, 3)
        keys, ready = setting.some_keys(45, 3), _prepared(objective, diffusion, setting)
        alone = [_loss_alone(ready, diffusion, x, key) for x, key in zip(xs, keys, strict=True)]
        if any(jnp.shape(loss) != () for loss in alone):
            return Reading(1.0, 0.0, "losses that are no scalars")
        gap = jnp.max(jnp.abs(jnp.stack(alone) - _losses_of(ready, diffusion, xs, keys)))
        readings.append(Reading(float(gap), 1e-9, "nats", name))
    return worst(readings)
