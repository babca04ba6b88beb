"""Laws of the gradients of objectives, for the network and for a learned grid."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.grid import LearnedGrid
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.tree import take
from quasistatic._training.engine import trained_part
from quasistatic.oracles._ledger import first_term, gap_term
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._laws.objectives import DRAWS, is_bound, loss_of, losses_of, prepared
from quasistatic.testing._reading import Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting
from quasistatic.testing._tools.bench import benches, on_those_taken
from quasistatic.testing._tools.statistics import scores

# of a learned grid whose gradient is compared with the exact one
STEPS = {"symbols": 4, "Gaussian path": 3}


@law(
    "objective",
    "unbiased-gradient",
    "The mean of the gradient is that of the exact -K, for the network and for a learned grid.",
    f"{PAPER}, eq. 14",
    when=is_bound,
    float64=True,
    unseen="Derivatives with respect to numbers of the kernel: none is trained.",
)
def unbiased_gradient(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        # of real data too: there the network is linear, so that the integrals of the exact gradient are sums over few nodes
        diffusion = setting.diffusion_with_random_network(kernel, LearnedGrid(kernel, STEPS[name]))
        ready, x = prepared(objective, diffusion, setting), take(setting.data(kernel, 2), 1)
        drawn = _loss_gradients(ready, diffusion, x, setting.keys(43, DRAWS))
        return statistical(scores(drawn, np.asarray(_exact_gradient(diffusion, x))), name)

    return worst(on_those_taken(on, {name: kernel for name, kernel in benches().items() if name in STEPS}))


@eqx.filter_jit
def _loss_gradients(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> jax.Array:
    trained, rest = trained_part(diffusion)
    vector, unravel = ravel_pytree(trained)

    def loss(vector: jax.Array, key: Key) -> jax.Array:
        return loss_of(objective, eqx.combine(unravel(vector), rest), x, key)

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
    "The gradient of the loss is what the loss does when the network's numbers, and the times of a learned grid on real data, move "
    "a little, all draws held fixed.",
    float64=True,
    unseen="A derivative that is cut on both sides of a jump of the loss.",
)
def finite_differences(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        # draws of symbols do not move with the times of a learned grid: there a score stands for them
        grid = 4 if name == "symbols" else LearnedGrid(kernel, 5)
        diffusion = setting.diffusion_with_random_network(kernel, grid)
        ready, x = prepared(objective, diffusion, setting), take(setting.data(kernel, 2), 0)
        slope, moved = _slopes(ready, diffusion, x, setting.some_keys(47, 16), setting.key(48))
        return Reading(float(jnp.max(jnp.abs(slope - moved) / (1.0 + jnp.abs(moved)))), 1e-5, "relative", name)

    return worst(on_those_taken(on))


@eqx.filter_jit
def _slopes(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key, key_way: Key) -> tuple[jax.Array, jax.Array]:
    """Along a random way: the derivative of each loss, and its central difference."""
    trained, rest = trained_part(diffusion)
    vector, unravel = ravel_pytree(trained)
    way, small = jr.normal(key_way, vector.shape), 1e-5

    def loss(vector: jax.Array, key: Key) -> jax.Array:
        return loss_of(objective, eqx.combine(unravel(vector), rest), x, key)

    def one(key: Key) -> tuple[jax.Array, jax.Array]:
        ahead, behind = loss(vector + small * way, key), loss(vector - small * way, key)
        return jnp.dot(jax.grad(loss)(vector, key), way), (ahead - behind) / (2.0 * small)

    return jax.vmap(one)(keys)


@law(
    "objective",
    "gradients",
    "Every trained number gets a finite gradient, and not always zero.",
    unseen="A gradient that is finite and wrong.",
)
def gradients(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion = setting.diffusion_with_random_network(kernel, 4)
        ready, x = prepared(objective, diffusion, setting), take(setting.data(kernel, 1), 0)
        found = _mean_gradient(ready, diffusion, x, setting.some_keys(44, 64))
        return faults(_without_gradient(found, name), "leaves without a finite gradient")

    return worst(on_those_taken(on))


@law(
    "objective",
    "learned-grid",
    "The times of a learned grid get a finite gradient, and not always zero.",
    unseen="A gradient that is finite and wrong: `unbiased-gradient` and `finite-differences` compare it.",
)
def learned_grid(objective: AbstractObjective, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion = setting.diffusion_with_random_network(kernel, LearnedGrid(kernel, 4))
        ready, x = prepared(objective, diffusion, setting), take(setting.data(kernel, 1), 0)
        found = _without_gradient(_mean_gradient(ready, diffusion, x, setting.some_keys(44, 64)).grid, name)
        advice = ": one that draws times of its own trains no grid, and says so in expected_failures={'learned-grid': why}"
        return faults([fault + advice for fault in found], "leaves without a finite gradient")

    return worst(on_those_taken(on))


def _without_gradient(gradient: Any, name: str) -> list[str]:
    return [
        f"{jax.tree_util.keystr(path)} on {name}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient)
        if not (np.all(np.isfinite(leaf)) and np.any(np.asarray(leaf) != 0))
    ]


@eqx.filter_jit
def _mean_gradient(objective: AbstractObjective, diffusion: Diffusion, x: State, keys: Key) -> Any:
    trained, rest = trained_part(diffusion)
    return jax.grad(lambda trained: losses_of(objective, eqx.combine(trained, rest), x, keys).mean())(trained)
