"""A mixture of round Gaussians of one width: density and moments are closed forms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.gaussian_mixture import GaussianMixtureOptions

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GaussianMixture(qs.AbstractGeneratedSource, qs.sources.AbstractTruth, qs.sources.AbstractDrawing):
    """Events (dimensions,), centred by the exact mean and scaled by one constant to a mean variance of 1."""

    event: qs.Real
    units: qs.Units

    def __init__(self, options: GaussianMixtureOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        means = np.asarray(options.means, np.float64)
        weights = np.asarray(options.weights or (1.0,) * len(means))
        self.weights = weights / weights.sum()
        centre = self.weights @ means
        scale = math.sqrt(self.weights @ ((means - centre) ** 2).mean(axis=1) + options.deviation**2)
        self.units = qs.Units(centre, scale)
        self.means = self.units.to_model(means)
        self.deviation = options.deviation / scale
        self.event = qs.Real(centre.shape)

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        key_bump, key_noise = jr.split(key)
        ends = jnp.asarray(np.cumsum(self.weights)[:-1], jnp.float32)
        bump = jnp.sum(qs.numerics.uniform((), key=key_bump) >= ends)
        noise = jr.normal(key_noise, self.event.shape, jnp.float32)
        return jnp.asarray(self.means, jnp.float32)[bump] + self.deviation * noise, None

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Exact, in float64."""
        away = (np.asarray(x, np.float64)[:, None, :] - self.means) / self.deviation
        exponents = np.log(self.weights) - 0.5 * (away**2).sum(axis=-1)
        log_volume = self.event.size * (math.log(self.deviation) + 0.5 * math.log(2.0 * math.pi))
        return np.logaddexp.reduce(exponents, axis=1) - log_volume

    def render(self, xs: np.ndarray, axes: Axes) -> None:
        qs.pictures.draw_field(np.asarray(xs), self.event, axes)
        if self.event.size == 1:
            grid = np.linspace(self.means.min() - 4 * self.deviation, self.means.max() + 4 * self.deviation, 400)
            axes.plot(grid, np.exp(self.log_prob(grid[:, None])), color="black", linewidth=1, label="true density")
