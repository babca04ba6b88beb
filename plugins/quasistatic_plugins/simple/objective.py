"""The unweighted regression."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs
from quasistatic_plugins.simple import SimpleOptions

Key = jax.Array


class Simple(qs.AbstractObjective):
    """-log decode(x) at a time of the chain drawn evenly."""

    options: SimpleOptions = eqx.field(static=True)

    def __call__(self, diffusion: qs.Diffusion, x: Any, u: jax.Array, *, key: Key) -> tuple[jax.Array, dict[str, jax.Array]]:
        times = diffusion.times()
        t = times[jnp.minimum((u * len(times)).astype(jnp.int32), len(times) - 1)]
        key_z, key_net = jr.split(key)
        z = diffusion.kernel.marginal(x, t).sample(key_z)
        return -diffusion.kernel.decode(diffusion.params(z, t, key=key_net), z, t).log_prob(x), {}
