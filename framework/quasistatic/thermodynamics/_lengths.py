"""How far it is from data to noise, in four metrics: each tells what another use of a chain loses at least."""

from __future__ import annotations

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.flow import check_flow, divergence
from quasistatic.thermodynamics._levels import log_levels, log_snr, per_level


@attrs.frozen(eq=False)
class Lengths:
    """Lengths (M,) gone from the first of `times` (M,) on. Of N small steps, with equal lengths, the loss is L^2 / N at least.

    `bound`: what K loses with exact means and the posterior's variance. `fitted`: the same with the best variance that is constant
    (see `with_fitted_variances`), one for all elements. `fisher`: sqrt of twice the sum of KL(q_s || q_t), which annealing pays
    (Crooks 2007). `transport`: the way of the probability flow in model units, at least the distance W2 (Benamou & Brenier 2000).
    Each metric is of leading order in the steps, and a grid that is even in one is not even in another.
    """

    times: np.ndarray
    bound: np.ndarray
    fitted: np.ndarray
    fisher: np.ndarray
    transport: np.ndarray


def lengths(diffusion: Diffusion, xs: State, *, key: Key, times: np.ndarray, side: State | None = None) -> Lengths:
    """By events `xs` (N, ...), at rising times (M,) with noise and signal at both ends.

    With u the signal-to-noise ratio and C = Cov(x given z): |dL| is sqrt(E tr C^2) du / 2; the same with the square of
    E tr C over the size taken off; sqrt(E (d log q / dt)^2) dt; and sqrt(E |velocity|^2) dt. The network stands for the
    truth. Raises TypeError for kernels without a flow.
    """
    check_flow(diffusion.kernel)

    response, spread, fisher, transport = np.moveaxis(per_level(_speeds, diffusion, xs, key, times, side).mean(axis=0), 1, 0)
    fall = -np.gradient(log_snr(diffusion.kernel, times), times)
    size = diffusion.kernel.event.size
    squares = {
        "bound": 0.25 * response * fall**2,
        "fitted": 0.25 * (response - spread**2 / size) * fall**2,
        "fisher": fisher,
        "transport": transport,
    }
    return Lengths(
        np.asarray(times, np.float64), **{name: _gone(np.asarray(times, np.float64), square) for name, square in squares.items()}
    )


def _speeds(given: Diffusion, x: State, t: Time, key: Key) -> jax.Array:
    """Of one event, whose means are the squares of speeds and the two halves of one."""
    kernel, (key_z, *probes) = given.kernel, jr.split(key, 3)
    z = kernel.marginal(x, t).sample(key_z)
    log_a, log_noise = log_levels(kernel, t)
    first, second = (jr.rademacher(probe, z.shape, z.dtype) for probe in probes)
    mean, pushed = jax.jvp(lambda z: given.mean(z, t), (z,), (first,))
    velocity = given.velocity(z, t)
    score = (jnp.exp(log_a) * mean - z) / jnp.exp(log_noise)
    # d log q_t / dt at z, once for each probe: their product has no bias
    rates = [-divergence(lambda z: given.velocity(z, t), z, probe) - jnp.sum(velocity * score) for probe in (first, second)]
    response = jnp.sum((jnp.exp(log_a) * pushed) ** 2)  # u^2 tr C^2
    spread = jnp.sum(jnp.exp(log_a) * first * pushed)  # u tr C
    return jnp.stack([response, spread, rates[0] * rates[1], jnp.sum(velocity**2)])


def _gone(times: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Trapezoids under the speed, whose measured square may be negative."""
    speed = np.sqrt(np.maximum(squares, 0.0))
    return np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(times))])
