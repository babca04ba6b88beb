"""What a network's params say of the data under Gaussian noise, and of the steps back.

Everything here but what is public is of the preserving path; see `path`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.mixture import (
    ARRAYS,
    STATE_ARRAYS,
    NormalMixture,
    StatesMixture,
    filled,
    fitted_arrays,
    fitted_beside_states,
)
from quasistatic_plugins.gaussian.path import BLUR, AbstractGaussianKernel

# exp(+-LIMIT) bounds the variance that a network can give
LIMIT = 8.0
# of the variance of the blur less that of a bin x is about x~ at an even density, to 4e-4 nats
LEFT = BLUR**2 - 1.0 / 12.0
# beyond, float32 holds no square of a variance, which its gradient is divided by, or no rest of 1
LARGEST_LOGIT = 40.0
# elements of an event: beyond, the axes of a mixture cost more than most networks, and a unit normal stays the reference
LARGEST_MIXED = 1024


def build(options: GaussianOptions, event: qs.AbstractField) -> "AbstractGaussianKernel":
    """The kernel of these options. Raises ValueError where they do not fit each other, or the event."""
    if options.mean == "levels":
        return LevelsKernel.uniform(options, event)
    if options.reference == "mixture":
        return MixtureKernel(options, event, NormalMixture.unit(event.shape))
    if options.mean.startswith("eq65"):
        return Eq65Kernel(options, event)
    if options.variance == "posterior":
        return FixedVarianceKernel(options, event)
    return GaussianKernel(options, event)


class AbstractDenoisingKernel(AbstractGaussianKernel, qs.AbstractFlowing):
    """Params are a prediction of the data, and with `variance = learned` a log-variance ratio.

    The prediction is what the exact denoiser of the reference gives (a z, for unit-normal data) plus c * params, where only the
    scale c says which quantity it is: velocity -d, noise -d/a, data 1. So zero params are the reference's under every rule.
    """

    def _denoised(self, z: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """E[x given z_t] and Var[x given z_t] under the reference, from z_t on the preserving path, as all private methods."""
        a, noise = self._level(t)
        return a * z, jnp.full_like(z, noise)

    def __check_init__(self) -> None:
        schedule = self.schedule  # raises where the ends do not fit
        if self.options.path == "exploding" and schedule.last_survival == 0:
            raise ValueError("kernel.path: 'exploding' ends at infinity where the survival is 0: set kernel.last_survival above 0")
        if self.options.mean.startswith("eq65"):
            raise ValueError(f"kernel.mean: {type(self).__name__} predicts data, noise or velocity, got {self.options.mean!r}")
        if self.options.mean == "noise" and schedule.last_survival == 0:
            raise ValueError(
                "kernel.mean: 'noise' divides by the survival, which is 0 at t = 1 under this schedule; "
                "use 'velocity' or 'data', or set kernel.last_survival above 0"
            )

    def encode(self, z: Float[Array, "*event"], t: Float[Array, ""]) -> Float[Array, "*features"]:
        """z, and with `features = residual` the noise in it as the reference's denoiser has it, in units of its deviation."""
        z = self._preserved(z, t)
        if self.options.features == "state":
            return z[..., None]
        a, noise = self._level(t)
        return jnp.stack([z, (z - a * self._denoised(z, t)[0]) / jnp.sqrt(noise)], axis=-1)

    def _shift(self, params: jax.Array, t: jax.Array) -> jax.Array:
        """What the params add to the reference's E[x given z_t]."""
        a, noise = self._level(t)
        d = jnp.sqrt(noise)
        scale = {"velocity": -d, "noise": -d / a, "data": jnp.ones_like(d)}[self.options.mean]
        return scale * params[..., 0]

    def _denoise(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        """E[x given z_t] of the learned distribution."""
        return self._denoised(z, t)[0] + self._shift(params, t)

    def _ratio(self, params: jax.Array) -> jax.Array:
        """The learned Var[x given z_t] over that of the reference."""
        if self.options.variance != "learned":
            return jnp.ones(self.event.shape)
        return jnp.exp(LIMIT * jnp.tanh(params[..., 1] / LIMIT))

    def decode(
        self, params: Float[Array, "*params"], z: Float[Array, "*event"], t: Float[Array, ""]
    ) -> qs.Normal | qs.distributions.BinnedNormal | qs.distributions.MeasuredNormal:
        loc, variance = self._denoised(self._preserved(z, t), t)
        data, event = qs.Normal(loc + self._shift(params, t), variance * self._ratio(params)), self.event
        if isinstance(event, qs.Levels):
            return qs.distributions.BinnedNormal(data, event.low, event.high, event.levels)
        if isinstance(event, qs.Measured):
            low, high = (_unless_none(bounds, 0.0) for bounds in (event.lows, event.tops))
            spacing = jnp.asarray(event.spacings, loc.dtype)
            return qs.distributions.MeasuredNormal(data, LEFT * spacing**2, low, high, spacing)
        return data

    def flow(self, params: Float[Array, "*params"], z: Float[Array, "*event"], t: Float[Array, ""]) -> Float[Array, "*event"]:
        """With lambda the log-SNR: dz/dt = lambda' a (E[x given z_t] - a z) / 2; of other paths c times that, and c' z / c."""
        now = jnp.asarray(t, jnp.result_type(float))
        fall = jax.grad(lambda time: self.schedule.log_odds(time))(now)
        a, _ = self._level(t)
        inner = self._preserved(z, t)
        found = 0.5 * fall * a * (self._denoise(params, inner, t) - a * inner)
        return found if self.options.path == "preserving" else self._scale(t) * found + jax.grad(self._log_scale)(now) * z


class AbstractAveragingKernel(AbstractDenoisingKernel, qs.AbstractBridged):
    """A step back is the posterior averaged over the learned normal distribution of data."""

    def __check_init__(self) -> None:
        if self.options.variance == "posterior":
            raise ValueError("kernel.variance: a step back with that of the posterior knows the data: set reference to 'normal'")

    def bridge(
        self, data: qs.AbstractDistribution, z: Float[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]
    ) -> qs.Normal:
        """`data` are a `qs.Normal`; of a `BinnedNormal` the normal counts, of a `Leveled` its mean and variance. Of a
        `MeasuredNormal` the normal is that of blurred values, but for those without blur, which are known.

        Raises TypeError for another.
        """
        blur: Any = self._blur
        if blur is not None and isinstance(data, qs.distributions.MeasuredNormal):
            blur, data = jnp.where(data.blur > 0, 0.0, blur), data.normal
        if isinstance(data, qs.distributions.BinnedNormal):
            data = data.normal
        if isinstance(data, qs.distributions.Leveled):
            data = qs.Normal(data.mean(), data.variance())
        if not isinstance(data, qs.Normal) or data.basis is not None:
            raise TypeError(f"{type(self).__name__}.bridge: expected data as a Normal without a basis, got a {type(data).__name__}")
        step = self._step(s, t, blur)
        return qs.Normal(step.z_weight * z + step.x_weight * data.loc, step.variance + step.x_weight**2 * data.variance)


class GaussianKernel(AbstractAveragingKernel):
    """Zero params reverse unit-normal data, exactly."""

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)


class MixtureKernel(AbstractAveragingKernel, qs.AbstractGivenStates):
    """Zero params reverse a mixture of normal distributions, up to what a step back of independent elements leaves out.

    The mixture is fitted to the training split; until then it is a unit normal. A network then learns what it lacks, and
    starts from a model that few data suffice for. Of numbers that need not exist it is that of those that do, given the states
    of the event.
    """

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)
    mixture: NormalMixture
    beside: StatesMixture | None = None  # what `mixture` is taken from, by states
    is_exact_at_zero: ClassVar[bool] = False

    def measure(self, events: Callable[[qs.Split], Any]) -> dict[str, np.ndarray]:
        if self.event.size > LARGEST_MIXED:
            return {}
        return fitted_arrays(*(self._blurred(events(split)) for split in ("train", "validation")))

    def measure_given_states(
        self, cells: Callable[[qs.Split], tuple[np.ndarray, np.ndarray]], categories: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        if self.event.size > LARGEST_MIXED:
            return {}
        train, validation = ((self._blurred(numbers), states) for numbers, states in map(cells, ("train", "validation")))
        return fitted_beside_states(train, validation, categories)

    def given_states(self, states: jax.Array, there: jax.Array) -> "MixtureKernel":
        if self.beside is None:
            return self
        return MixtureKernel(self.options, self.event, self.beside.given(states, there))

    def _blurred(self, xs: np.ndarray) -> np.ndarray:
        """Events as they fade. The same noise each time: a run's mixture is a function of its data."""
        return xs if self._blur is None else xs + np.sqrt(self._blur) * np.random.default_rng(0).standard_normal(xs.shape)

    def measured(self, arrays: Mapping[str, np.ndarray]) -> "MixtureKernel":
        if not arrays:
            return self
        arrays = filled(arrays)
        if "log_shares" in arrays:
            log_weights, means, variances, log_shares = (jnp.asarray(arrays[name]) for name in STATE_ARRAYS)
            numbers = NormalMixture(log_weights, means, None, variances, self.event.shape)
            return MixtureKernel(self.options, self.event, numbers, StatesMixture(numbers, log_shares))
        mixture = NormalMixture(*(jnp.asarray(arrays[name]) for name in ARRAYS), self.event.shape)
        return MixtureKernel(self.options, self.event, mixture)

    def reference(self) -> NormalMixture | None:
        return None if self._is_rounded else self.mixture

    def _denoised(self, z: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.mixture.denoised(z, *self._level(t))


class LevelsKernel(AbstractAveragingKernel):
    """Data in levels: params are log-weights of the levels of each element, (*event, levels).

    The exact likelihood of z_t under every level, and how often the training split has each level at each element, are
    known in closed form; the network adds what other elements say. So zero params are the exact posterior of independent
    elements, and K is a discrete likelihood.
    """

    options: GaussianOptions = eqx.field(static=True)
    event: qs.Levels = eqx.field(static=True)
    log_shares: jax.Array  # (*event, levels)

    @classmethod
    def uniform(cls, options: GaussianOptions, event: qs.AbstractField) -> "LevelsKernel":
        """One level for all elements. Raises ValueError where options or event do not fit."""
        if not isinstance(event, qs.Levels):
            raise ValueError(f"kernel.mean: 'levels' takes data in levels, got {event.describe()}; use 'velocity'")
        if (options.variance, options.reference) != ("learned", "normal"):
            raise ValueError("kernel.mean: 'levels' gives mean and variance: leave out kernel.variance and kernel.reference")
        return cls(options, event, jnp.full((*event.shape, event.levels), -math.log(event.levels)))

    def measure(self, events: Callable[[qs.Split], Any]) -> dict[str, np.ndarray]:
        """The log-shares of the levels at each element, smoothed by one event that has the shares of all elements together."""
        event = self.event
        seen = np.round((np.asarray(events("train")) - event.low) / event.spacing).astype(int)
        counts = np.stack([(seen == level).sum(axis=0) for level in range(event.levels)], axis=-1)
        everywhere = (counts.reshape(-1, event.levels).sum(axis=0) + 1.0) / (counts.sum() + event.levels)
        shares = (counts + everywhere) / (len(seen) + 1.0)
        return {"log_shares": np.log(shares).astype(np.float32)}

    def measured(self, arrays: Mapping[str, np.ndarray]) -> "LevelsKernel":
        return LevelsKernel(self.options, self.event, jnp.asarray(arrays["log_shares"])) if arrays else self

    def zero_params(self) -> Float[Array, "*params"]:
        return jnp.zeros((*self.event.shape, self.event.levels))

    def guided(
        self, params: Float[Array, "*params"], without: Float[Array, "*params"], weight: Float[Array, ""]
    ) -> Float[Array, "*params"]:
        """Of all log-weights."""
        return qs.AbstractKernel.guided(self, params, without, weight)

    def _leveled(self, log_weights: jax.Array) -> qs.distributions.Leveled:
        return qs.distributions.Leveled(qs.Finite(qs.numerics.log_normalise(log_weights)), self.event.low, self.event.spacing)

    def reference(self) -> qs.distributions.Leveled:
        return self._leveled(self.log_shares)

    def decode(self, params: Float[Array, "*params"], z: Float[Array, "*event"], t: Float[Array, ""]) -> qs.distributions.Leveled:
        return self._given(params, self._preserved(z, t), t)

    def _given(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.distributions.Leveled:
        a, noise = self._level(t)
        levels = self.event.low + self.event.spacing * jnp.arange(self.event.levels)
        likelihood = -0.5 * (z[..., None] - a * levels) ** 2 / noise
        return self._leveled(self.log_shares + params + likelihood)

    def _denoise(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        return self._given(params, z, t).mean()


class FixedVarianceKernel(AbstractDenoisingKernel):
    """A step back has the variance of the posterior, as if the data were known: the lower of its two bounds."""

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)

    def reverse(
        self, params: Float[Array, "*params"], z: Float[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]
    ) -> qs.Normal:
        step = self._step(s, t)
        loc = step.z_weight * z + step.x_weight * self._denoise(params, self._preserved(z, t), t)
        return qs.Normal(loc, jnp.full_like(z, step.variance))


class Eq65Kernel(AbstractGaussianKernel):
    """The three readings of eq. 65 (Sohl-Dickstein et al. 2015), which give a step's mean and variance directly."""

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)

    def __check_init__(self) -> None:
        _ = self.schedule  # raises where the ends do not fit
        if self.options.path != "preserving":
            raise ValueError(f"kernel.path: the readings of eq. 65 are of the preserving path, got {self.options.path!r}")
        if self._is_rounded:
            raise ValueError("kernel.mean: the readings of eq. 65 take real data; for data in levels use 'velocity'")
        if self.options.features != "state":
            raise ValueError("kernel.features: the readings of eq. 65 have no denoiser; for 'residual' use mean 'velocity'")

    def decode(self, params: Float[Array, "*params"], z: Float[Array, "*event"], t: Float[Array, ""]) -> qs.Normal:
        a, noise = self._level(t)
        return self._eq65(params, z, a, noise, noise, t)

    def reverse(
        self, params: Float[Array, "*params"], z: Float[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]
    ) -> qs.Normal:
        step = self._step(s, t)
        return self._eq65(params, z, step.shrink, step.noise_variance, step.variance, t - s)

    def _eq65(
        self, params: jax.Array, z: jax.Array, shrink: jax.Array, added: jax.Array, tight: jax.Array, span: jax.Array
    ) -> qs.Normal:
        """Eq. 64 and 65, for a step that shrinks by `shrink` and adds `added`; data are a step to t = 0.

        The printed mean is (z - m)(1 - V) + m; with a square root it keeps the forward step at zero params; the
        authors' code has z sqrt(1 - beta) + m sqrt(beta), and divides the variance's param by sqrt(T), here the root of
        the span of the step.
        """
        move = params[..., 0]
        if self.options.variance == "learned":
            damp = jnp.sqrt(span) if self.options.mean == "eq65-code" else 1.0
            logit = damp * params[..., 1] + jnp.log(added) - 2.0 * jnp.log(shrink)
            logit = jnp.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT)
            variance, log_kept = jax.nn.sigmoid(logit), jax.nn.log_sigmoid(-logit)
        else:
            variance = jnp.full_like(z, tight if self.options.variance == "posterior" else added)
            log_kept = jnp.log1p(-variance)
        if self.options.mean == "eq65-code":
            return qs.Normal(z * shrink + move * jnp.sqrt(added), variance)
        # 1 - V from its logarithm: a root of what rounds to zero would have no gradient
        kept = jnp.exp(log_kept if self.options.mean == "eq65" else 0.5 * log_kept)
        return qs.Normal((z - move) * kept + move, variance)


def _unless_none(values: Sequence[float | None], otherwise: float) -> jax.Array:
    return jnp.array([otherwise if value is None else value for value in values])
