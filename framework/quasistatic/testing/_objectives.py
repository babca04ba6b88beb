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
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._reversal import exact_bound, exact_prior
from quasistatic.testing._setting import arbitrary, at, in_float64, some_data, wave
from quasistatic.testing._statistics import LIMIT, scores

DRAWS = 8_000


def _benches() -> list[AbstractKernel]:
    return [Redraw(), Fading()]


def _prepared(objective: AbstractObjective, diffusion: Diffusion) -> AbstractObjective:
    xs = np.asarray(some_data(diffusion.kernel, 200))
    return objective.prepare(diffusion, xs, None, jr.key(40))


@eqx.filter_jit
def _losses(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    def one(key: Key) -> jax.Array:
        key_u, key_loss = jr.split(key)
        return objective(diffusion, x, jr.uniform(key_u), key_loss)[0]

    return jax.vmap(one)(keys)


@in_float64
def unbiased(objective: AbstractObjective) -> Reading:
    """The mean over times and noises is -K without its prior term, which nothing trained moves."""
    readings = []
    for kernel in _benches():
        diffusion = arbitrary(kernel, 4)
        ready = _prepared(objective, diffusion)
        for number in (0, 1):
            x = at(some_data(kernel, 2), number)
            losses = _losses(ready, diffusion, x, jr.split(jr.key(41), DRAWS))
            xs = jnp.repeat(x[None], DRAWS, axis=0)
            terms = ledger_of(diffusion, xs, jr.key(42)).terms[:, :-1].sum(axis=1)
            readings.append(Reading(scores(losses, terms), LIMIT, "standard errors", type(kernel).__name__))
    return worst(readings)


@in_float64
def unbiased_gradient(objective: AbstractObjective) -> Reading:
    """The mean of the gradient is that of the exact -K, for the network and for a learned grid."""
    kernel = Redraw()
    diffusion = Diffusion(kernel, wave(kernel), LearnedGrid(kernel, 4))
    ready, x = _prepared(objective, diffusion), at(some_data(kernel, 2), 1)
    trained, rest = trained_part(diffusion)
    flat, unravel = ravel_pytree(trained)

    def loss(figures: jax.Array, key: Key) -> jax.Array:
        key_u, key_loss = jr.split(key)
        return ready(eqx.combine(unravel(figures), rest), x, jr.uniform(key_u), key_loss)[0]

    def exact(figures: jax.Array) -> jax.Array:
        whole = eqx.combine(unravel(figures), rest)
        return -exact_bound(whole, x, whole.times()) - exact_prior(whole, x)

    drawn = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(flat, jr.split(jr.key(43), DRAWS))
    return Reading(scores(drawn, jax.jit(jax.grad(exact))(flat)), LIMIT, "standard errors")


def gradients(objective: AbstractObjective) -> Reading:
    """Every trained figure gets a finite gradient, and not always zero."""
    bad = []
    for kernel in _benches():
        diffusion = Diffusion(kernel, wave(kernel), LearnedGrid(kernel, 4))
        ready, x = _prepared(objective, diffusion), at(some_data(kernel, 1), 0)
        trained, rest = trained_part(diffusion)

        @jax.jit
        @jax.grad
        def gradient(trained: Diffusion, rest: Diffusion = rest, x: State = x, ready: AbstractObjective = ready) -> jax.Array:
            return _losses(ready, eqx.combine(trained, rest), x, jr.split(jr.key(44), 64)).mean()

        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(trained)):
            if not (bool(jnp.all(jnp.isfinite(leaf))) and bool(jnp.any(leaf != 0))):
                bad.append(f"{jax.tree_util.keystr(path)} on {type(kernel).__name__}")
    return Reading(float(len(bad)), 0.0, "leaves without a finite gradient", "; ".join(bad))


def keys(objective: AbstractObjective) -> Reading:
    """A key is split once, drawn from once, or folded with different numbers; the loss is a function of it."""
    faults = []
    for kernel in _benches():
        diffusion, x = arbitrary(kernel, 4), at(some_data(kernel, 1), 0)
        ready, u = _prepared(objective, diffusion), jnp.asarray(0.6)
        faults += key_faults(
            lambda key, ready=ready, d=diffusion, x=x, u=u: jax.value_and_grad(lambda v: ready(d, x * v, u, key)[0])(1.0),
            jr.key(0),
        )
        if ready(diffusion, x, u, jr.key(1))[0] != ready(diffusion, x, u, jr.key(1))[0]:
            faults.append("the same key gives two losses")
    return Reading(float(len(faults)), 0.0, "faults", "; ".join(faults))


@in_float64
def agreement(objective: AbstractObjective) -> Reading:
    """One event alone, under vmap and under jit: the same scalar."""
    readings = []
    for kernel in _benches():
        diffusion, xs = arbitrary(kernel, 4), some_data(kernel, 3)
        us, keys, ready = jnp.array([0.1, 0.4, 0.9]), jr.split(jr.key(45), 3), _prepared(objective, diffusion)

        def loss(x: State, u: jax.Array, key: Key, ready: AbstractObjective = ready, d: Diffusion = diffusion) -> jax.Array:
            return ready(d, x, u, key)[0]

        batched = jax.vmap(loss)(xs, us, keys)
        gaps = [jnp.shape(loss(xs[0], us[0], keys[0])) != ()]
        for i in range(3):
            alone, compiled = loss(xs[i], us[i], keys[i]), jax.jit(loss)(xs[i], us[i], keys[i])
            gaps += [abs(alone - batched[i]), abs(alone - compiled)]
        readings.append(Reading(max(map(float, gaps)), 1e-9, "nats", type(kernel).__name__))
    return worst(readings)
