"""What samplers of masked places share: routes of places, and at what time so many are masked."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.symbol_samplers.base import AbstractSymbolSampler, finite

HALVINGS = 30


class Routing(eqx.Module):
    """What becomes of each place in a step: it stays, goes to noise, or to clean data; probabilities (*event) that sum to one."""

    stay: jax.Array
    noise: jax.Array
    clean: jax.Array

    def draw(self, z: jax.Array, noise: jax.Array | int, clean: jax.Array, *, key: jax.Array) -> jax.Array:
        """The state that follows z, by states (*event) that are noise and data."""
        weights = jnp.stack([self.stay, self.noise, self.clean], axis=-1)
        route = qs.Finite(qs.numerics.floored_log(weights)).sample(key)
        return jnp.where(route == 0, z, jnp.where(route == 1, noise, clean)).astype(z.dtype)


class AbstractMaskSampler(AbstractSymbolSampler):
    """For kernels that end with every place masked, in any order."""

    def check(self, diffusion: qs.Diffusion) -> None:
        masked(diffusion)


def masked(diffusion: qs.Diffusion) -> qs.FiniteKernel:
    """The kernel of a pair whose places are masked, by the symbol that data lack. Raises TypeError for another."""
    kernel = diffusion.kernel
    others = "`tau-leaping` and `trapezoidal` take all kernels for symbols and bits, `ancestral` takes any"
    if not isinstance(kernel, qs.FiniteKernel) or kernel.states != kernel.data_states + 1:
        raise TypeError(f"expected a kernel that masks symbols, such as `absorbing`, got {type(kernel).__name__}; {others}")
    if kernel.is_sequential:
        raise TypeError("expected places that are masked in any order; one after another, `ancestral` is exact in as many calls")
    return kernel


def log_masked(kernel: qs.FiniteKernel, end: jax.Array, t: jax.Array) -> jax.Array:
    """log of the chance that a place is masked at time t, where `end` is the state in which all places are that can be."""
    places = jnp.maximum(jnp.sum(end == kernel.data_states), 1)
    return kernel.marginal(jnp.zeros(kernel.event.shape, jnp.int32), t).log_prob(end) / places


def time_of(diffusion: qs.Diffusion, end: jax.Array, log_share: jax.Array) -> jax.Array:
    """When a place is masked with this log-probability; no earlier than the network was trained at."""
    kernel = finite(diffusion)

    def halved(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = 0.5 * (low + high)
        is_late = log_masked(kernel, end, middle) > log_share
        return jnp.where(is_late, low, middle), jnp.where(is_late, middle, high)

    first = jnp.asarray(diffusion.times()[0])
    return jax.lax.fori_loop(0, HALVINGS, halved, (first, jnp.ones_like(first)))[1]
