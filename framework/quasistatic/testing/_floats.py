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
from quasistatic._distribution import State
from quasistatic._finite import FiniteKernel
from quasistatic._grid import LearnedGrid
from quasistatic._kernel import AbstractKernel
from quasistatic.testing._key_trace import is_random
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._setting import (
    Constant,
    Spot,
    listed,
    random_params,
    some_spots,
    times_of,
    wave,
    widened,
)

# nats per element; log-odds of +-10 keep 4e-6 and those of +-13 about 1e-4
PRECISION = 1e-3


def gradients(kernel: AbstractKernel) -> Reading:
    """Gradients with respect to the params are finite at every state, also where nothing can arrive."""
    times = times_of(kernel)
    spots = _all_spots(kernel, times)
    gradients_at = _gradients_at(kernel, spots)
    bad = []
    for first, last in ((0, 1), (1, 3), (3, 4)):
        for size in (0.0, 1.0, 20.0):
            found = gradients_at(random_params(kernel, 5, size), times[first], times[last])
            place = f"t = {float(times[last]):.3g} with params of {size:g}"
            bad += [f"{name} at {place}" for name, gradient in found.items() if not _finite(gradient)]
    return Reading(float(len(bad)), 0.0, "gradients that are not finite", "; ".join(bad))


def _finite(tree: State) -> bool:
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(tree))


def _all_spots(kernel: AbstractKernel, times: jax.Array) -> Spot:
    """Every combination of data, early and late state on a finite space; else typical ones, and ones mixed up."""
    if isinstance(kernel, FiniteKernel):
        xs, zs = listed(kernel)
        chosen = np.array(np.meshgrid(range(len(xs)), range(len(zs)), range(len(zs)))).reshape(3, -1)
        return Spot(xs[chosen[0]], zs[chosen[1]], zs[chosen[2]])
    near, far = some_spots(kernel, times[0], times[1], 8), some_spots(kernel, times[2], times[4], 8, seed=5)
    mixed = Spot(jax.tree.map(lambda leaf: leaf[::-1], near.x), far.early, far.late)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), near, far, mixed)


def _gradients_at(kernel: AbstractKernel, spots: Spot) -> Callable[..., dict[str, State]]:
    """Gradients with respect to params, at all spots, of everything that training differentiates."""
    key = jr.key(0)

    @jax.jit
    def gradients_at(params: State, s: jax.Array, t: jax.Array) -> dict[str, State]:
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

    return gradients_at


def learned_grid(kernel: AbstractKernel) -> Reading:
    """The times of a learned grid get finite gradients from every term of K, the last time's too."""
    steps = 4
    diffusion = Diffusion(kernel, wave(kernel), LearnedGrid(kernel, steps))
    spots, key = some_spots(kernel, *diffusion.times()[1:3], 8), jr.key(0)

    @jax.jit
    def gradients_of(grid: LearnedGrid) -> LearnedGrid:
        def term(grid: LearnedGrid, spot: Spot, index: jax.Array) -> jax.Array:
            moved = Diffusion(kernel, diffusion.model, grid)
            return moved.term(spot.x, spot.late, index, moved.times(), key)

        over_steps = jax.vmap(jax.grad(term), (None, None, 0))
        return jax.vmap(over_steps, (None, 0, None))(grid, spots, jnp.arange(steps))

    finite = jnp.isfinite(gradients_of(diffusion.grid).increments).all(axis=(0, 2))
    bad = [f"the term of time {index} of {steps}" for index in range(steps) if not finite[index]]
    return Reading(float(len(bad)), 0.0, "terms without a finite gradient", "; ".join(bad))


def precision(kernel: AbstractKernel) -> Reading:
    """Float32 gives the terms of K of float64 to 1e-3 nats per element, at both ends of a chain of 1000 steps."""
    chain = np.asarray(kernel.grid(1000), np.float32)
    readings = []
    for name, (s, t) in {"the first times": chain[:2], "the last times": chain[-2:]}.items():
        spots = jax.tree.map(np.asarray, some_spots(kernel, jnp.asarray(s), jnp.asarray(t), 64))
        params = jax.tree.map(np.asarray, random_params(kernel))
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
