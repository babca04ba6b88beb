"""Equilibrium, the learned steps back, data."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax

import quasistatic as qs
from quasistatic_plugins.ancestral import AncestralOptions

Key = jax.Array


class Ancestral(qs.AbstractSampler):
    """Exact draws of the reverse path measure."""

    is_exact: ClassVar[bool] = True
    options: AncestralOptions = eqx.field(static=True)

    def init(self, diffusion: qs.Diffusion, key: Key) -> jax.Array:
        return diffusion.kernel.equilibrium().sample(key)

    def step(
        self, diffusion: qs.Diffusion, z: jax.Array, s: jax.Array, t: jax.Array, key: Key, given: jax.Array | None
    ) -> jax.Array:
        return diffusion.kernel.reverse(diffusion.params(z, t, given), z, s, t).sample(key)

    def finish(
        self, diffusion: qs.Diffusion, z: jax.Array, t: jax.Array, key: Key, given: jax.Array | None
    ) -> jax.Array:
        return diffusion.decode(diffusion.params(z, t, given), z, t).sample(key)
