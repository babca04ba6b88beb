"""A lamp that is dim or bright, seen by several detectors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.special import gammaln

import quasistatic as qs
from quasistatic_thinning import PhotonsOptions


class Photons(qs.AbstractGeneratedSource, qs.sources.AbstractTruth):
    """Poisson counts whose common mean is `dim` or `bright`, each half of the time: the detectors are not independent."""

    def __init__(self, options: PhotonsOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.options = options
        self.event = qs.Counts((options.detectors,))

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        key_lamp, key_count = jr.split(key)
        mean = jnp.where(jr.bernoulli(key_lamp), self.options.bright, self.options.dim)
        return jr.poisson(key_count, mean, self.event.shape).astype(jnp.float32), None

    def log_prob(self, xs: np.ndarray) -> np.ndarray:
        means = np.array([self.options.dim, self.options.bright])
        each = xs[..., None] * np.log(means) - means - np.asarray(gammaln(xs + 1.0))[..., None]
        return np.logaddexp.reduce(each.sum(axis=1), axis=-1) - np.log(2.0)
