"""Two waiting times that go together: a mixture of log-normal kinds, centred on nothing and scaled to mean square 1."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_positive.waits import WaitsOptions

SHARES = np.array([0.5, 0.3, 0.2])
MEDIANS = np.log([[1.0, 4.0], [4.0, 2.0], [9.0, 9.0]])  # of each kind, minutes
DEVIATION = 0.4  # of the logarithm
SCALE = float(np.sqrt(SHARES @ np.exp(2.0 * MEDIANS + 2.0 * DEVIATION**2).mean(axis=1)))


class Waits(qs.AbstractGeneratedSource, qs.sources.AbstractTruth):
    """Minutes in user units."""

    event, units = qs.Real((2,), low=0.0), qs.Units(0.0, SCALE)

    def __init__(self, options: WaitsOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        key_kind, key_noise = jr.split(key)
        kind = jnp.sum(qs.numerics.uniform((), key=key_kind) >= np.cumsum(SHARES)[:-1].astype(np.float32))
        logs = jnp.asarray(MEDIANS - np.log(SCALE), jnp.float32)[kind]
        return jnp.exp(logs + DEVIATION * jr.normal(key_noise, (2,), jnp.float32)), None

    def log_prob(self, xs: np.ndarray) -> np.ndarray:
        """Zero at numbers that are not positive."""
        logs = np.log(np.asarray(xs, np.float64), where=xs > 0, out=np.full(xs.shape, -np.inf))
        away = (logs[:, None] + np.log(SCALE) - MEDIANS) / DEVIATION
        each = -0.5 * (away**2).sum(axis=-1) + np.log(SHARES / (2.0 * np.pi * DEVIATION**2))
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(np.logaddexp.reduce(each, axis=1) - logs.sum(axis=1), nan=-np.inf)
