"""Variance-preserving Gaussian noise: z_t = a x + d eps, with a^2 = survival and d^2 = 1 - survival.

A step s < t keeps a_ts = a_t / a_s of z_s and adds noise of variance d_ts^2 = 1 - a_ts^2. Data x and z_t give
q(z_s given z_t, x) = N(keep * z_t + pull * x, open) with keep = a_ts d_s^2 / d_t^2, pull = a_s d_ts^2 / d_t^2 and
open = d_s^2 d_ts^2 / d_t^2. Everything comes from the log-SNR, where float32 keeps both ends of time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.distribution import BinnedNormal, Normal

# exp(+-LIMIT) bounds what a network can ask of a variance
LIMIT = 8.0


class Step(NamedTuple):
    """Coefficients of a step back s < t, scalars."""

    shrink: jax.Array  # a_ts
    added: jax.Array  # d_ts^2
    keep: jax.Array
    pull: jax.Array
    open: jax.Array


class GaussianKernel(qs.AbstractKernel):
    """Normal laws in closed form. Params per element: a prediction, and with `variance = learned` a log-variance ratio.

    The prediction is a residual on the exact denoiser of unit-normal data, x = a z + c * params, where only the scale c
    says which quantity it is: velocity -d, noise -d/a, data 1. So zero params reverse N(0, 1) exactly under every rule.
    The three readings of eq. 65 (Sohl-Dickstein et al. 2015) give the step's mean and variance directly.
    """

    options: GaussianOptions = eqx.field(static=True)
    event: qs.Event = eqx.field(static=True)

    def __check_init__(self) -> None:
        options = self.options
        schedule = self.schedule  # raises where the ends do not fit
        if options.mean == "noise" and schedule.last_survival == 0:
            raise ValueError(
                "kernel.mean: 'noise' divides by the survival, which is 0 at t = 1 under this schedule; "
                "use 'velocity' or 'data', or set kernel.last_survival above 0"
            )
        if options.mean.startswith("eq65") and self.event.quantised:
            raise ValueError("kernel.mean: the readings of eq. 65 take real data; for data in levels use 'velocity'")

    @property
    def features(self) -> int:
        return 1

    @property
    def params(self) -> int:
        return 2 if self.options.variance == "learned" else 1

    @property
    def exact_at_zero(self) -> bool:
        return not self.event.quantised and self.options.variance != "posterior" and self.options.mean != "eq65"

    @property
    def arrival_nats(self) -> float:
        """For data of mean square 1 at most, or as far out as the levels of quantised data go."""
        kept = self.schedule.last_survival
        outermost = max((value**2 for value in (self.event.low, self.event.high) if value is not None), default=1.0)
        return 0.5 * (kept * max(0.0, outermost - 1.0) - math.log1p(-kept))

    @property
    def schedule(self) -> qs.AbstractSchedule:
        options = self.options
        return qs.make_schedule(options.schedule, options.first_noise, options.last_survival, options.reference_steps)

    def grid(self, steps: int) -> np.ndarray:
        return self.schedule.grid(steps)

    def _unit(self) -> Normal:
        return Normal(jnp.zeros(self.event.shape), jnp.ones(self.event.shape))

    def equilibrium(self) -> Normal:
        return self._unit()

    def reference(self) -> Normal | None:
        return None if self.event.quantised else self._unit()

    def _level(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """a_t and d_t^2."""
        log_snr = self.schedule.log_odds(t)
        return jnp.exp(0.5 * qs.log_survival(log_snr)), jnp.exp(qs.log_noise(log_snr))

    def _step(self, s: jax.Array, t: jax.Array) -> Step:
        early, late = self.schedule.log_odds(s), self.schedule.log_odds(t)
        log_kept = qs.log_survival(late) - qs.log_survival(early)
        shrink, added = jnp.exp(0.5 * log_kept), -jnp.expm1(log_kept)
        share = jnp.exp(qs.log_noise(early) - qs.log_noise(late))  # d_s^2 / d_t^2
        pull = jnp.exp(0.5 * qs.log_survival(early) - qs.log_noise(late)) * added
        return Step(shrink, added, shrink * share, pull, share * added)

    def marginal(self, x: jax.Array, t: jax.Array) -> Normal:
        a, noise = self._level(t)
        return Normal(a * x, jnp.full_like(x, noise))

    def transition(self, z: jax.Array, s: jax.Array, t: jax.Array) -> Normal:
        step = self._step(s, t)
        return Normal(step.shrink * z, jnp.full_like(z, step.added))

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Normal:
        step = self._step(s, t)
        return Normal(step.keep * z + step.pull * x, jnp.full_like(z, step.open))

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.AbstractDistribution:
        a, noise = self._level(t)
        if self.options.mean.startswith("eq65"):
            data = self._eq65(params, z, a, noise, noise, t)
        else:
            data = Normal(self._denoise(params, z, t), noise * self._spread(params))
        event = self.event
        if event.levels is None:
            return data
        assert event.low is not None and event.high is not None
        return BinnedNormal(data, event.low, event.high, event.levels)

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Normal:
        step = self._step(s, t)
        if self.options.mean.startswith("eq65"):
            return self._eq65(params, z, step.shrink, step.added, step.open, t - s)
        if self.options.variance == "posterior":
            variance = jnp.full_like(z, step.open)
        else:
            _, noise = self._level(t)
            variance = step.open + step.pull**2 * noise * self._spread(params)
        return Normal(step.keep * z + step.pull * self._denoise(params, z, t), variance)

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return z[..., None]

    def _denoise(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        """E[x given z_t] as the network says it."""
        a, noise = self._level(t)
        d = jnp.sqrt(noise)
        scale = {"velocity": -d, "noise": -d / a, "data": jnp.ones_like(d)}[self.options.mean]
        return a * z + scale * params[..., 0]

    def _spread(self, params: jax.Array) -> jax.Array:
        """Var[x given z_t] in units of d_t^2, the variance under unit-normal data."""
        if self.options.variance != "learned":
            return jnp.ones(self.event.shape)
        return jnp.exp(LIMIT * jnp.tanh(params[..., 1] / LIMIT))

    def _eq65(
        self, params: jax.Array, z: jax.Array, shrink: jax.Array, added: jax.Array, tight: jax.Array, span: jax.Array
    ) -> Normal:
        """Eq. 64 and 65, for a step that shrinks by `shrink` and adds `added`; data are a step to t = 0.

        The printed mean is (z - m)(1 - V) + m; with a square root it keeps the forward step at zero params; the
        authors' code has z sqrt(1 - beta) + m sqrt(beta), and divides the variance's param by sqrt(T), here the root of
        the span of the step.
        """
        move = params[..., 0]
        if self.options.variance == "learned":
            damp = jnp.sqrt(span) if self.options.mean == "eq65-code" else 1.0
            logit = damp * params[..., 1] + jnp.log(added) - 2.0 * jnp.log(shrink)
            variance, log_kept = jax.nn.sigmoid(logit), jax.nn.log_sigmoid(-logit)
        else:
            variance = jnp.full_like(z, tight if self.options.variance == "posterior" else added)
            log_kept = jnp.log1p(-variance)
        if self.options.mean == "eq65-code":
            return Normal(z * shrink + move * jnp.sqrt(added), variance)
        # 1 - V from its logarithm: a root of what rounds to zero would have no gradient
        kept = jnp.exp(log_kept if self.options.mean == "eq65" else 0.5 * log_kept)
        return Normal((z - move) * kept + move, variance)
