"""K of many events beside everything it should be read against, with units and errors."""

from __future__ import annotations

import math
from typing import Any

import attrs
import jax
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key
from quasistatic._ledger import Estimate, Ledger, estimate, ledger
from quasistatic._source import AbstractSource, Data


@attrs.frozen(eq=False)
class Evaluation:
    """The ledger of some events, the null model's and the true log-likelihood of the same events, (N,) each, in nats.

    Differences are taken event by event, so their errors are those of the differences.
    """

    ledger: Ledger
    null: np.ndarray | None
    truth: np.ndarray | None
    log_scale: float | None

    @property
    def bound(self) -> Estimate:
        return self.ledger.bound

    @property
    def mean_null(self) -> Estimate | None:
        """L_null: log-likelihood of the reference law."""
        return None if self.null is None else self._estimate(self.null)

    @property
    def mean_truth(self) -> Estimate | None:
        """True log-likelihood of these very events."""
        return None if self.truth is None else self._estimate(self.truth)

    @property
    def gain(self) -> Estimate | None:
        """K - L_null: what is won over the reference law."""
        return None if self.null is None else self._estimate(self.ledger.per_event - self.null)

    @property
    def dissipation(self) -> Estimate | None:
        """True log-likelihood - K, never negative up to its error: model error and dissipated work together."""
        return None if self.truth is None else self._estimate(self.truth - self.ledger.per_event)

    @property
    def user_bound(self) -> Estimate | None:
        """K of densities in the user's units: K minus the log-volume of the scaling. None where nothing was scaled."""
        return None if self.log_scale is None else self._estimate(self.ledger.per_event - self.log_scale)

    def _estimate(self, values: np.ndarray) -> Estimate:
        return estimate(values, self.ledger.size)

    def to_dict(self) -> dict[str, Any]:
        """Plain figures for JSON: nats per event, with bits per dimension beside every value."""
        steps = self.ledger.steps
        return {
            "bound": {**(figure(self.bound) or {}), "steps": steps},
            "split": {
                "first": figure(self.ledger.first),
                "gaps": figure(self.ledger.total_gap),
                "prior": figure(self.ledger.prior),
            },
            "per_step": {
                "times": self.ledger.times.tolist(),
                "first_and_gaps": self.ledger.terms[:, :-1].mean(axis=0).tolist(),
                "unit": "nats",
            },
            "null": figure(self.mean_null),
            "gain": figure(self.gain),
            "truth": figure(self.mean_truth),
            "dissipation": figure(self.dissipation),
            "bound_in_user_units": figure(self.user_bound),
            "evaluations": self.ledger.evaluations,
        }


def figure(value: Estimate | None) -> dict[str, Any] | None:
    """An estimate as JSON values."""
    if value is None:
        return None
    dims = value.to("bits/dim")
    return {
        "value": value.value,
        "standard_error": None if math.isnan(value.standard_error) else value.standard_error,
        "unit": value.unit,
        "per": value.per,
        "events": value.events,
        "bits_per_dim": dims.value,
    }


def evaluate(
    diffusion: Diffusion, source: AbstractSource, data: Data, key: Key, steps: int | None = None, repeats: int = 1
) -> Evaluation:
    """K of all events of `data` on a chain of T = `steps`, beside the null model and the truth where they are known."""
    measured = ledger(diffusion, data.x, key, steps, data.given, repeats)
    reference = diffusion.kernel.reference()
    null = None if reference is None else np.asarray(jax.vmap(reference.log_prob)(data.x), np.float64)
    event = source.event
    scaled = event.support == "real" and not event.quantised
    log_scale = event.size * math.log(source.units.scale) if scaled else None
    return Evaluation(measured, null, source.log_prob(data.x), log_scale)
