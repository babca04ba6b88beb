"""Symbols that are masked again: with the chance of it made up for by as many more that become symbols, the distributions of all
times stay those of the kernel (Wang et al. 2025, section 3), and what was drawn together too early is drawn anew.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.symbol_samplers import RemaskingOptions
from quasistatic_plugins.symbol_samplers.masking import AbstractMaskSampler, Routing, log_masked, masked


class Seen(eqx.Module):
    """z, the state `end` where all places are masked, and log-probabilities (*event) with which symbols were drawn."""

    z: jax.Array
    end: jax.Array
    log_probs: jax.Array


class Remasking(AbstractMaskSampler):
    """A place that is masked stays with (m_s - sigma k_t) / m_t, one that is seen goes to noise with sigma; m + k = 1."""

    options: RemaskingOptions = eqx.field(static=True)

    @property
    def deviations(self) -> tuple[str, ...]:
        """The chances of `confidence` depend on the state, so that times have other distributions than the kernel's."""
        by_state = ("remasking by confidence",) if self.options.schedule == "confidence" else ()
        return (*super().deviations, *by_state)

    def times(self, diffusion: qs.Diffusion, steps: Any = None) -> jax.Array:
        natural, options = diffusion.times(steps), self.options
        if options.schedule != "loop" or (steps is not None and np.ndim(steps) > 0):
            return natural
        shares = np.arange(1, len(natural) + 1) / len(natural)
        first = min(float(diffusion.times()[0]), options.loop_at)
        ends = [first, options.loop_at, options.loop_at, 1.0]
        return jnp.asarray(np.interp(shares, [0.0, options.loop_to, options.loop_from, 1.0], ends), natural.dtype)

    def init(self, diffusion: qs.Diffusion, *, key: jax.Array) -> Seen:
        end = super().init(diffusion, key=key)
        return Seen(end, end, jnp.zeros(end.shape))

    def position(self, state: Seen) -> jax.Array:
        return state.z

    def step(
        self, diffusion: qs.Diffusion, state: Seen, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[Seen, dict[str, jax.Array]]:
        key_data, key_route = jr.split(key)
        kernel = masked(diffusion)
        data = self.data(diffusion, state.z, t)
        drawn = data.sample(key_data)
        routing = self.routing(kernel, state, s, t)
        z = routing.draw(state.z, kernel.data_states, drawn, key=key_route)
        log_probs = jnp.take_along_axis(data.log_probs, drawn.astype(jnp.int32)[..., None], axis=-1)[..., 0]
        is_new = state.z == kernel.data_states
        return Seen(z, state.end, jnp.where(is_new, log_probs, state.log_probs)), {}

    def routing(self, kernel: qs.FiniteKernel, state: Seen, s: jax.Array, t: jax.Array) -> Routing:
        """Of each place in a step from t to s."""
        early, late = (jnp.exp(log_masked(kernel, state.end, time)) for time in (s, t))
        is_masked, can_be = state.z == kernel.data_states, state.end == kernel.data_states
        again = self.chances(state, early, late, s == t)
        again = jnp.where(can_be, again, 0.0)
        hidden = jnp.where(late > 0.0, (early - again * (1.0 - late)) / jnp.where(late > 0.0, late, 1.0), 0.0)
        hidden = jnp.clip(hidden, 0.0, 1.0)
        zero = jnp.zeros_like(hidden)
        return Routing(
            jnp.where(is_masked, hidden, 1.0 - again), jnp.where(is_masked, zero, again), jnp.where(is_masked, 1.0 - hidden, zero)
        )

    def chances(self, state: Seen, early: jax.Array, late: jax.Array, is_loop: jax.Array) -> jax.Array:
        """sigma, (*event): no larger than leaves no place that is masked less than a chance of 0 to stay so."""
        options, shape = self.options, state.z.shape
        most = jnp.minimum(1.0, early / jnp.maximum(1.0 - late, jnp.finfo(early.dtype).tiny))
        if options.schedule == "confidence":
            is_seen = state.z != state.end
            doubt = jax.nn.softmax(jnp.where(is_seen, -jnp.exp(state.log_probs), qs.numerics.FLOOR).reshape(-1)).reshape(shape)
            return jnp.where(is_seen, options.strength * most * doubt, 0.0)
        chance = options.strength * most if options.schedule == "rescale" else jnp.minimum(options.strength, most)
        if options.schedule == "loop":
            chance = jnp.where(is_loop, chance, 0.0)
        return jnp.broadcast_to(chance, shape)
