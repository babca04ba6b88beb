"""Orders of a shop. Each column depends on the one before: kind, then the way it is sent, then log price and log weight."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_tabular import OrdersOptions

KINDS = np.array([0.5, 0.3, 0.2])  # books, clothes, tools
SENT = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])  # by post or by courier, given the kind
MEANS = np.array([[2.7, -0.9], [3.7, -0.4], [4.2, 1.0]])  # of log price (in pounds) and log weight (in kg), given the kind
COURIER = np.array([0.5, 0.2])  # what is sent by courier is dearer and heavier
ROOT = np.array([[0.5, 0.0], [0.3, 0.4]])  # root @ root.T is the covariance of both, given the rest

# exact moments of the numbers: one centre each, and one scale, so that their mean square is 1 in model units
SHARES = KINDS[:, None] * SENT
PLACES = MEANS[:, None] + COURIER * np.arange(2)[:, None]  # (kind, sent, number)
CENTRE = np.einsum("ks,ksn->n", SHARES, PLACES)
SCALE = float(np.sqrt((np.einsum("ks,ksn->n", SHARES, (PLACES - CENTRE) ** 2) + np.diag(ROOT @ ROOT.T)).mean()))


class Orders(qs.AbstractGeneratedSource, qs.sources.AbstractTruth):
    """Categories are model units themselves; `units` are those of the numbers."""

    event = qs.Fields({"kind": qs.Categorical((), 3), "numbers": qs.Real((2,)), "sent": qs.Categorical((), 2)})

    def __init__(self, options: OrdersOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.units = {"numbers": qs.Units(CENTRE, SCALE)}

    @property
    def entropy_nats(self) -> float:
        """Of a row, that of its categories and the differential entropy of its numbers in model units."""
        of_numbers = np.log(2.0 * np.pi * np.e) + np.log(np.diag(ROOT) / SCALE).sum()
        return float(of_numbers - (SHARES * np.log(SHARES)).sum())

    def draw(self, row: None, *, key: jax.Array) -> tuple[dict[str, jax.Array], None]:
        key_kind, key_sent, key_numbers = jr.split(key, 3)
        kind = jnp.sum(qs.numerics.uniform((), key=key_kind) >= np.cumsum(KINDS)[:-1].astype(np.float32)).astype(jnp.int32)
        sent = (qs.numerics.uniform((), key=key_sent) >= jnp.asarray(SENT[:, 0], jnp.float32)[kind]).astype(jnp.int32)
        places, root = (jnp.asarray(array, jnp.float32) for array in ((PLACES - CENTRE) / SCALE, ROOT / SCALE))
        return {"kind": kind, "numbers": places[kind, sent] + root @ jr.normal(key_numbers, (2,), jnp.float32), "sent": sent}, None

    def log_prob(self, xs: dict[str, np.ndarray]) -> np.ndarray:
        """Of the categories a probability, of the numbers a density."""
        kind, sent = np.asarray(xs["kind"]), np.asarray(xs["sent"])
        away = np.asarray(xs["numbers"], np.float64) * SCALE + CENTRE - PLACES[kind, sent]
        scaled = np.linalg.solve(ROOT, away.T)
        log_numbers = -0.5 * (scaled**2).sum(axis=0) - np.log(2.0 * np.pi) - np.log(np.diag(ROOT) / SCALE).sum()
        return np.log(SHARES[kind, sent]) + log_numbers
