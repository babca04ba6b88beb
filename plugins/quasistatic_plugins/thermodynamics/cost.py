"""What a sample costs: the floating-point operations of a chain."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs


def chain_flops(diffusion: qs.Diffusion, steps: int | None = None) -> float | None:
    """Floating-point operations of one event through a chain of T = `steps`, by XLA's count; None where it has none.

    The program of one step is counted and multiplied by T: what a loop repeats XLA counts once. Fusions and library calls of an
    accelerator may be missing from its count.
    """

    def step(arrays: qs.Diffusion, z: jax.Array, s: jax.Array, t: jax.Array, key: jax.Array) -> jax.Array:
        given = eqx.combine(arrays, static)
        return given.reverse(given.params(z, t), z, s, t).sample(key)

    arrays, static = eqx.partition(diffusion, eqx.is_array)
    z = diffusion.kernel.equilibrium().sample(jr.key(0))
    times = jnp.asarray([0.5, 1.0])
    cost = jax.jit(step).lower(arrays, z, times[0], times[1], jr.key(0)).compile().cost_analysis()
    counted = dict(cost or {}).get("flops", 0.0)
    return float(counted) * len(diffusion.times(steps)) if counted > 0 else None
