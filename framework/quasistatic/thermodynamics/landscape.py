"""The energy landscape -log p_t(x), its modes, and how they merge as noise rises."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, Time
from quasistatic._process.flow import flow_log_prob
from quasistatic.thermodynamics._levels import log_levels, log_snr

__all__ = [
    "Denoiser",
    "MergeTree",
    "asymmetry",
    "denoiser_of",
    "empirical_denoiser",
    "energy_difference",
    "flow_log_prob",
    "merge_tree",
    "modes",
]

CLOSE = 1e-2  # in units of sigma: two modes that are one
STILL = 1e-5  # in units of sigma: an ascent that has arrived
MOST_ITERATIONS = 2000

Denoiser = Callable[[jax.Array, jax.Array], jax.Array]  # E[x given x + sigma * noise = y], from y (size,) and sigma


def _score(diffusion: Diffusion, z: jax.Array, t: Time) -> jax.Array:
    """grad log p_t at z, by the network's E[x given z] (Tweedie)."""
    log_a, log_noise = log_levels(diffusion.kernel, t)
    return (jnp.exp(log_a) * diffusion.mean(z, t) - z) / jnp.exp(log_noise)


@eqx.filter_jit
def energy_difference(diffusion: Diffusion, starts: jax.Array, ends: jax.Array, t: Time) -> jax.Array:
    """-log p_t at `ends` (N, ...) less that at `starts` (N, ...), in nats, (N,): the score along straight lines.

    64 nodes of Gauss and Legendre for each. Another way gives another value where the field has no energy: look at `asymmetry`
    first. Raises TypeError for another than Gaussian noise.
    """
    nodes, weights = (0.5 * jnp.asarray(values) for values in np.polynomial.legendre.leggauss(64))

    def one(start: jax.Array, end: jax.Array) -> jax.Array:
        slopes = jax.vmap(lambda share: jnp.sum((end - start) * _score(diffusion, start + share * (end - start), t)))(0.5 + nodes)
        return -weights @ slopes

    return jax.vmap(one)(starts, ends)


@eqx.filter_jit
def asymmetry(diffusion: Diffusion, zs: jax.Array, t: Time, *, key: Key) -> jax.Array:
    """sqrt(E|(J - J')v|^2 / E|J v|^2) of the Jacobian of the score, at states zs (N, ...) at time t: 0 where it has an energy.

    Above 0.1 an energy by line integrals depends on the way. Raises TypeError for another than Gaussian noise.
    """

    def one(z: jax.Array, key: Key) -> tuple[jax.Array, jax.Array]:
        probe = jr.rademacher(key, z.shape, z.dtype)

        def field(z: jax.Array) -> jax.Array:
            return _score(diffusion, z, t)

        _, forth = jax.jvp(field, (z,), (probe,))
        (back,) = jax.vjp(field, z)[1](probe)
        return jnp.sum((forth - back) ** 2), jnp.sum(forth**2)

    odd, whole = jax.vmap(one)(zs, jr.split(key, len(zs)))
    return jnp.sqrt(odd.mean() / whole.mean())


# modes


def denoiser_of(diffusion: Diffusion, levels: int = 512) -> Denoiser:
    """A model's E[x given y = x + sigma * noise], for the sigma that its chain has; beyond, that of its ends."""
    times = np.linspace(float(diffusion.times()[0]), 1.0, levels)
    log_sigma, floats = -0.5 * log_snr(diffusion.kernel, times), jnp.asarray(times, jnp.result_type(float))
    log_a = np.asarray(jax.vmap(lambda t: log_levels(diffusion.kernel, t)[0])(floats)).reshape(levels, -1)[:, 0]
    known = np.isfinite(log_sigma)
    shape = diffusion.kernel.event.structs.shape

    def denoise(y: jax.Array, sigma: jax.Array) -> jax.Array:
        t, a = (jnp.interp(jnp.log(sigma), log_sigma[known], values[known]) for values in (times, np.exp(log_a)))
        return diffusion.mean((a * y).reshape(shape), t).ravel()

    return denoise


def empirical_denoiser(points: np.ndarray) -> Denoiser:
    """E[x given y] for points (n, size), equally probable: its ascent is Gaussian mean shift (Cheng 1995)."""
    known = jnp.asarray(points, jnp.result_type(float))

    def denoise(y: jax.Array, sigma: jax.Array) -> jax.Array:
        return jax.nn.softmax(-0.5 * jnp.sum(((y - known) / sigma) ** 2, axis=1)) @ known

    return denoise


def modes(denoise: Denoiser, starts: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Modes (m, size) of data with noise of deviation `sigma`, and which of them each of `starts` (N, size) ascends to, (N,).

    The ascent is y <- E[x given y], which rests where the density does (Tweedie). Fixed points that are no modes are left by
    a small push. In two and more dimensions modes can also appear as sigma rises, so their number is no tree.
    """
    pushed = np.asarray(starts, np.float64) + 1e-2 * sigma * np.random.default_rng(0).standard_normal(np.shape(starts))
    reached = np.asarray(_ascend(denoise, jnp.asarray(pushed, jnp.result_type(float)), jnp.asarray(sigma, jnp.result_type(float))))
    return _distinct(reached, CLOSE * sigma)


@eqx.filter_jit
def _ascend(denoise: Denoiser, ys: jax.Array, sigma: jax.Array) -> jax.Array:
    def go_on(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, moved, count = state
        return (moved > STILL * sigma) & (count < MOST_ITERATIONS)

    def step(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        ys, _, count = state
        new = jax.vmap(lambda y: denoise(y, sigma))(ys)
        return new, jnp.max(jnp.linalg.norm(new - ys, axis=-1)), count + 1

    return jax.lax.while_loop(go_on, step, (ys, jnp.asarray(jnp.inf), jnp.asarray(0)))[0]


def _distinct(points: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (m, size) farther apart than this, and the number of the nearest for each, (N,)."""
    kept: list[np.ndarray] = []
    which = np.empty(len(points), int)
    for number, point in enumerate(points):
        away = [float(np.linalg.norm(point - other)) for other in kept]
        near = int(np.argmin(away)) if away else -1
        if near < 0 or away[near] > distance:
            kept.append(point)
            near = len(kept) - 1
        which[number] = near
    return np.array(kept), which


@attrs.frozen(eq=False)
class MergeTree:
    """Modes (m, size) at the smallest sigma, `weights` (m,) of the starts that ascend to them, and the merges of their tracks.

    `merges` are triples sigma, i, j in the order of sigma: the track of mode j ends there in that of mode i < j.
    """

    modes: np.ndarray
    weights: np.ndarray
    merges: tuple[tuple[float, int, int], ...]


def merge_tree(denoise: Denoiser, starts: np.ndarray, sigmas: np.ndarray) -> MergeTree:
    """Modes tracked as the deviation of the noise rises through `sigmas` (M,), from those that `starts` (N, size) ascend to.

    Each goes on from where it was at the sigma before, and two merge when they meet: a tree also where modes appear on the way.
    """
    first, which = modes(denoise, starts, float(sigmas[0]))
    alive, places, merges = list(range(len(first))), first, []
    for sigma in np.asarray(sigmas, float)[1:]:
        if len(alive) == 1:
            break
        reached, joined = modes(denoise, places, sigma)
        for number in range(len(reached)):
            together = [alive[k] for k in np.flatnonzero(joined == number)]
            merges += [(float(sigma), together[0], other) for other in together[1:]]
        firsts = [int(np.flatnonzero(joined == number)[0]) for number in range(len(reached))]
        alive, places = [alive[k] for k in firsts], reached
    return MergeTree(first, np.bincount(which, minlength=len(first)) / len(which), tuple(merges))
