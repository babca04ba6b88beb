"""The forward process of Gaussian noise on real data: z_t = a x + d eps.

All is computed for the preserving path, where a^2 = survival and d^2 = 1 - survival, from the log signal-to-noise ratio: there
float32 keeps both ends of time. A step s < t keeps a_ts = a_t / a_s of z_s and adds noise of variance d_ts^2 = 1 - a_ts^2. Data x
and z_t give q(z_s given z_t, x) = N(z_weight * z_t + x_weight * x, variance) with z_weight = a_ts d_s^2 / d_t^2,
x_weight = a_s d_ts^2 / d_t^2 and variance = d_s^2 d_ts^2 / d_t^2. Other paths have the same ratio, and z times a scale c: the
straight one a + d = 1, the exploding one a = 1. The network reads z / c, so it has the same task, and K is the same bound.

Values on a lattice (`qs.Measured`) are blurred first, x~ = x + sqrt(v) eps with a deviation of half a spacing, and x~ is what
fades: a network, or a mixture, knows a smooth density, and need not learn to round. In the end x is read off x~ by bins. Given x
the noise in z_t is a_t^2 v + d_t^2, in the place of d_t^2 above.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic_plugins.gaussian import GaussianOptions

# deviation of the blur of a value on a lattice, in spacings
BLUR = 0.5
# noise variance at most that data in levels start with
MOST_ROUNDED = 0.25


class AbstractGaussianKernel(qs.AbstractGaussianPath):
    """Normal distributions in closed form; a subclass says what a step back is. Params are (*event, 1), or (*event, 2) with
    a learned variance.
    """

    options: eqx.AbstractVar[GaussianOptions]
    event: eqx.AbstractVar[qs.AbstractField]

    @property
    def is_stationary(self) -> bool:
        return self.options.path == "preserving"

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

    def zero_params(self) -> Float[Array, "*params"]:
        return jnp.zeros((*self.event.shape, 2 if self.options.variance == "learned" else 1))

    def equilibrium(self) -> qs.Normal:
        shape = self.event.shape
        variance = jnp.ones(shape) if self.options.path == "preserving" else jnp.full(shape, self._scale(jnp.ones(())) ** 2)
        return qs.Normal(jnp.zeros(shape), variance)

    def reference(self) -> qs.Normal | None:
        return None if self._is_rounded else qs.Normal(jnp.zeros(self.event.shape), jnp.ones(self.event.shape))

    def levels(self, t: Float[Array, ""]) -> tuple[jax.Array, jax.Array]:
        log_snr = self.schedule.log_odds(t)
        log_signal, log_noise = 0.5 * qs.log_survival(log_snr), qs.log_noise(log_snr)
        if self._blur is not None:
            log_noise = jnp.log(jnp.exp(log_noise) + jnp.exp(2.0 * log_signal) * self._blur)
        if self.options.path == "preserving":
            return log_signal, log_noise
        log_scale = self._log_scale(t)
        return log_signal + log_scale, log_noise + 2.0 * log_scale

    def _log_scale(self, t: jax.Array) -> jax.Array:
        """log c, where z is c times that of the preserving path; not for that path itself."""
        log_snr = self.schedule.log_odds(t)
        log_signal = 0.5 * qs.log_survival(log_snr)
        if self.options.path == "exploding":
            return -log_signal
        return -jnp.logaddexp(log_signal, 0.5 * qs.log_noise(log_snr))

    def _scale(self, t: jax.Array) -> jax.Array:
        return jnp.exp(self._log_scale(t))

    def _preserved(self, z: jax.Array, t: jax.Array) -> jax.Array:
        """z_t on the preserving path, which `_level`, the network and the mixture are of."""
        return z if self.options.path == "preserving" else z / self._scale(t)

    def _level(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """a_t and d_t^2 of the preserving path."""
        log_snr = self.schedule.log_odds(t)
        return jnp.exp(0.5 * qs.log_survival(log_snr)), jnp.exp(qs.log_noise(log_snr))

    def step(self, s: Float[Array, ""], t: Float[Array, ""]) -> qs.GaussianStep:
        return self._step(s, t, self._blur)

    def _step(self, s: jax.Array, t: jax.Array, blur: jax.Array | np.ndarray | None = None) -> qs.GaussianStep:
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
        step = qs.GaussianStep(shrink, noise_variance, shrink * share, x_weight, share * noise_variance)
        if self.options.path == "preserving":
            return step
        before, after = self._scale(s), self._scale(t)
        return qs.GaussianStep(
            step.shrink * after / before,
            step.noise_variance * after**2,
            step.z_weight * before / after,
            step.x_weight * before,
            step.variance * before**2,
        )

    def marginal(self, x: Float[Array, "*event"], t: Float[Array, ""]) -> qs.Normal:
        a, noise = self._level(t)
        variance = jnp.full_like(x, noise if self._blur is None else noise + a**2 * self._blur)
        if self.options.path == "preserving":
            return qs.Normal(a * x, variance)
        scale = self._scale(t)
        return qs.Normal(scale * a * x, scale**2 * variance)

    def transition(self, z: Float[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> qs.Normal:
        step = self._step(s, t)
        return qs.Normal(step.shrink * z, jnp.full_like(z, step.noise_variance))

    def posterior(
        self, x: Float[Array, "*event"], z: Float[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]
    ) -> qs.Normal:
        step = self.step(s, t)
        return qs.Normal(step.z_weight * z + step.x_weight * x, jnp.full_like(z, step.variance))

    def guided(
        self, params: Float[Array, "*params"], without: Float[Array, "*params"], weight: Float[Array, ""]
    ) -> Float[Array, "*params"]:
        """Of the prediction alone: a variance that is learned is the one with side information."""
        moved = super().guided(params, without, weight)
        return params.at[..., 0].set(moved[..., 0])

    def encode(self, z: Float[Array, "*event"], t: Float[Array, ""]) -> Float[Array, "*features"]:
        return self._preserved(z, t)[..., None]
