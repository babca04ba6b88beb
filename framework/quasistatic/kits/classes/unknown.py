"""K of events whose side information is one of several, and not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import jax
import jax.random as jr
import numpy as np

import quasistatic as qs

NORMALISED = 1e-4  # of a sum of probabilities in float32


@attrs.frozen(eq=False)
class Alternatives:
    """`joint` (repeats, N, C): draws of K given each of C alternatives plus the log-probability of it, in nats.

    The alternatives of one event and repeat share their noise.
    """

    joint: np.ndarray

    @property
    def per_event(self) -> np.ndarray:
        """K of each event, (N,), in nats: in the mean a bound on log sum_c p(c) p(x given c).

        log sum_c exp(J_c) is at least sum_c w_c (J_c - log w_c) for any weights w (Gibbs' inequality). Those of one repeat are from
        the others: so no draw stands in an exponent, which would be too high in the mean.
        """
        total = self.joint.sum(axis=0)
        others = _normalised((total - self.joint) / (len(self.joint) - 1))
        return np.mean(np.sum(np.exp(others) * (self.joint - others), axis=-1), axis=0)

    @property
    def log_posteriors(self) -> np.ndarray:
        """log p(c given x), (N, C), with K in the place of log p(x given c)."""
        return _normalised(self.joint.mean(axis=0))


def _normalised(log_weights: np.ndarray) -> np.ndarray:
    return log_weights - np.logaddexp.reduce(log_weights, axis=-1, keepdims=True)


def alternatives(
    diffusion: qs.Diffusion,
    xs: Any,
    sides: Sequence[Any],
    log_probs: np.ndarray,
    *,
    key: jax.Array,
    steps: int | np.ndarray | None = None,
    repeats: int = 2,
) -> Alternatives:
    """K of events xs (N, ...) under each of `sides`, C pieces of side information (N, ...) with log-probabilities `log_probs` (C,).

    That is a classifier too (Li et al. 2023), one of densities that are bounded. Raises ValueError for fewer than two repeats or
    alternatives, or log-probabilities that are not as many or do not sum to 1.
    """
    if repeats < 2 or len(sides) < 2 or len(sides) != len(log_probs):
        found = f"{repeats} repeats, {len(sides)} alternatives, {len(log_probs)} log-probabilities"
        raise ValueError(f"expected at least 2 repeats, and a log-probability for each of at least 2 alternatives, got {found}")
    total = float(np.sum(np.exp(log_probs)))
    if not abs(total - 1.0) < NORMALISED:
        raise ValueError(f"log_probs: expected probabilities that sum to 1, got {total:.6g}")

    joint = []
    for key_repeat in jr.split(key, repeats):
        for side, log_prob in zip(sides, log_probs, strict=True):
            given = qs.ledger(diffusion, xs, key=key_repeat, steps=steps, side=side)
            joint.append(given.per_event + log_prob)  # of all terms only the sum is kept: classes may be many
    return Alternatives(np.reshape(joint, (repeats, len(sides), -1)).swapaxes(1, 2))
