"""Masked places become symbols by a plan: which of them come next is decided by what is seen, before they are drawn.

One place at each call is exact in any order, random or chosen by what the network says: the probability of a place given those
that are seen is the network's own, and nothing is drawn together. Fewer calls draw several places at once, independently.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.symbol_samplers import ConfidenceOptions, FirstHittingOptions
from quasistatic_plugins.symbol_samplers.masking import AbstractMaskSampler, Routing, masked, masked_shares, time_of


class Plan(eqx.Module):
    """z, the state `end` where all places are masked, for each place the chance (*event) below which it is no longer, and the
    chances of all times.
    """

    z: jax.Array
    end: jax.Array
    chances: jax.Array
    shares: jax.Array


class AbstractPlanned(AbstractMaskSampler):
    """Times are shares of places that are masked: how many become symbols. The network is called at times of its own."""

    def times(self, diffusion: qs.Diffusion, steps: Any = None) -> jax.Array:
        """T even shares, by default and at most as many as places."""
        if steps is not None and np.ndim(steps) > 0:
            return diffusion.times(steps)
        places = diffusion.kernel.event.size
        return diffusion.times(np.arange(1, (count := min(steps or places, places)) + 1) / count)

    @abstractmethod
    def share(self, plan: Plan, is_masked: jax.Array) -> jax.Array:
        """The share of places that are masked when the network is called, as a fact of the forward process."""

    @abstractmethod
    def priorities(self, plan: Plan, data: qs.Finite) -> jax.Array:
        """Which places come first: those with the highest value (*event)."""

    def init(self, diffusion: qs.Diffusion, *, key: jax.Array) -> Plan:
        key_end, key_chances = jr.split(key)
        end = super().init(diffusion, key=key_end)
        return Plan(end, end, qs.numerics.uniform(end.shape, key=key_chances), masked_shares(diffusion, end))

    def position(self, state: Plan) -> jax.Array:
        return state.z

    def time(self, diffusion: qs.Diffusion, plan: Plan) -> jax.Array:
        """When the network is called."""
        return time_of(diffusion, plan.shares, self.share(plan, plan.z == masked(diffusion).data_states))

    def step(
        self, diffusion: qs.Diffusion, state: Plan, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[Plan, dict[str, jax.Array]]:
        key_data, key_route = jr.split(key)
        mask = masked(diffusion).data_states
        is_masked, places = state.z == mask, jnp.sum(state.end == mask)
        data = self.data(diffusion, state.z, self.time(diffusion, state))
        next_ones = jnp.sum(is_masked) - jnp.round(s * places).astype(jnp.int32)
        is_next = is_masked & (_ranks(jnp.where(is_masked, self.priorities(state, data), -jnp.inf)) < next_ones)
        clean = is_next.astype(float)
        routing = Routing(1.0 - clean, jnp.zeros_like(clean), clean)
        z = routing.draw(state.z, mask, data.sample(key_data), key=key_route)
        return Plan(z, state.end, state.chances, state.shares), {}

    def finish(self, diffusion: qs.Diffusion, state: Plan, t: jax.Array, *, key: jax.Array) -> Any:
        return super().finish(diffusion, state, self.time(diffusion, state), key=key)


def _ranks(priorities: jax.Array) -> jax.Array:
    """The place of each value (*event) among all, the highest first."""
    order = jnp.argsort(-priorities.reshape(-1))
    return jnp.argsort(order).reshape(priorities.shape)


class FirstHitting(AbstractPlanned):
    """Each place has a time at which it becomes a symbol, drawn as the forward process masks it."""

    options: FirstHittingOptions = eqx.field(static=True)

    def share(self, plan: Plan, is_masked: jax.Array) -> jax.Array:
        """Of the latest time among places that are masked."""
        return jnp.max(jnp.where(is_masked, plan.chances, 0.0))

    def priorities(self, plan: Plan, data: qs.Finite) -> jax.Array:
        return plan.chances


class Confidence(AbstractPlanned):
    """By how certain the network is of a place; nothing that is drawn decides it."""

    options: ConfidenceOptions = eqx.field(static=True)

    def share(self, plan: Plan, is_masked: jax.Array) -> jax.Array:
        return jnp.mean(is_masked)

    def priorities(self, plan: Plan, data: qs.Finite) -> jax.Array:
        log_probs = data.log_probs
        if self.options.by == "entropy":
            return jnp.sum(jnp.exp(log_probs) * jnp.maximum(log_probs, qs.numerics.FLOOR), axis=-1)
        two = jax.lax.top_k(jnp.exp(log_probs), 2)[0]
        return two[..., 0] if self.options.by == "probability" else two[..., 0] - two[..., 1]
