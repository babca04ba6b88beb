"""What is hidden or noisy in a picture, drawn back: pictures of posterior sampling."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic.kits.pictures.panels import triptych

SHOWN, DRAWS = 3, 3  # pictures of either kind, and draws of each
MOST_STEPS = 100  # of a walk back
NOISE, FLIPS = 0.5, 0.1  # a share of the deviation of all pixels; the probability of a flip
# variances of what is seen and of what is not, and the same of flips
SEEN, UNSEEN, SURE, UNSURE = 1e-4, 1e6, 1e-6, 0.5


def restored(source: qs.AbstractSource, diffusion: qs.Diffusion, data: qs.Data, *, key: jax.Array) -> Figure | None:
    """The middle of some pictures hidden, and others noisy: each with draws of what they may have been, and the draws' mean.

    Draws are of the tilted walk without weights, which costs as little as samples but is a posterior only where pixels are
    independent. None where the kernel cannot be tilted.
    """
    key_noise, key_walk = jr.split(key)
    xs = np.resize(data.x, (2 * SHOWN, *data.x.shape[1:]))  # repeated where there are few
    hidden = np.zeros(xs.shape, bool)
    height, width = xs.shape[1:3]
    hidden[:SHOWN, height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    noisy = np.broadcast_to(np.arange(2 * SHOWN).reshape(-1, *[1] * (xs.ndim - 1)) >= SHOWN, xs.shape)
    if isinstance(source.event, qs.Binary):
        flips = noisy & np.asarray(jr.bernoulli(key_noise, jnp.float32(FLIPS), xs.shape))
        seen = np.where(flips, 1.0 - xs, xs)
        spread = np.where(hidden, UNSURE, np.where(noisy, FLIPS, SURE))
        likelihood: type[qs.Flipped] | type[qs.Observed] = qs.Flipped
    else:
        deviation = NOISE * float(np.std(xs))
        seen = xs + noisy * deviation * np.asarray(jr.normal(key_noise, xs.shape, jnp.float32))
        spread = np.where(hidden, UNSEEN, np.where(noisy, deviation**2, SEEN))
        likelihood = qs.Observed
    potentials = likelihood(jnp.asarray(seen.astype(xs.dtype)), jnp.asarray(spread.astype(xs.dtype)))
    side = jax.tree.map(lambda leaf: jnp.asarray(np.resize(leaf, (len(xs), *leaf.shape[1:]))), data.side)
    try:
        times = diffusion.times(min(MOST_STEPS, len(diffusion.times())))
        drawn = np.asarray(_draws(diffusion, potentials, times, side, jr.split(key_walk, len(xs))))
    except TypeError:
        return None
    columns = {"data": xs, "seen": np.where(hidden, np.nan, seen)}
    columns |= {f"draw {number + 1}": drawn[:, number] for number in range(DRAWS)}
    return triptych(source, columns | {"mean of draws": drawn.mean(axis=1)}, hidden)


@eqx.filter_jit
def _draws(diffusion: qs.Diffusion, potentials: qs.AbstractPotential, times: jax.Array, side: Any, keys: jax.Array) -> jax.Array:
    """(N, DRAWS, ...), for a stack of potentials."""

    def one(potential: qs.AbstractPotential, side_one: Any, key: jax.Array) -> jax.Array:
        wanted = diffusion.given(side_one).tilted(potential)
        return jax.vmap(lambda key: qs.trajectory.reverse(qs.Ancestral(), wanted, times, key=key, keep=False).x)(
            jr.split(key, DRAWS)
        )

    return jax.vmap(one)(potentials, side, keys)
