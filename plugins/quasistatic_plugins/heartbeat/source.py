"""Binary sequences with a pulse every `period` bins and an even phase."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.heartbeat import HeartbeatOptions


class Heartbeat(qs.AbstractGeneratedSource, qs.sources.AbstractTruth, qs.sources.AbstractJudge):
    """Events (length,), 0. or 1.: `period` different ones, all equally probable, if the period fits into the length."""

    def __init__(self, options: HeartbeatOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.options = options
        self.event = qs.Binary((options.length,))

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        options = self.options
        phase = jr.randint(key, (), 0, options.period, jnp.int32)
        pulse = (jnp.arange(options.length, dtype=jnp.int32) - phase) % options.period == 0
        return pulse.astype(jnp.float32), None

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Share of the phases that give the sequence, as a logarithm; -inf for any other sequence."""
        phases = np.arange(self.options.period)[:, None]
        sequences = (np.arange(self.options.length) - phases) % self.options.period == 0
        share = (np.asarray(x)[:, None, :] == sequences).all(axis=-1).mean(axis=1)
        with np.errstate(divide="ignore"):
            return np.log(share)

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        """`valid`: share of the sequences that are heartbeats."""
        return {"valid": float(np.isfinite(self.log_prob(xs)).mean())}
