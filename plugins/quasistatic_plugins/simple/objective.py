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
    """-log decode(x) at a time of the chain drawn evenly.

    At the first time it is the first step's, which is the same for every network with `first_step = paper`: a constant of the
    loss. At other times it is the network's, over which the steps back average whatever the first step is.
    """

    options: SimpleOptions = eqx.field(static=True)

    def __call__(self, diffusion: qs.Diffusion, x: Any, u: jax.Array, *, key: Key) -> tuple[jax.Array, dict[str, jax.Array]]:
        times = diffusion.times()
        index = jnp.minimum((u * len(times)).astype(jnp.int32), len(times) - 1)
        t = times[index]
        key_z, key_net = jr.split(key)
        z = diffusion.kernel.marginal(x, t).sample(key_z)
        params = diffusion.params(z, t, key=key_net)
        log_prob = diffusion.denoise(params, z, t).log_prob(x)
        if diffusion.first_step != "learned":
            log_prob = jnp.where(index == 0, diffusion.decode(params, z, t).log_prob(x), log_prob)
        return -log_prob, {}
