"""A spiral with Gaussian noise: (theta cos theta, theta sin theta) with theta even on [1.5 pi, 4.5 pi].

The density is an integral over theta, done here by quadrature in float64. Moments are closed forms.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.swiss_roll import SwissRollOptions

START, END = 1.5 * math.pi, 4.5 * math.pi
MEAN = np.array([2.0, 2.0 / (3.0 * math.pi)])
# E theta^2 - |mean|^2, summed over both coordinates
CURVE_VARIANCE = (END**3 - START**3) / (3.0 * (END - START)) - float(MEAN @ MEAN)
ORDER = 12  # Gauss-Legendre nodes per panel, a panel being about one deviation of noise long
CHUNK = 2**20  # exponentials at a time


def build(options: SwissRollOptions) -> AbstractSwissRoll:
    """With noise its density is known; without noise the points lie on a curve and have none."""
    return SwissRoll(options) if options.noise > 0 else SwissCurve(options)


class AbstractSwissRoll(qs.AbstractGeneratedSource):
    """Events (2,), centred by the exact mean and scaled by one constant to a mean variance of 1, noise included."""

    event: qs.Real = qs.Real((2,))
    units: qs.Units

    def __init__(self, options: SwissRollOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.options = options
        self.units = qs.Units(MEAN, math.sqrt(0.5 * CURVE_VARIANCE + options.noise**2))

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        key_along, key_noise = jr.split(key)
        theta = START + (END - START) * jr.uniform(key_along, (), jnp.float32)
        curve = theta * jnp.stack([jnp.cos(theta), jnp.sin(theta)])
        raw = curve + self.options.noise * jr.normal(key_noise, (2,), jnp.float32)
        return (raw - jnp.asarray(MEAN, jnp.float32)) / self.units.scale, None


class SwissCurve(AbstractSwissRoll):
    """Without noise: K grows without bound as the kernel's first noise falls."""


class SwissRoll(AbstractSwissRoll, qs.sources.AbstractTruth):
    """With noise."""

    def log_prob(self, xs: np.ndarray) -> np.ndarray:
        """Exact to 1e-6 nats for points within 30 deviations of noise of the curve."""
        noise = self.options.noise
        points = self.units.to_user(np.asarray(xs, np.float64))
        nodes, log_weights = _quadrature(noise)
        size = max(1, CHUNK // len(nodes))
        parts = [_log_mixture(points[i : i + size], nodes, log_weights, noise) for i in range(0, len(points), size)]
        return np.concatenate(parts) + 2.0 * math.log(self.units.scale)


def _quadrature(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Points on the curve (n, 2) and the logarithms of their shares of theta (n,).

    Panels are even in theta^2, so nearly even in arc length.
    """
    panels = max(16, math.ceil((END**2 - START**2) / (2.0 * noise)))
    edges = np.sqrt(np.linspace(START**2, END**2, panels + 1))
    abscissas, weights = np.polynomial.legendre.leggauss(ORDER)
    half = 0.5 * np.diff(edges)[:, None]
    theta = (edges[:-1, None] + half * (1.0 + abscissas)).ravel()
    share = (half * weights / (END - START)).ravel()
    return theta[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1), np.log(share)


def _log_mixture(points: np.ndarray, nodes: np.ndarray, log_weights: np.ndarray, noise: float) -> np.ndarray:
    """log of the sum over nodes of weight times a normal density at each point."""
    # |p - n|^2 multiplied out: a matrix product, and float64 keeps 1e-10 of it
    exponents = points @ (nodes.T / noise**2) + (log_weights - 0.5 * (nodes**2).sum(axis=1) / noise**2)
    top = exponents.max(axis=1, keepdims=True)
    total = np.exp(exponents - top).sum(axis=1)
    outside = 0.5 * (points**2).sum(axis=1) / noise**2 + math.log(2.0 * math.pi * noise**2)
    return top[:, 0] + np.log(total) - outside
