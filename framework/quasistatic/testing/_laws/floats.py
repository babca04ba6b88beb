"""Float32 is what training runs in: values and gradients there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.grid import AbstractGrid, LearnedGrid
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import ConstantModel
from quasistatic._process.tree import count_of, take
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults, worst
from quasistatic.testing._setting import Setting, Spot, enumerate_states, widened
from quasistatic.testing._tools.key_trace import is_random

# nats per element; log-odds of +-10 keep 4e-6 and those of +-13 about 1e-4
PRECISION = 1e-3


@law(
    "kernel",
    "gradients",
    "Gradients with respect to the params are finite at every state, also where nothing can arrive.",
    quick=False,
    unseen="A gradient that is finite and wrong: `slopes` and `score` compare derivatives.",
)
def gradients(kernel: AbstractKernel, setting: Setting) -> Reading:
    times = setting.times(kernel)
    spots = _all_spots(kernel, times, setting)
    bad = []
    for first, last in ((0, 1), (1, 3), (3, 4)):
        for scale in (0.0, 1.0, 20.0):
            found = _gradients_at(kernel, setting.params(kernel, scale=scale), spots, times[first], times[last])
            place = f"t = {float(times[last]):.3g} with params of {scale:g}"
            bad += [f"{name} at {place}" for name, gradient in found.items() if not _finite(gradient)]
    return faults(bad, "gradients that are not finite")


def _finite(tree: State) -> bool:
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(tree))


def _all_spots(kernel: AbstractKernel, times: jax.Array, setting: Setting) -> Spot:
    """Every combination of data, early and late state on a finite space; else typical ones, and ones mixed up."""
    if is_finite(kernel):
        xs, zs = enumerate_states(kernel)
        chosen = np.indices((count_of(xs), count_of(zs), count_of(zs))).reshape(3, -1)
        return Spot(take(xs, chosen[0]), take(zs, chosen[1]), take(zs, chosen[2]))
    near, far = setting.spots(kernel, times[0], times[1], 8), setting.spots(kernel, times[2], times[4], 8, role=14)
    mixed = Spot(take(near.x, slice(None, None, -1)), far.early, far.late)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), near, far, mixed)


@eqx.filter_jit
def _gradients_at(kernel: AbstractKernel, params: State, spots: Spot, s: Time, t: Time) -> dict[str, State]:
    """Gradients with respect to params, at all spots, of everything that training differentiates."""
    key = jr.key(0)

    def term(params: State, spot: Spot, index: int) -> jax.Array:
        diffusion = Diffusion(kernel, ConstantModel(params), 2)
        return diffusion.term(spot.x, spot.late, jnp.asarray(index), jnp.stack([s, t]), key=key)

    def kl(params: State, spot: Spot) -> jax.Array:
        return kernel.posterior(spot.x, spot.late, s, t).kl(kernel.reverse(params, spot.late, s, t), key=key)

    values: dict[str, Callable[[State, Spot], jax.Array]] = {
        "log decode": lambda params, spot: kernel.decode(params, spot.late, t).log_prob(spot.x),
        "log reverse": lambda params, spot: kernel.reverse(params, spot.late, s, t).log_prob(spot.early),
        "kl": kl,
        "the first term": lambda params, spot: term(params, spot, 0),
        "a step's term": lambda params, spot: term(params, spot, 1),
    }
    return {name: jax.vmap(jax.grad(value), (None, 0))(params, spots) for name, value in values.items()}


@law(
    "kernel",
    "learned-grid",
    "The times of a learned grid get finite gradients from every term of K, the last time's too.",
    quick=False,
    unseen="A gradient that is finite and wrong: `slopes` and `score` compare derivatives.",
)
def learned_grid(kernel: AbstractKernel, setting: Setting) -> Reading:
    steps = 4
    diffusion = setting.diffusion_with_random_network(kernel, LearnedGrid(kernel, steps))
    times = diffusion.times()
    gradients = _grid_gradients(diffusion, setting.spots(kernel, times[1], times[2], 8), setting.key(0), steps)
    finite = np.all([np.isfinite(leaf).all(axis=(0, 2)) for leaf in jax.tree.leaves(gradients)], axis=0)
    return faults((f"the term of time {index} of {steps}" for index in np.flatnonzero(~finite)), "terms without a finite gradient")


@eqx.filter_jit
def _grid_gradients(diffusion: Diffusion, spots: Spot, key: Key, steps: int) -> AbstractGrid:
    """Gradients of the terms of K, the leaves (spot, term, increment)."""

    def term(grid: AbstractGrid, spot: Spot, index: jax.Array) -> jax.Array:
        moved = Diffusion(diffusion.kernel, diffusion.model, grid)
        return moved.term(spot.x, spot.late, index, moved.times(), key=key)

    over_steps = jax.vmap(eqx.filter_grad(term), (None, None, 0))
    return jax.vmap(over_steps, (None, 0, None))(diffusion.grid, spots, jnp.arange(steps))


@law(
    "kernel",
    "precision",
    "Float32 gives the terms of K of float64 to 1e-3 nats per element, at both ends of a chain of 1000 steps.",
    quick=False,
    unseen="Digits that get lost in the middle of a chain.",
)
def precision(kernel: AbstractKernel, setting: Setting) -> Reading:
    chain = np.asarray(kernel.times(1000), np.float32)
    readings = []
    for name, (s, t) in {"the first times": chain[:2], "the last times": chain[-2:]}.items():
        spots = jax.tree.map(np.asarray, setting.spots(kernel, jnp.asarray(s), jnp.asarray(t), 64))
        params = jax.tree.map(np.asarray, setting.params(kernel, scale=0.8))
        short = _terms(kernel, params, spots, s, t)
        with jax.enable_x64(True):
            wide = _terms(widened(kernel), jax.tree.map(_doubled, params), jax.tree.map(_doubled, spots), float(s), float(t))
        for term, value in short.items():
            gap = np.max(np.abs(value - wide[term])) / kernel.event.size
            readings.append(Reading(float(gap), PRECISION, "nats per element", f"{term}, {name}"))
    return worst(readings)


def _doubled(leaf: np.ndarray) -> np.ndarray:
    return leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf


@eqx.filter_jit
def _values(kernel: AbstractKernel, params: State, spots: Spot, s: Time, t: Time) -> dict[str, jax.Array]:
    def one(x: State, early: State, late: State) -> dict[str, jax.Array]:
        posterior, reverse = kernel.posterior(x, late, s, t), kernel.reverse(params, late, s, t)
        values = {
            "the log-weight of a step": reverse.log_prob(early) - posterior.log_prob(early),
            "the first step": kernel.decode(params, late, t).log_prob(x),
            "the last state": kernel.equilibrium().log_prob(late) - kernel.marginal(x, jnp.ones(())).log_prob(late),
        }
        if not is_random(lambda key: posterior.kl(reverse, key=key)):  # draws differ between the two precisions
            values["the KL of a step"] = posterior.kl(reverse, key=jr.key(0))
        return values

    return jax.vmap(one)(*spots)


def _terms(kernel: AbstractKernel, params: Any, spots: Any, s: Any, t: Any) -> dict[str, np.ndarray]:
    arrays = jax.tree.map(jnp.asarray, (params, spots, s, t))
    return jax.tree.map(np.asarray, _values(kernel, *arrays))
