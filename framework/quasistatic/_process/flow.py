"""Log densities along the probability flow."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import AbstractDistribution, Key, State, Time
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.kernel import AbstractFlowing, AbstractKernel

EXACT_DIVERGENCE = 16  # elements of an event, up to which the divergence is computed and not estimated


def flow_log_prob(
    diffusion: Diffusion,
    xs: State,
    *,
    key: Key,
    time: float = 0.0,
    steps: int = 50,
    side: State | None = None,
    end: AbstractDistribution | None = None,
) -> np.ndarray:
    """log p_t of states xs (N, ...) at a `time`, in nats, (N,), by the probability flow (Song et al. 2021, section 4.3).

    Runge-Kutta of order 4 in `steps` even steps of time up to 1, where `end` is the distribution, by default equilibrium. The
    divergence is exact up to 16 elements, and met by one sign vector for each path beyond. It is the density of a third model,
    neither that of the chain nor of K: the same only for an exact network and fine steps. Raises TypeError for kernels
    without a flow.
    """
    check_flow(diffusion.kernel)
    last = diffusion.kernel.equilibrium() if end is None else end
    times = jnp.linspace(time, 1.0, steps + 1)
    return np.asarray(_flow_log_prob(diffusion, xs, side, last, times, key), np.float64)


@eqx.filter_jit
def _flow_log_prob(
    diffusion: Diffusion, xs: State, side: State | None, end: AbstractDistribution, times: jax.Array, key: Key
) -> jax.Array:
    def one(x: jax.Array, side_one: State | None, key: Key) -> jax.Array:
        given = diffusion.given(side_one)
        probe = jr.rademacher(key, x.shape, jnp.result_type(float))

        def velocity(z: jax.Array, t: Time) -> jax.Array:
            return given.velocity(z, t)

        def slope(z: jax.Array, t: Time) -> tuple[jax.Array, jax.Array]:
            return velocity(z, t), divergence(lambda z: velocity(z, t), z, probe)

        # a few lines instead of diffrax: even steps, no control of the error, and one package less
        def step(state: tuple[jax.Array, jax.Array], at: tuple[Time, Time]) -> tuple[tuple[jax.Array, jax.Array], None]:
            (z, gained), (s, t) = state, at
            h, m = t - s, 0.5 * (s + t)
            first = slope(z, s)
            second = slope(z + 0.5 * h * first[0], m)
            third = slope(z + 0.5 * h * second[0], m)
            fourth = slope(z + h * third[0], t)
            move, gain = ((a + 2.0 * b + 2.0 * c + d) / 6.0 for a, b, c, d in zip(first, second, third, fourth, strict=True))
            return (z + h * move, gained + h * gain), None

        (z, gained), _ = jax.lax.scan(step, (x, jnp.zeros(())), (times[:-1], times[1:]))
        return end.log_prob(z) + gained

    return jax.vmap(one)(xs, side, jr.split(key, len(xs)))


def check_flow(kernel: AbstractKernel) -> None:
    """Raises TypeError for a kernel without a flow."""
    if not isinstance(kernel, AbstractFlowing | AbstractGaussianPath):
        raise TypeError(f"expected a kernel with a flow, got {type(kernel).__name__}")


def divergence(field: Callable[[jax.Array], jax.Array], z: jax.Array, probe: jax.Array) -> jax.Array:
    """Of a field at z: exact up to 16 elements, by a random sign vector beyond."""
    if z.size <= EXACT_DIVERGENCE:
        return jnp.trace(jax.jacfwd(field)(z).reshape(z.size, z.size))
    return jnp.sum(probe * jax.jvp(field, (z,), (probe,))[1])
