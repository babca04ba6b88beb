"""What is known of an event: which states its symbols may be in, and between which ends its numbers lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from quasistatic._process.distribution import AbstractDistribution, Scalar, State
from quasistatic._process.event import AbstractEvent
from quasistatic._process.fields import Fields
from quasistatic._process.finite import FLOOR
from quasistatic._process.gates import existing, states_of
from quasistatic._process.held import Phases, Point
from quasistatic._process.normal import LOG_TAU, BinnedNormal, MeasuredNormal, Normal, log_interval
from quasistatic._process.potential import AbstractElementwise, AbstractPotential, AllOf, Known, OnPart, Twist
from quasistatic._process.product import AbstractProduct

FAR = 1e4  # deviations: beyond, an end changes nothing
NARROWEST = 1e-4  # variance of what is left between two ends, in that of all


@attrs.frozen(eq=False)
class Limits:
    """What is known of N events, by the parts of an event; a field alone has the name ''.

    Of symbols and bits `states` (N, *shape, K) says which of K values each may have. Elements lie from `lowest` to `highest`
    (N, *shape), in model units: the same where they are known, infinite where there is no end. A number that does not exist has
    no ends.
    """

    states: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    lowest: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    highest: Mapping[str, np.ndarray] = attrs.field(factory=dict)

    @classmethod
    def known(cls, event: AbstractEvent, xs: State, masks: State) -> Limits:
        """Elements of events `xs` (N, ...) are known where `masks` (N, ...) hold: in-painting."""
        parts = {name: (np.asarray(event.part_of(xs, name)), event.part_of(masks, name)) for name in event.parts()}
        lowest, highest = ({name: np.where(mask, own, end) for name, (own, mask) in parts.items()} for end in (-np.inf, np.inf))
        return cls({}, lowest, highest)

    def potential(self, event: AbstractEvent) -> AbstractPotential:
        """A stack of N factors, each 1 for an event of which all of this holds, and 0 for others."""
        factors: list[AbstractPotential] = []
        for name, own in self.states.items():
            factors.append(_on(Among(jnp.asarray(own)), name))
        for name, lowest in self.lowest.items():
            highest, dtype = self.highest[name], event.parts()[name].dtype
            is_known = lowest == highest
            if is_known.any():
                factors.append(_on(Known(jnp.asarray(np.where(is_known, lowest, 0.0), dtype), jnp.asarray(is_known)), name))
            low, high = np.where(is_known, -np.inf, lowest), np.where(is_known, np.inf, highest)
            if np.isfinite(low).any() or np.isfinite(high).any():
                gated = event if isinstance(event, Fields) else None
                factors.append(Between(jnp.asarray(low, dtype), jnp.asarray(high, dtype), name, gated))
        return factors[0] if len(factors) == 1 else AllOf(tuple(factors))


def _on(factor: AbstractPotential, name: str) -> AbstractPotential:
    return OnPart(factor, name) if name else factor


class Among(AbstractElementwise):
    """Each element has one of the values that are `allowed`, of K whole numbers from 0."""

    allowed: Bool[Array, "*event K"]

    def log_factors(self, x: jax.Array) -> jax.Array:
        index = jnp.broadcast_to(jnp.round(x).astype(jnp.int32), self.allowed.shape[:-1])
        return jnp.where(jnp.take_along_axis(self.allowed, index[..., None], axis=-1)[..., 0], 0.0, FLOOR)

    def power(self, exponent: Float[Array, ""]) -> Among:
        return self


class Between(AbstractPotential):
    """Numbers of a `part` lie from `low` to `high`, those of them that exist; '' is an event that is one field.

    Its product with a normal distribution is a truncated one. Particles are led by the normal distribution with the same mean and
    variance, and what it leaves out is left to their weights.
    """

    low: Float[Array, "*event"]
    high: Float[Array, "*event"]
    part: str = eqx.field(static=True)
    event: Fields | None = eqx.field(static=True)

    def log_factor(self, x: State) -> Scalar:
        value = x[self.part] if self.part else x
        is_out = self._is_bound & self._there(x) & ~((value >= self.low) & (value <= self.high))
        return jnp.sum(jnp.where(is_out, FLOOR, 0.0))

    def power(self, exponent: Float[Array, ""]) -> Between:
        return self

    def twist(self, data: AbstractDistribution) -> Twist:
        part = data.parts[self.part] if self.part and isinstance(data, AbstractProduct) else data
        if not isinstance(part, Normal | BinnedNormal | MeasuredNormal) or (isinstance(part, Normal) and part.basis is not None):
            return super().twist(data)
        is_led = self._is_bound & self._known_there(data)
        moved, log_mass = _truncated(part, self.low, self.high, is_led)

        def left(x: State) -> Scalar:
            value = x[self.part] if self.part else x
            ratio = part.log_probs(value) - moved.log_probs(value) - log_mass
            return self.log_factor(x) + jnp.sum(jnp.where(is_led, ratio, 0.0))

        whole = data.with_parts({self.part: moved}) if isinstance(data, AbstractProduct) else moved
        return Twist(whole, jnp.sum(jnp.where(is_led, log_mass, 0.0)), left)

    @property
    def _is_bound(self) -> jax.Array:
        return jnp.isfinite(self.low) | jnp.isfinite(self.high)

    def _there(self, x: State) -> Any:
        """Which elements exist."""
        return True if self.event is None else existing(self.event, x).get(self.part, True)

    def _known_there(self, data: AbstractDistribution) -> Any:
        """Which elements exist for certain, before a draw of data says so."""
        gates = () if self.event is None else dict(self.event.gates).get(self.part, ())
        if self.event is None or not isinstance(data, AbstractProduct) or not any(gate is not None for gate in gates):
            return True
        states, is_known = {}, jnp.asarray(True)
        for name in states_of(self.event):
            own = data.parts[name]
            if isinstance(own, Phases):
                is_known, own = is_known & (own.number == 0), own.phases[0]
            states[name] = own.value if isinstance(own, Point) else jnp.zeros(self.event[name].shape)
            is_known = is_known & isinstance(own, Point)
        always = np.reshape([gate is None for gate in gates], self.event[self.part].shape)
        return always | (existing(self.event, states)[self.part] & is_known)


def _truncated(part: Any, low: jax.Array, high: jax.Array, is_led: jax.Array) -> tuple[Any, jax.Array]:
    """The normal distribution with the mean and variance that are left between two ends, and the log of what is left."""
    normal, blur = (part, 0.0) if isinstance(part, Normal) else (part.normal, getattr(part, "blur", 0.0))
    deviation = jnp.sqrt(normal.variance + blur)
    a, b = (jnp.clip((end - normal.loc) / deviation, -FAR, FAR) for end in (low, high))
    log_mass = log_interval(a, b)
    at_low, at_high = (
        jnp.where(jnp.isfinite(end), jnp.exp(jnp.minimum(-0.5 * (c**2 + LOG_TAU) - log_mass, 80.0)), 0.0)
        for end, c in ((low, a), (high, b))
    )
    shift = at_low - at_high
    variance = jnp.clip(1.0 + a * at_low - b * at_high - shift**2, NARROWEST, 1.0)
    loc = jnp.where(is_led, jnp.clip(normal.loc + deviation * shift, low, high), normal.loc)
    moved = Normal(loc, jnp.where(is_led, deviation**2 * variance, normal.variance))
    if isinstance(part, BinnedNormal):
        return BinnedNormal(moved, part.low, part.high, part.levels), log_mass
    if isinstance(part, MeasuredNormal):
        return MeasuredNormal(moved, jnp.where(is_led, 0.0, part.blur), part.low, part.high, part.spacing), log_mass
    return moved, log_mass
