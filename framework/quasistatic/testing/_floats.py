"""Float32 is what training runs in: figures and gradients there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key, State
from quasistatic._finite import FiniteKernel
from quasistatic._grid import LearnedGrid
from quasistatic._kernel import AbstractKernel
from quasistatic.testing._key_trace import is_random
from quasistatic.testing._law import Reading, faults, worst
from quasistatic.testing._setting import Constant, Setting, Spot, listed, widened

# nats per element; log-odds of +-10 keep 4e-6 and those of +-13 about 1e-4
PRECISION = 1e-3


def gradients(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Gradients with respect to the params are finite at every state, also where nothing can arrive."""
    times = setting.times(kernel)
    spots = _all_spots(kernel, times, setting)
    bad = []
    for first, last in ((0, 1), (1, 3), (3, 4)):
        for size in (0.0, 1.0, 20.0):
            found = _gradients_at(kernel, setting.params(kernel, size=size), spots, times[first], times[last])
            place = f"t = {float(times[last]):.3g} with params of {size:g}"
            bad += [f"{name} at {place}" for name, gradient in found.items() if not _finite(gradient)]
    return faults(bad, "gradients that are not finite")


def _finite(tree: State) -> bool:
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(tree))


def _all_spots(kernel: AbstractKernel, times: jax.Array, setting: Setting) -> Spot:
    """Every combination of data, early and late state on a finite space; else typical ones, and ones mixed up."""
    if isinstance(kernel, FiniteKernel):
        xs, zs = listed(kernel)
        chosen = np.array(np.meshgrid(range(len(xs)), range(len(zs)), range(len(zs)))).reshape(3, -1)
        return Spot(xs[chosen[0]], zs[chosen[1]], zs[chosen[2]])
    near, far = setting.spots(kernel, times[0], times[1], 8), setting.spots(kernel, times[2], times[4], 8, role=14)
    mixed = Spot(jax.tree.map(lambda leaf: leaf[::-1], near.x), far.early, far.late)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), near, far, mixed)


@eqx.filter_jit
def _gradients_at(kernel: AbstractKernel, params: State, spots: Spot, s: jax.Array, t: jax.Array) -> dict[str, State]:
    """Gradients with respect to params, at all spots, of everything that training differentiates."""
    key = jr.key(0)

    def term(params: State, spot: Spot, index: int) -> jax.Array:
        diffusion = Diffusion(kernel, Constant(params), 2)
        return diffusion.term(spot.x, spot.late, jnp.asarray(index), jnp.stack([s, t]), key)

    def kl(params: State, spot: Spot) -> jax.Array:
        return kernel.posterior(spot.x, spot.late, s, t).kl(kernel.reverse(params, spot.late, s, t), key)

    figures: dict[str, Callable[[State, Spot], jax.Array]] = {
        "log decode": lambda params, spot: kernel.decode(params, spot.late, t).log_prob(spot.x),
        "log reverse": lambda params, spot: kernel.reverse(params, spot.late, s, t).log_prob(spot.early),
        "kl": kl,
        "the first term": lambda params, spot: term(params, spot, 0),
        "a step's term": lambda params, spot: term(params, spot, 1),
    }
    return {name: jax.vmap(jax.grad(figure), (None, 0))(params, spots) for name, figure in figures.items()}


def learned_grid(kernel: AbstractKernel, setting: Setting) -> Reading:
    """The times of a learned grid get finite gradients from every term of K, the last time's too."""
    steps = 4
    diffusion = setting.wrong(kernel, LearnedGrid(kernel, steps))
    spots = setting.spots(kernel, *diffusion.times()[1:3], 8)
    finite = jnp.isfinite(_grid_gradients(diffusion, spots, setting.key(0), steps)).all(axis=(0, 2))
    bad = [f"the term of time {index} of {steps}" for index in range(steps) if not finite[index]]
    return faults(bad, "terms without a finite gradient")


@eqx.filter_jit
def _grid_gradients(diffusion: Diffusion, spots: Spot, key: Key, steps: int) -> jax.Array:
    """Gradients (spot, term, increment) of the terms of K."""

    def term(grid: LearnedGrid, spot: Spot, index: jax.Array) -> jax.Array:
        moved = Diffusion(diffusion.kernel, diffusion.model, grid)
        return moved.term(spot.x, spot.late, index, moved.times(), key)

    over_steps = jax.vmap(eqx.filter_grad(term), (None, None, 0))
    return jax.vmap(over_steps, (None, 0, None))(diffusion.grid, spots, jnp.arange(steps)).increments


def precision(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Float32 gives the terms of K of float64 to 1e-3 nats per element, at both ends of a chain of 1000 steps."""
    chain = np.asarray(kernel.grid(1000), np.float32)
    readings = []
    for name, (s, t) in {"the first times": chain[:2], "the last times": chain[-2:]}.items():
        spots = jax.tree.map(np.asarray, setting.spots(kernel, jnp.asarray(s), jnp.asarray(t), 64))
        params = jax.tree.map(np.asarray, setting.params(kernel, size=0.8))
        short = _terms(kernel, params, spots, s, t)
        with jax.enable_x64(True):
            wide = _terms(*widened((kernel, jax.tree.map(_doubled, params), jax.tree.map(_doubled, spots))), float(s), float(t))
        for term, value in short.items():
            gap = np.max(np.abs(value - wide[term])) / kernel.event.size
            readings.append(Reading(float(gap), PRECISION, "nats per element", f"{term}, {name}"))
    return worst(readings)


def _doubled(leaf: np.ndarray) -> np.ndarray:
    return leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf


@eqx.filter_jit
def _figures(kernel: AbstractKernel, params: State, spots: Spot, s: jax.Array, t: jax.Array) -> dict[str, jax.Array]:
    def one(x: State, early: State, late: State) -> dict[str, jax.Array]:
        posterior, reverse = kernel.posterior(x, late, s, t), kernel.reverse(params, late, s, t)
        figures = {
            "the work of a step": reverse.log_prob(early) - posterior.log_prob(early),
            "the first step": kernel.decode(params, late, t).log_prob(x),
            "the last state": kernel.equilibrium().log_prob(late) - kernel.marginal(x, jnp.ones(())).log_prob(late),
        }
        if not is_random(lambda key: posterior.kl(reverse, key)):  # draws differ between the two precisions
            figures["the KL of a step"] = posterior.kl(reverse, jr.key(0))
        return figures

    return jax.vmap(one)(*spots)


def _terms(kernel: AbstractKernel, params: Any, spots: Any, s: Any, t: Any) -> dict[str, np.ndarray]:
    arrays = jax.tree.map(jnp.asarray, (params, spots, s, t))
    return jax.tree.map(np.asarray, _figures(kernel, *arrays))
