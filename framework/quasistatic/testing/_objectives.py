"""Laws of objectives, on two small diffusions with a network that is wrong."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key, State
from quasistatic._engine import trained_part
from quasistatic._grid import LearnedGrid
from quasistatic._kernel import AbstractKernel
from quasistatic._ledger import ledger as ledger_of
from quasistatic._objective import AbstractObjective
from quasistatic.testing._bench import Fading, Redraw
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, faults, statistical, worst
from quasistatic.testing._reversal import exact_bound, exact_prior
from quasistatic.testing._setting import Setting, at, in_float64, listed
from quasistatic.testing._statistics import scores

DRAWS = 8_000


def _benches() -> list[AbstractKernel]:
    return [Redraw(), Fading()]


def _prepared(objective: AbstractObjective, diffusion: Diffusion, setting: Setting) -> AbstractObjective:
    xs = np.asarray(setting.data(diffusion.kernel, 200))
    return objective.prepare(diffusion, xs, None, setting.key(40))


def _loss(objective: AbstractObjective, diffusion: Diffusion, x: State, key: Key) -> jax.Array:
    key_u, key_loss = jr.split(key)
    return objective(diffusion, x, jr.uniform(key_u), key_loss)[0]


@eqx.filter_jit
def _losses(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    return jax.vmap(lambda key: _loss(objective, diffusion, x, key))(keys)


@in_float64
def unbiased(objective: AbstractObjective, setting: Setting) -> Reading:
    """The mean over times and noises is -K without its prior term, which nothing trained moves."""
    readings = []
    for kernel in _benches():
        diffusion = setting.wrong(kernel, 4)
        ready = _prepared(objective, diffusion, setting)
        for number in (0, 1):
            x, keys = at(setting.data(kernel, 2), number), setting.keys(41, DRAWS)
            losses = _losses(ready, diffusion, x, keys)
            terms = ledger_of(diffusion, jnp.repeat(x[None], len(keys), axis=0), setting.key(42)).terms
            readings.append(statistical(scores(losses, terms[:, :-1].sum(axis=1)), type(kernel).__name__))
    return worst(readings)


@in_float64
def never_better(objective: AbstractObjective, setting: Setting) -> Reading:
    """No mean loss promises more than there is: over all events the exponentials of K add up to one at most."""
    diffusion = setting.wrong(Redraw(), 4)
    ready, (xs, _) = _prepared(objective, diffusion, setting), listed(diffusion.kernel)
    keys = setting.keys(46, 2_000)
    losses = np.stack([np.asarray(_losses(ready, diffusion, x, keys)) for x in xs])
    log_probs = -losses.mean(axis=1) - np.asarray(jax.vmap(lambda x: exact_prior(diffusion, x))(xs))
    weights = np.exp(log_probs)
    error = np.linalg.norm(weights * losses.std(axis=1)) / len(keys) ** 0.5
    return statistical(float((weights.sum() - 1.0) / error), unit="standard errors above probability 1")


@in_float64
def unbiased_gradient(objective: AbstractObjective, setting: Setting) -> Reading:
    """The mean of the gradient is that of the exact -K, for the network and for a learned grid."""
    kernel = Redraw()
    diffusion = setting.wrong(kernel, LearnedGrid(kernel, 4))
    ready, x = _prepared(objective, diffusion, setting), at(setting.data(kernel, 2), 1)
    drawn = _loss_gradients(ready, diffusion, x, setting.keys(43, DRAWS))
    return statistical(scores(drawn, np.asarray(_exact_gradient(diffusion, x))))


@eqx.filter_jit
def _loss_gradients(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    trained, rest = trained_part(diffusion)
    figures, unravel = ravel_pytree(trained)

    def loss(figures: jax.Array, key: Key) -> jax.Array:
        return _loss(objective, eqx.combine(unravel(figures), rest), x, key)

    return jax.vmap(jax.grad(loss), (None, 0))(figures, keys)


@eqx.filter_jit
def _exact_gradient(diffusion: Diffusion, x: State) -> jax.Array:
    trained, rest = trained_part(diffusion)
    figures, unravel = ravel_pytree(trained)

    def exact(figures: jax.Array) -> jax.Array:
        whole = eqx.combine(unravel(figures), rest)
        return -exact_bound(whole, x, whole.times()) - exact_prior(whole, x)

    return jax.grad(exact)(figures)


@in_float64
def finite_differences(objective: AbstractObjective, setting: Setting) -> Reading:
    """The gradient of the loss is what the loss does when the network's figures move a little, all draws held fixed."""
    readings = []
    for kernel in _benches():
        diffusion = setting.wrong(kernel, 4)
        ready, x = _prepared(objective, diffusion, setting), at(setting.data(kernel, 2), 0)
        slope, moved = _slopes(ready, diffusion, x, jr.split(setting.key(47), 16), setting.key(48))
        gap = jnp.max(jnp.abs(slope - moved) / (1.0 + jnp.abs(moved)))
        readings.append(Reading(float(gap), 1e-5, "relative", type(kernel).__name__))
    return worst(readings)


@eqx.filter_jit
def _slopes(
    objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key, key_way: Key
) -> tuple[jax.Array, jax.Array]:
    """Along a random way: the derivative of each loss, and its central difference."""
    trained, rest = trained_part(diffusion)
    figures, unravel = ravel_pytree(trained)
    way, small = jr.normal(key_way, figures.shape), 1e-5

    def loss(figures: jax.Array, key: Key) -> jax.Array:
        return _loss(objective, eqx.combine(unravel(figures), rest), x, key)

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        ahead, behind = loss(figures + small * way, key), loss(figures - small * way, key)
        return jnp.dot(jax.grad(loss)(figures, key), way), (ahead - behind) / (2.0 * small)

    return jax.vmap(one)(keys)


def gradients(objective: AbstractObjective, setting: Setting) -> Reading:
    """Every trained figure gets a finite gradient, and not always zero."""
    bad = []
    for kernel in _benches():
        diffusion = setting.wrong(kernel, LearnedGrid(kernel, 4))
        ready, x = _prepared(objective, diffusion, setting), at(setting.data(kernel, 1), 0)
        found = _mean_gradient(ready, diffusion, x, jr.split(setting.key(44), 64))
        for path, leaf in jax.tree_util.tree_leaves_with_path(found):
            if not (bool(jnp.all(jnp.isfinite(leaf))) and bool(jnp.any(leaf != 0))):
                bad.append(f"{jax.tree_util.keystr(path)} on {type(kernel).__name__}")
    return faults(bad, "leaves without a finite gradient")


@eqx.filter_jit
def _mean_gradient(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> Diffusion:
    trained, rest = trained_part(diffusion)
    return jax.grad(lambda trained: _losses(objective, eqx.combine(trained, rest), x, keys).mean())(trained)


def variance(objective: AbstractObjective, setting: Setting) -> Reading:
    """One loss is one draw of an estimate: how far it strays, which must be a number; less of it trains faster."""
    strays = []
    for kernel in _benches():
        diffusion = setting.wrong(kernel, 4)
        ready, x = _prepared(objective, diffusion, setting), at(setting.data(kernel, 1), 0)
        strays.append(float(jnp.std(_losses(ready, diffusion, x, jr.split(setting.key(49), 1_000)))))
    return Reading(float(np.max(strays)), float(np.finfo(np.float32).max), "nats, standard deviation of one loss")


def keys(objective: AbstractObjective, setting: Setting) -> Reading:
    """A key is split once, drawn from once, or folded with different numbers; the loss is a function of it."""
    bad = []
    for kernel in _benches():
        diffusion, x = setting.wrong(kernel, 4), at(setting.data(kernel, 1), 0)
        ready, u = _prepared(objective, diffusion, setting), jnp.asarray(0.6)
        bad += key_faults(
            lambda key, ready=ready, d=diffusion, x=x, u=u: jax.value_and_grad(lambda v: ready(d, x * v, u, key)[0])(1.0),
            setting.key(0),
        )
        if ready(diffusion, x, u, setting.key(1))[0] != ready(diffusion, x, u, setting.key(1))[0]:
            bad.append("the same key gives two losses")
    return faults(bad)


@in_float64
def agreement(objective: AbstractObjective, setting: Setting) -> Reading:
    """One event alone, under vmap and under jit: the same scalar."""
    readings = []
    for kernel in _benches():
        diffusion, xs = setting.wrong(kernel, 4), setting.data(kernel, 3)
        keys, ready = jr.split(setting.key(45), 3), _prepared(objective, diffusion, setting)
        alone = [_loss(ready, diffusion, x, key) for x, key in zip(xs, keys, strict=True)]
        if any(jnp.shape(loss) != () for loss in alone):
            return Reading(1.0, 0.0, "losses that are no scalars")
        batched = jax.vmap(lambda x, key, ready=ready, d=diffusion: _loss(ready, d, x, key))(xs, keys)
        compiled = [_losses(ready, diffusion, x, key[None])[0] for x, key in zip(xs, keys, strict=True)]
        gaps = [jnp.max(jnp.abs(jnp.stack(alone) - jnp.stack(list(other)))) for other in (batched, compiled)]
        readings.append(Reading(float(jnp.max(jnp.stack(gaps))), 1e-9, "nats", type(kernel).__name__))
    return worst(readings)
