"""Biroli et al. 2024: when two clones that share a path from noise to t, and then part, end in the same class."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.order import clone_agreement, u_turn

# phi at times of their process, exp(-t) and noise 1 - exp(-2 t), of two normals of unit variance at +-(1, ..., 1)
CURVES = {
    256: {2.0: 0.9770, 2.5: 0.8621, 3.0: 0.7069, 3.5: 0.5964, 4.0: 0.5397},
    1024: {2.5: 0.9934, 3.0: 0.9176, 3.5: 0.7644, 4.0: 0.6319, 4.5: 0.5565},
}
LAST = 5.0  # of their times that the kernel reaches
FIRST = 0.005


class Difference(NamedTuple):
    """The worst difference over a curve, and the worst in standard errors."""

    value: float
    errors: float


class Exact(qs.AbstractModel):
    """E[x given z] of the two normals, less a z, which is that of unit-normal data; the variance in a class is that of these."""

    kernel: qs.AbstractKernel

    def __call__(self, features, t, side=None, *, key=None):
        survival = jnp.exp(qs.log_survival(self.kernel.schedule.log_odds(t)))
        mean = (1.0 - survival) * jnp.tanh(jnp.sqrt(survival) * jnp.sum(features))
        return jnp.concatenate([jnp.broadcast_to(mean, features.shape), jnp.zeros_like(features)], axis=-1)


def pair(size: int) -> qs.Diffusion:
    first, last = -math.expm1(-2.0 * FIRST), math.exp(-2.0 * LAST)
    kernel = qs.make("kernel", "gaussian", qs.Real((size,)), mean="data", first_noise=first, last_survival=last)
    return qs.Diffusion(kernel, Exact(kernel), 100)


def our_times(theirs: np.ndarray) -> np.ndarray:
    """At which log (e^{-2 t} / (1 - e^{-2 t})) is what falls evenly from our time 0 to 1."""
    log_snr = -np.log(np.expm1(2.0 * np.append(theirs, [FIRST, LAST])))
    return (log_snr[:-2] - log_snr[-2]) / (log_snr[-1] - log_snr[-2])


def events(size: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    return (rng.choice([-1.0, 1.0], (count, 1)) + rng.standard_normal((count, size))).astype(np.float32)


def by_clones(size: int, count: int, step: float = 0.05) -> Difference:
    """Clones that are led back by ancestral steps of 0.05 on their time, which move phi by 0.009 at most; `count` pairs.

    From where the class is sure, 4.5 deviations from the middle, one step to the data is exact: within a class they are normal.
    """
    diffusion, xs, found = pair(size), events(size, count), {}
    sure = 0.5 * math.log(size) - math.log(4.5)
    for number, t in enumerate(CURVES[size]):
        chain = our_times(np.append(FIRST, np.arange(t, sure, -step)[::-1]))
        ends = [
            np.asarray(u_turn(diffusion, xs[start : start + 500], jnp.asarray(chain), key=jr.key(start + number)))
            for start in range(0, count, 500)
        ]
        classes = np.sign(np.concatenate(ends).sum(axis=-1))
        same = classes[:, 0] == classes[:, 1]
        found[t] = (same.mean(), same.std() / math.sqrt(count))
    return worst(size, found)


def by_classes(size: int, count: int) -> Difference:
    """The same chance from the probabilities of the classes at z_t, of which two clones draw one each."""
    diffusion, xs = pair(size), events(size, count)
    times = our_times(np.array(list(CURVES[size])))
    draw = jax.jit(jax.vmap(lambda x, key, t: diffusion.kernel.marginal(x, t).sample(key), in_axes=(0, 0, None)))
    found = {}
    for number, (t, time) in enumerate(zip(CURVES[size], times, strict=True)):
        z = np.asarray(draw(xs, jr.split(jr.key(number), count), jnp.asarray(time)), np.float64)
        p = 1.0 / (1.0 + np.exp(-2.0 * math.exp(-t) * z.sum(axis=1)))
        posteriors = np.stack([p, 1.0 - p], axis=-1)[:, None]
        per_event = (posteriors**2).sum(axis=-1)
        found[t] = (clone_agreement(posteriors)[0], per_event.std() / math.sqrt(count))
    return worst(size, found)


def worst(size: int, found: dict[float, tuple[float, float]]) -> Difference:
    apart = [(abs(value - CURVES[size][t]), error) for t, (value, error) in found.items()]
    return Difference(max(value for value, _ in apart), max(value / error for value, error in apart))


def quadrature() -> float:
    """The numbers themselves: E[p^2 + (1 - p)^2], p = sigmoid(2 m y), y normal around m = sqrt(d) e^{-t}. They have four digits."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    apart = []
    for size, curve in CURVES.items():
        for t, phi in curve.items():
            m = math.sqrt(size) * math.exp(-t)
            p = 1.0 / (1.0 + np.exp(-2.0 * m * (m + nodes)))
            apart.append(abs(weights @ (p**2 + (1.0 - p) ** 2) / weights.sum() - phi))
    return float(max(apart))
