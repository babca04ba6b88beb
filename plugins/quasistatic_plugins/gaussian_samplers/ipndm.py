"""The simplest multistep sampler: the weighted mean of the last predictions of the noise."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.gaussian_samplers import IpndmOptions
from quasistatic_plugins.gaussian_samplers.base import AbstractGaussianSampler, gaussian

# of Adams and Bashforth for even steps, newest first, by how many predictions there are
WEIGHTS = (
    (1.0, 0.0, 0.0, 0.0),
    (3 / 2, -1 / 2, 0.0, 0.0),
    (23 / 12, -16 / 12, 5 / 12, 0.0),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


class Noises(eqx.Module):
    """z, and the last predictions (M, *event) of the unit noise in it, in coordinates, newest first, of which `count` were made."""

    z: jax.Array
    noises: jax.Array
    count: jax.Array


class Ipndm(AbstractGaussianSampler):
    """The weights are for even steps, whatever the steps are; its errors are small where there are few."""

    options: IpndmOptions = eqx.field(static=True)

    @property
    def order(self) -> int:
        """At most 2, which takes neighbouring steps that are nearly the same."""
        return min(self.options.order, 2)

    def init(self, diffusion: qs.Diffusion, *, key: jax.Array) -> Noises:
        z = super().init(diffusion, key=key)
        return Noises(z, jnp.zeros((self.options.order - 1, *z.shape), z.dtype), jnp.zeros((), jnp.int32))

    def position(self, state: Noises) -> jax.Array:
        return state.z

    def step(
        self, diffusion: qs.Diffusion, state: Noises, s: jax.Array, t: jax.Array, *, key: jax.Array
    ) -> tuple[Noises, dict[str, jax.Array]]:
        kernel, held = gaussian(diffusion), self.options.order - 1
        log_signal, log_noise = kernel.levels(t)
        mean = kernel.coordinates(self.start_of_step(diffusion, state.z, t))
        noise = (kernel.coordinates(state.z) - jnp.exp(log_signal) * mean) * jnp.exp(-0.5 * log_noise)
        noises = jnp.concatenate([noise[None], state.noises])
        weights = jnp.asarray(WEIGHTS, noise.dtype)[jnp.minimum(state.count, held), : held + 1]
        away = noise - jnp.tensordot(weights, noises, 1)
        # the data that such a noise leaves of z; without signal there is no earlier prediction, and nothing is away
        scale = jnp.where(jnp.isneginf(log_signal), 0.0, jnp.exp(0.5 * log_noise - log_signal))
        z = kernel.back(kernel.elements(mean + scale * away), state.z, s, t).loc
        return Noises(z, noises[:held], state.count + 1), {}
