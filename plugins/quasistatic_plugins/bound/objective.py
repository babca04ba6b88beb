"""-K from one term of the ledger."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.bound import BoundOptions

Key = jax.Array


class Bound(qs.AbstractObjective):
    """Unbiased for -K(x) without its constant prior term: the term of index i, drawn with probability p_i, divided by
    p_i.

    `shares` (T,) are those probabilities, measured once if they are not even; they are constants of the run, not
    trained.
    """

    is_bound: ClassVar[bool] = True
    options: BoundOptions = eqx.field(static=True)
    shares: jax.Array | None = None

    def __call__(self, diffusion: qs.Diffusion, x: Any, u: jax.Array, *, key: Key) -> tuple[jax.Array, dict[str, jax.Array]]:
        chain = diffusion.for_chain()
        if chain.is_amortised:
            return -chain.amortised_bound(x, key=key), {}
        times = chain.times
        index, weight = self._draw(u, len(times))
        key_z, key_term = jr.split(key)
        marginal = diffusion.kernel.marginal(x, times[index])
        zs = marginal.pair(key_z) if self.options.antithetic else (marginal.sample(key_z),)
        terms = [diffusion.term(x, z, index, times, key=key_term, train=True) for z in zs]
        return weight * sum(terms) / len(terms), {}

    def _draw(self, u: jax.Array, steps: int) -> tuple[jax.Array, jax.Array]:
        if self.shares is None:
            return jnp.minimum((u * steps).astype(jnp.int32), steps - 1), jnp.asarray(float(steps))
        index = jnp.minimum(jnp.searchsorted(jnp.cumsum(self.shares), u), steps - 1)
        return index, 1.0 / self.shares[index]

    def prepare(self, diffusion: qs.Diffusion, xs: Any, side: Any = None, *, key: Key) -> Bound:
        """With `draw = importance`: measures the root mean square of every term, the shares of least variance."""
        if self.options.draw == "stratified" or diffusion.for_chain().is_amortised:
            return self
        terms = qs.ledger(diffusion, xs, key=key, side=side).terms[:, :-1]
        size = np.sqrt(np.mean(terms**2, axis=0))
        shares = 0.5 / len(size) + 0.5 * size / size.sum()
        return Bound(self.options, jnp.asarray(shares, jnp.result_type(float)))
