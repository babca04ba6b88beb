"""K of many events beside everything it should be read against, with units and errors."""

from __future__ import annotations

import math
from typing import Any

import attrs
import equinox as eqx
import jax
import numpy as np

from quasistatic._data.answers import far_outside
from quasistatic._data.conversion import log_scale
from quasistatic._data.source import AbstractSource, AbstractTruth, Data, capability
from quasistatic._process.blocks import events_together, rows_of, shared_blocks
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.estimate import Estimate, estimate
from quasistatic._process.grid import Steps
from quasistatic._process.ledger import Ledger, empty_ledger, ledger
from quasistatic.errors import QuasistaticError


@attrs.frozen(eq=False)
class Evaluation:
    """The ledger of some events, and of the same events the null model's and the true log-likelihood, and how much lower densities
    are in the user's units, (N,) each, in nats.

    Differences are taken event by event, so their errors are those of the differences. `data` are these events: records that
    are `data.outside` have no part in any mean.
    """

    ledger: Ledger
    null: np.ndarray | None
    truth: np.ndarray | None
    log_scale: np.ndarray | None
    data: Data

    @property
    def bound(self) -> Estimate:
        return self.ledger.bound

    @property
    def mean_null(self) -> Estimate | None:
        """L_null: log-likelihood of the reference distribution."""
        return None if self.null is None else self.mean_of(self.null)

    @property
    def mean_truth(self) -> Estimate | None:
        """True log-likelihood of these very events."""
        return None if self.truth is None else self.mean_of(self.truth)

    @property
    def gain(self) -> Estimate | None:
        """K - L_null: what is won over the reference distribution."""
        return None if self.null is None else self.mean_of(self.ledger.per_event - self.null)

    @property
    def dissipation(self) -> Estimate | None:
        """True log-likelihood - K, never negative up to its error: model error and dissipated work together."""
        return None if self.truth is None else self.mean_of(self.truth - self.ledger.per_event)

    @property
    def user_bound(self) -> Estimate | None:
        """K of densities in the user's units: K minus the log-volume of the scaling. None where there is no density."""
        return None if self.log_scale is None else self.mean_of(self.ledger.per_event - self.log_scale)

    @property
    def per_record(self) -> np.ndarray:
        """K of each record of the file, in its order, in nats and model units: minus infinity for those outside."""
        found = np.full(len(self.data) + len(self.data.outside), -np.inf)
        found[self.data.numbers] = self.ledger.per_event
        return found

    def mean_of(self, values: np.ndarray) -> Estimate:
        """The mean of values (N,) of these events, in nats."""
        return estimate(values, self.ledger.units)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: nats per event, and beside each bits per dimension, pixel or symbol."""
        by_part = self.ledger.bound_by_part
        return {
            "bound": {**(to_json(self.bound) or {}), "trajectory_steps": self.ledger.steps},
            "split": {
                "first": to_json(self.ledger.first),
                "gaps": to_json(self.ledger.total_gap),
                "prior": to_json(self.ledger.prior),
            },
            "by_part": {name: to_json(value) for name, value in by_part.items()} if len(by_part) > 1 else {},
            "per_step": {
                "times": self.ledger.times.tolist(),
                "first_and_gaps": self.ledger.terms[:, :-1].mean(axis=0).tolist() if len(self.data) else [],
                "unit": "nats",
            },
            "null": to_json(self.mean_null),
            "gain": to_json(self.gain),
            "truth": to_json(self.mean_truth),
            "dissipation": to_json(self.dissipation),
            "bound_in_user_units": to_json(self.user_bound),
            "evaluations": self.ledger.evaluations,
        }


def to_json(value: Estimate | None) -> dict[str, Any] | None:
    """An estimate as JSON values."""
    if value is None:
        return None
    return {
        "value": value.value,
        "standard_error": None if math.isnan(value.standard_error) else value.standard_error,
        "unit": value.unit,
        "per": value.per,
        "events": value.events,
        **{f"bits_per_{name}": value.to(f"bits/{name}").value for name in value.units},
    }


def evaluate(
    diffusion: Diffusion, source: AbstractSource, data: Data, *, key: Key, steps: Steps = None, repeats: int = 1
) -> Evaluation:
    """K of all events of `data` on a chain of T = `steps`, beside the null model and the truth where they are known."""
    if not len(data):
        return Evaluation(empty_ledger(diffusion, steps), None, None, log_scale(source, data.x), data)
    measured = ledger(diffusion, data.x, key=key, steps=steps, side=data.side, repeats=repeats)
    truth, null = capability(source, AbstractTruth), _null(diffusion, data)
    return Evaluation(measured, null, None if truth is None else truth.log_prob(data.x), log_scale(source, data.x), data)


def without_far(found: Evaluation) -> Evaluation:
    """The evaluation without events whose K is not finite in float32: they are outside, too."""
    is_near = np.isfinite(found.ledger.per_event)
    if is_near.all():
        return found

    def near(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[is_near]

    own = found.ledger.only(is_near)
    return Evaluation(own, near(found.null), near(found.truth), near(found.log_scale), far_outside(found.data, is_near))


def refuse_infinite(found: Evaluation, where: str) -> Evaluation:
    """The evaluation. Raises QuasistaticError where K of an event is not finite, so that no mean is."""
    lost = np.flatnonzero(~np.isfinite(found.ledger.per_event))
    if len(lost):
        raise QuasistaticError(
            f"K of {len(lost)} of {len(found.data)} events of the {where} split is not finite on this chain of T = "
            f"{found.ledger.steps}, the first that of event {lost[0]}: {found.ledger.per_event[lost[0]]}"
        )
    return found


def _null(diffusion: Diffusion, data: Data) -> np.ndarray | None:
    """log rho of each event, (N,), where the kernel has a reference."""
    if diffusion.kernel.reference() is None:
        return None
    count, found = len(data), []
    for rows in shared_blocks(count, events_together(diffusion)):  # of one shape, so that all splits are one program
        found.append(np.asarray(_reference_log_prob(diffusion, *rows_of((data.x, data.side), rows)), np.float64))
    return np.concatenate(found)[:count]


@eqx.filter_jit
def _reference_log_prob(diffusion: Diffusion, xs: State, side: State | None) -> jax.Array:
    def one(x: State, side_one: State | None) -> jax.Array:
        reference = diffusion.given(side_one).kernel.reference()
        assert reference is not None
        return reference.log_prob(x)

    return jax.vmap(one)(xs, side)
