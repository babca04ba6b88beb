"""Derivatives that training takes of a kernel, against small differences."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from quasistatic._process.distribution import Key, Scalar, State, Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import take
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, worst
from quasistatic.testing._setting import Setting, Spot

SMALL = 1e-6  # step of a difference
MOVED = ("s", "t", "the params")


@law(
    "kernel",
    "slopes",
    "The derivatives of log-probabilities and divergences with respect to times and params are what they do when these move a "
    "little: a learned grid, and a network, are trained by them.",
    float64=True,
    quick=False,
    unseen="Derivatives of draws, which are of `score`, and a derivative that is cut where its value does not change.",
)
def slopes(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, way = setting.times(kernel), setting.params(kernel, 27, scale=1.0)
    spot = take(setting.spots(kernel, times[1], times[3], 2), 1)
    found, moved = _slopes(kernel, setting.params(kernel), way, spot, times[1], times[3], setting.key(28))
    gaps = {name: jnp.abs(found[name] - moved[name]) / (1.0 + jnp.abs(moved[name])) for name in found}
    return worst(
        Reading(float(gap), 1e-5, "relative", f"{name} with respect to {what}")
        for name, each in gaps.items()
        for what, gap in zip(MOVED, each, strict=True)
    )


@eqx.filter_jit
def _slopes(
    kernel: AbstractKernel, params: State, way: State, spot: Spot, s: Time, t: Time, key: Key
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """Derivatives with respect to s, t and a way of the params, by name, and central differences."""
    x, early, late = spot

    def values(at: jax.Array) -> dict[str, Scalar]:
        s, t, far = at
        moved = jax.tree.map(lambda leaf, one: leaf + far * one, params, way)
        posterior, reverse = kernel.posterior(x, late, s, t), kernel.reverse(moved, late, s, t)
        return {
            "log marginal": kernel.marginal(x, t).log_prob(late),
            "log transition": kernel.transition(early, s, t).log_prob(late),
            "log posterior": posterior.log_prob(early),
            "log decode": kernel.decode(moved, late, t).log_prob(x),
            "log reverse": reverse.log_prob(early),
            "the divergence of a step": posterior.kl(reverse, key=key),
        }

    at = jnp.stack([s, t, jnp.zeros_like(t)])
    shifts = SMALL * jnp.eye(3)
    ahead, behind = jax.vmap(values)(at + shifts), jax.vmap(values)(at - shifts)
    return jax.jacrev(values)(at), jax.tree.map(lambda a, b: (a - b) / (2.0 * SMALL), ahead, behind)
