"""A lamp that is dim or bright, seen by several detectors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.special import gammaln

import quasistatic as qs
from quasistatic_thinning import PhotonsOptions


class Photons(qs.GeneratedSource):
    """Poisson counts whose common mean is `dim` or `bright`, each half of the time: the detectors are not independent."""

    def __init__(self, options: PhotonsOptions):
        super().__init__(seed=0, validation_events=500, test_events=2000)
        self.options = options
        self.event = qs.Event((options.detectors,), "count")

    def draw(self, row: None, key: jax.Array) -> tuple[jax.Array, None]:
        key_lamp, key_count = jr.split(key)
        mean = jnp.where(jr.bernoulli(key_lamp), self.options.bright, self.options.dim)
        return jr.poisson(key_count, mean, self.event.shape).astype(jnp.float32), None

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        means = np.array([self.options.dim, self.options.bright])
        each = x[..., None] * np.log(means) - means - np.asarray(gammaln(x + 1.0))[..., None]
        return np.logaddexp.reduce(each.sum(axis=1), axis=-1) - np.log(2.0)
