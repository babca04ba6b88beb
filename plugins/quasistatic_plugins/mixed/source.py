"""Events of three parts that depend on one another through the kind alone, so that the truth is a sum of closed forms."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.mixed import MixedOptions

SHARES = np.array([0.3, 0.25, 0.2, 0.15, 0.1])  # of the kinds
ANGLES = 2.0 * math.pi * np.arange(5) / 5.0
PLACES = 2.0 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)  # of the kinds
MARKED = np.array([[0.9, 0.1, 0.5], [0.1, 0.9, 0.5], [0.8, 0.8, 0.2], [0.2, 0.2, 0.8], [0.5, 0.5, 0.9]])  # chance of each mark


class Mixed(qs.AbstractGeneratedSource, qs.sources.AbstractTruth):
    """`kind` is one of 5, `marks` are 3 bits, `place` are 2 real numbers, centred and scaled by their exact moments."""

    event = qs.Fields({"kind": qs.Categorical((), 5), "marks": qs.Binary((3,)), "place": qs.Real((2,))})

    def __init__(self, options: MixedOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        centre = SHARES @ PLACES
        scale = math.sqrt(SHARES @ ((PLACES - centre) ** 2).mean(axis=1) + options.spread**2)
        place = qs.Units(centre, scale)
        self.units = {"place": place}
        self.places, self.deviation = place.to_model(PLACES), options.spread / scale

    def draw(self, row: None, *, key: jax.Array) -> tuple[dict[str, jax.Array], None]:
        key_kind, key_marks, key_place = jr.split(key, 3)
        ends = jnp.asarray(np.cumsum(SHARES)[:-1], jnp.float32)
        kind = jnp.sum(qs.numerics.uniform((), key=key_kind) >= ends).astype(jnp.int32)
        marks = qs.numerics.uniform((3,), key=key_marks) < jnp.asarray(MARKED, jnp.float32)[kind]
        noise = jr.normal(key_place, (2,), jnp.float32)
        place = jnp.asarray(self.places, jnp.float32)[kind] + self.deviation * noise
        return {"kind": kind, "marks": marks.astype(jnp.float32), "place": place}, None

    def log_prob(self, xs: dict[str, np.ndarray]) -> np.ndarray:
        """Exact, in float64; of the place a density."""
        kind, marks = np.asarray(xs["kind"]), np.asarray(xs["marks"], np.float64)
        chance = MARKED[kind]
        away = (np.asarray(xs["place"], np.float64) - self.places[kind]) / self.deviation
        log_place = -0.5 * (away**2).sum(axis=1) - 2.0 * math.log(self.deviation) - math.log(2.0 * math.pi)
        return np.log(SHARES[kind]) + (marks * np.log(chance) + (1.0 - marks) * np.log1p(-chance)).sum(axis=1) + log_place
