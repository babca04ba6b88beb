"""Variance-preserving Gaussian noise: z_t = a x + d eps, with a^2 = survival and d^2 = 1 - survival.

A step s < t keeps a_ts = a_t / a_s of z_s and adds noise of variance d_ts^2 = 1 - a_ts^2. Data x and z_t give
q(z_s given z_t, x) = N(z_weight * z_t + x_weight * x, variance) with z_weight = a_ts d_s^2 / d_t^2,
x_weight = a_s d_ts^2 / d_t^2 and variance = d_s^2 d_ts^2 / d_t^2. Everything comes from the log-SNR, where float32 keeps
both ends of time.

Values on a lattice (`qs.Measured`) are blurred first, x~ = x + sqrt(v) eps with a deviation of half a spacing, and x~ is what
fades: a network, or a mixture, knows a smooth density, and need not learn to round. In the end x is read off x~ by bins. Given x
the noise in z_t is a_t^2 v + d_t^2, in the place of d_t^2 above.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.mixture import ARRAYS, NormalMixture, fitted_arrays

# exp(+-LIMIT) bounds what a network can ask of a variance
LIMIT = 8.0
# deviation of the blur of a value on a lattice, in spacings; of that variance less that of a bin x is about x~ at an even density,
# to 4e-4 nats
BLUR, LEFT = 0.5, 0.5**2 - 1.0 / 12.0
# noise variance at most that data in levels start with
MOST_ROUNDED = 0.25
# beyond, float32 holds no square of a variance, which its gradient is divided by, or no rest of 1
LARGEST_LOGIT = 40.0
# elements of an event: beyond, the axes of a mixture cost more than most networks, and a unit normal stays the reference
LARGEST_MIXED = 1024


class Step(NamedTuple):
    """Coefficients of a step back s < t, scalars."""

    shrink: jax.Array  # a_ts
    noise_variance: jax.Array  # d_ts^2
    z_weight: jax.Array
    x_weight: jax.Array
    variance: jax.Array


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


class AbstractGaussianKernel(qs.AbstractKernel):
    """Normal distributions in closed form; a subclass says what a step back is. Params are (*event, 1), or (*event, 2) with
    a learned variance.
    """

    options: eqx.AbstractVar[GaussianOptions]
    event: eqx.AbstractVar[qs.AbstractField]

    @property
    def is_exact_at_zero(self) -> bool:
        return not self._is_rounded and self.options.variance != "posterior" and self.options.mean != "eq65"

    @property
    def _is_rounded(self) -> bool:
        """Whether some data are on a lattice or in levels, which no normal distribution is."""
        return bool(np.any(self.event.are_discrete))

    @property
    def _blur(self) -> np.ndarray | None:
        """The variances of the blur of elements, (*event); None without."""
        return (BLUR * np.array(self.event.spacings)) ** 2 if isinstance(self.event, qs.Measured) else None

    @property
    def max_prior_nats(self) -> float:
        """For data of mean square 1 at most, or as far out as bounds or levels go."""
        kept = self.schedule.last_survival
        outermost = max((value**2 for value in self._bounds() if value is not None), default=1.0)
        outermost += 0.0 if self._blur is None else float(self._blur.max())
        return 0.5 * (kept * max(0.0, outermost - 1.0) - math.log1p(-kept))

    def _bounds(self) -> tuple[float | None, ...]:
        if isinstance(self.event, qs.Measured):
            return self.event.lows + self.event.highs
        return (self.event.low, self.event.high) if isinstance(self.event, qs.Real | qs.Levels) else ()

    @property
    def schedule(self) -> qs.AbstractSchedule:
        options = self.options
        first_noise = max(options.first_noise, self._least_noise)
        return qs.make_schedule(options.schedule, first_noise, options.last_survival, options.reference_steps)

    @property
    def _least_noise(self) -> float:
        """Below half the distance of two levels a network would have to learn to round; the first step does that exactly."""
        if not isinstance(self.event, qs.Levels) or self.options.mean == "levels":
            return 0.0
        return min((0.5 * self.event.spacing) ** 2, MOST_ROUNDED)

    def times(self, steps: int) -> np.ndarray:
        return self.schedule.times(steps)

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2 if self.options.variance == "learned" else 1))

    def equilibrium(self) -> qs.Normal:
        return qs.Normal(jnp.zeros(self.event.shape), jnp.ones(self.event.shape))

    def reference(self) -> qs.Normal | None:
        return None if self._is_rounded else self.equilibrium()

    def _level(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """a_t and d_t^2."""
        log_snr = self.schedule.log_odds(t)
        return jnp.exp(0.5 * qs.log_survival(log_snr)), jnp.exp(qs.log_noise(log_snr))

    def _step(self, s: jax.Array, t: jax.Array, blur: jax.Array | None = None) -> Step:
        """Of data that are blurred by this variance (*event), or not."""
        early, late = self.schedule.log_odds(s), self.schedule.log_odds(t)
        log_kept = qs.log_survival(late) - qs.log_survival(early)
        shrink, noise_variance = jnp.exp(0.5 * log_kept), -jnp.expm1(log_kept)
        # V_s / V_t and a_s / V_t, where V is the noise given the data
        if blur is None:
            share = jnp.exp(qs.log_noise(early) - qs.log_noise(late))
            x_weight = jnp.exp(0.5 * qs.log_survival(early) - qs.log_noise(late)) * noise_variance
        else:
            total = jnp.exp(qs.log_noise(late)) + jnp.exp(qs.log_survival(late)) * blur
            share = (jnp.exp(qs.log_noise(early)) + jnp.exp(qs.log_survival(early)) * blur) / total
            x_weight = jnp.exp(0.5 * qs.log_survival(early)) / total * noise_variance
        return Step(shrink, noise_variance, shrink * share, x_weight, share * noise_variance)

    def marginal(self, x: jax.Array, t: jax.Array) -> qs.Normal:
        a, noise = self._level(t)
        return qs.Normal(a * x, jnp.full_like(x, noise if self._blur is None else noise + a**2 * self._blur))

    def transition(self, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        step = self._step(s, t)
        return qs.Normal(step.shrink * z, jnp.full_like(z, step.noise_variance))

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        step = self._step(s, t, self._blur)
        return qs.Normal(step.z_weight * z + step.x_weight * x, jnp.full_like(z, step.variance))

    def guided(self, params: jax.Array, without: jax.Array, weight: jax.Array) -> jax.Array:
        """Of the prediction alone: a variance that is learned is the one with side information."""
        moved = super().guided(params, without, weight)
        return params.at[..., 0].set(moved[..., 0])

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return z[..., None]


class AbstractDenoisingKernel(AbstractGaussianKernel, qs.AbstractFlowing):
    """Params are a prediction of the data, and with `variance = learned` a log-variance ratio.

    The prediction is what the exact denoiser of the reference gives (a z, for unit-normal data) plus c * params, where only the
    scale c says which quantity it is: velocity -d, noise -d/a, data 1. So zero params are the reference's under every rule.
    """

    def _denoised(self, z: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """E[x given z_t] and Var[x given z_t] under the reference."""
        a, noise = self._level(t)
        return a * z, jnp.full_like(z, noise)

    def __check_init__(self) -> None:
        schedule = self.schedule  # raises where the ends do not fit
        if self.options.mean.startswith("eq65"):
            raise ValueError(f"kernel.mean: {type(self).__name__} predicts data, noise or velocity, got {self.options.mean!r}")
        if self.options.mean == "noise" and schedule.last_survival == 0:
            raise ValueError(
                "kernel.mean: 'noise' divides by the survival, which is 0 at t = 1 under this schedule; "
                "use 'velocity' or 'data', or set kernel.last_survival above 0"
            )

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        """z, and with `features = residual` the noise in it as the reference's denoiser has it, in units of its deviation."""
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

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.Normal | qs.BinnedNormal | qs.MeasuredNormal:
        loc, variance = self._denoised(z, t)
        data, event = qs.Normal(loc + self._shift(params, t), variance * self._ratio(params)), self.event
        if isinstance(event, qs.Levels):
            return qs.BinnedNormal(data, event.low, event.high, event.levels)
        if isinstance(event, qs.Measured):
            low, high = (_unless_none(bounds, 0.0) for bounds in (event.lows, event.tops))
            spacing = jnp.asarray(event.spacings, loc.dtype)
            return qs.MeasuredNormal(data, LEFT * spacing**2, low, high, spacing)
        return data

    def flow(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        """With lambda the log-SNR: dz/dt = lambda' a (E[x given z_t] - a z) / 2."""
        fall = jax.grad(lambda time: self.schedule.log_odds(time))(jnp.asarray(t, jnp.result_type(float)))
        a, _ = self._level(t)
        return 0.5 * fall * a * (self._denoise(params, z, t) - a * z)


class AbstractAveragingKernel(AbstractDenoisingKernel, qs.AbstractBridged):
    """A step back is the posterior averaged over the learned normal distribution of data."""

    def __check_init__(self) -> None:
        if self.options.variance == "posterior":
            raise ValueError("kernel.variance: a step back with that of the posterior knows the data: set reference to 'normal'")

    def bridge(self, data: qs.AbstractDistribution, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        """`data` are a `qs.Normal`; of a `qs.BinnedNormal` the normal counts, of a `qs.Leveled` its mean and variance. Of a
        `qs.MeasuredNormal` the normal is that of blurred values, but for those without blur, which are known.

        Raises TypeError for another.
        """
        blur: Any = self._blur
        if blur is not None and isinstance(data, qs.MeasuredNormal):
            blur, data = jnp.where(data.blur > 0, 0.0, blur), data.normal
        if isinstance(data, qs.BinnedNormal):
            data = data.normal
        if isinstance(data, qs.Leveled):
            data = qs.Normal(data.mean(), data.variance())
        if not isinstance(data, qs.Normal) or data.basis is not None:
            raise TypeError(f"{type(self).__name__}.bridge: expected data as a Normal without a basis, got a {type(data).__name__}")
        step = self._step(s, t, blur)
        return qs.Normal(step.z_weight * z + step.x_weight * data.loc, step.variance + step.x_weight**2 * data.variance)


class GaussianKernel(AbstractAveragingKernel):
    """Zero params reverse unit-normal data, exactly."""

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)


class MixtureKernel(AbstractAveragingKernel):
    """Zero params reverse a mixture of normal distributions, up to what a step back of independent elements leaves out.

    The mixture is fitted to the training split; until then it is a unit normal. A network then learns what it lacks, and
    starts from a model that few data suffice for.
    """

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)
    mixture: NormalMixture
    is_exact_at_zero: ClassVar[bool] = False

    def measure(self, events: Callable[[qs.Split], Any]) -> dict[str, np.ndarray]:
        if self.event.size > LARGEST_MIXED:
            return {}
        return fitted_arrays(*(self._blurred(events(split)) for split in ("train", "validation")))

    def _blurred(self, xs: np.ndarray) -> np.ndarray:
        """Events as they fade. The same noise each time: a run's mixture is a function of its data."""
        return xs if self._blur is None else xs + np.sqrt(self._blur) * np.random.default_rng(0).standard_normal(xs.shape)

    def measured(self, arrays: Mapping[str, np.ndarray]) -> "MixtureKernel":
        if not arrays:
            return self
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
        """All levels alike. Raises ValueError where options or event do not fit."""
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

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, self.event.levels))

    def guided(self, params: jax.Array, without: jax.Array, weight: jax.Array) -> jax.Array:
        """Of all log-weights."""
        return qs.AbstractKernel.guided(self, params, without, weight)

    def _leveled(self, log_weights: jax.Array) -> qs.Leveled:
        return qs.Leveled(qs.Finite(qs.log_normalise(log_weights)), self.event.low, self.event.spacing)

    def reference(self) -> qs.Leveled:
        return self._leveled(self.log_shares)

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.Leveled:
        a, noise = self._level(t)
        levels = self.event.low + self.event.spacing * jnp.arange(self.event.levels)
        likelihood = -0.5 * (z[..., None] - a * levels) ** 2 / noise
        return self._leveled(self.log_shares + params + likelihood)

    def _denoise(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        return self.decode(params, z, t).mean()


class FixedVarianceKernel(AbstractDenoisingKernel):
    """A step back has the variance of the posterior, as if the data were known: the lower of its two bounds."""

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        step = self._step(s, t)
        loc = step.z_weight * z + step.x_weight * self._denoise(params, z, t)
        return qs.Normal(loc, jnp.full_like(z, step.variance))


class Eq65Kernel(AbstractGaussianKernel):
    """The three readings of eq. 65 (Sohl-Dickstein et al. 2015), which give a step's mean and variance directly."""

    options: GaussianOptions = eqx.field(static=True)
    event: qs.AbstractField = eqx.field(static=True)

    def __check_init__(self) -> None:
        _ = self.schedule  # raises where the ends do not fit
        if self._is_rounded:
            raise ValueError("kernel.mean: the readings of eq. 65 take real data; for data in levels use 'velocity'")
        if self.options.features != "state":
            raise ValueError("kernel.features: the readings of eq. 65 have no denoiser; for 'residual' use mean 'velocity'")

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.Normal:
        a, noise = self._level(t)
        return self._eq65(params, z, a, noise, noise, t)

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
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
