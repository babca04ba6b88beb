"""What a kernel with Gaussian noise declares of it."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from quasistatic._process.distribution import Time
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.normal import Normal
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, worst
from quasistatic.testing._setting import Setting, Spot


def _is_gaussian(kernel: AbstractKernel) -> bool:
    return isinstance(kernel, AbstractGaussianPath)


@law(
    "kernel",
    "levels",
    "Marginal, transition and posterior are those of the levels of signal and noise that the kernel declares, in its basis.",
    "Kingma et al. 2021, section 3.1",
    when=_is_gaussian,
    float64=True,
)
def levels(kernel: AbstractGaussianPath, setting: Setting) -> Reading:
    times = setting.times(kernel)
    spots = setting.spots(kernel, times[1], times[3], 8)
    gaps = _levels_gaps(kernel, spots, times[1], times[3])
    return worst(Reading(float(gap), 1e-6, "relative", where) for where, gap in gaps.items())


@eqx.filter_jit
def _levels_gaps(kernel: AbstractGaussianPath, spots: Spot, s: Time, t: Time) -> dict[str, jax.Array]:
    (early, before), (late, after) = (jax.tree.map(jnp.exp, kernel.levels(at)) for at in (s, t))
    kept = late / early
    added = after - kept**2 * before

    def one(spot: Spot) -> dict[str, jax.Array]:
        x, z_s, z_t = (each if kernel.basis is None else kernel.basis.to_basis(each) for each in spot)
        wanted = {
            "marginal": (kernel.marginal(spot.x, t), late * x, after),
            "transition": (kernel.transition(spot.early, s, t), kept * z_s, added),
            "posterior": (
                kernel.posterior(spot.x, spot.late, s, t), (kept * before * z_t + early * added * x) / after, before * added / after
            ),
        }  # fmt: skip
        return {name: _from_normal(kernel, *each) for name, each in wanted.items()}

    return jax.tree.map(jnp.max, jax.vmap(one)(spots))


def _from_normal(kernel: AbstractGaussianPath, found: Normal, loc: jax.Array, variance: jax.Array) -> jax.Array:
    """How far a normal distribution is from these coordinates."""
    own = found.loc if kernel.basis is None else kernel.basis.to_basis(found.loc)
    moved, widened = jnp.abs(own - loc) / (1.0 + jnp.abs(loc)), jnp.abs(found.variance / variance - 1.0)
    return jnp.maximum(jnp.max(moved), jnp.max(widened))
