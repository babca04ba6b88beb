"""What samplers of masked places share: routes of places, and at what time so many are masked."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.symbol_samplers.base import AbstractSymbolSampler, finite

TIMES = 65


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


def masked_shares(diffusion: qs.Diffusion, end: jax.Array) -> jax.Array:
    """The chance that a place is masked at TIMES even times from the first that the network was trained at to 1, (TIMES,)."""
    kernel = finite(diffusion)
    return jax.vmap(lambda t: jnp.exp(log_masked(kernel, end, t)))(_times(diffusion))


def time_of(diffusion: qs.Diffusion, shares: jax.Array, share: jax.Array) -> jax.Array:
    """When so many places are masked, between the times of `masked_shares`."""
    return jnp.interp(share, shares, _times(diffusion))


def _times(diffusion: qs.Diffusion) -> jax.Array:
    return jnp.linspace(diffusion.times()[0], 1.0, TIMES)
