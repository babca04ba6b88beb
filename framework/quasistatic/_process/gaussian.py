"""Gaussian noise on real data: all that follows from how much of the data and of the noise there is at each time.

z_t = a_t x + d_t eps, with eps unit normal, for each element or, in a basis, for each coordinate. A step s < t keeps a_t / a_s of
z_s, and of the variance d_t^2 it adds the share by which the signal-to-noise ratio a^2 / d^2 falls. Two such processes with the
same ratio at all times differ by the scale of z alone: they have one bound K, and other velocities (Kingma et al. 2021, section 5).
"""

from abc import abstractmethod
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from quasistatic._process.distribution import Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.normal import AbstractBasis, Normal

Levels = tuple[Float[Array, "..."], Float[Array, "..."]]


class GaussianStep(NamedTuple):
    """Coefficients of a step s < t, each a scalar or (*event).

    z_t is N(shrink * z_s, noise_variance); given data too, z_s is N(z_weight * z_t + x_weight * x, variance).
    """

    shrink: jax.Array
    noise_variance: jax.Array
    z_weight: jax.Array
    x_weight: jax.Array
    variance: jax.Array


class AbstractGaussianPath(AbstractKernel):
    """A kernel whose noise is Gaussian, so that `levels` say all of the forward process.

    A subclass may override the distributions here where it knows them to more digits.
    """

    @abstractmethod
    def levels(self, t: Time) -> Levels:
        """log a_t and log d_t^2, each a scalar, or (*event) where elements differ; in `basis`, if there is one.

        d_t^2 is the variance of z_t given data. -inf where there is no signal, or no noise.
        """

    @property
    def basis(self) -> AbstractBasis | None:
        """The coordinates in which the noise is independent; None where they are the elements themselves."""
        return None

    def log_snr(self, t: Time) -> Float[Array, "..."]:
        """log a_t^2 / d_t^2, which falls with time."""
        log_signal, log_noise = self.levels(t)
        return 2.0 * log_signal - log_noise

    def step(self, s: Time, t: Time) -> GaussianStep:
        """The coefficients of a step s < t."""
        (early, early_noise), (late, late_noise) = self.levels(s), self.levels(t)
        shrink = jnp.exp(late - early)
        fall = -jnp.expm1(self.log_snr(t) - self.log_snr(s))
        return GaussianStep(
            shrink,
            jnp.exp(late_noise) * fall,
            shrink * jnp.exp(early_noise - late_noise),
            jnp.exp(early) * fall,
            jnp.exp(early_noise) * fall,
        )

    def velocity(self, mean: Float[Array, "*event"], z: Float[Array, "*event"], t: Time) -> Float[Array, "*event"]:
        """dz/dt of the probability flow at z_t = z, from E[x given z_t] = `mean`.

        Signal and noise change in proportion to what they are.

        Source: Song et al. 2021, section 4.3; for a = 1 - t and d = t it is (z - mean) / t (Lipman et al. 2023).
        """
        now = jnp.asarray(t, jnp.result_type(float))
        (log_signal, _), (slope, noise_slope) = jax.jvp(self.levels, (now,), (jnp.ones_like(now),))
        signal = jnp.exp(log_signal) * self.coordinates(mean)
        return self.elements(slope * signal + 0.5 * noise_slope * (self.coordinates(z) - signal))

    def marginal(self, x: Float[Array, "*event"], t: Time) -> Normal:
        log_signal, log_noise = self.levels(t)
        return self._normal(jnp.exp(log_signal) * self.coordinates(x), jnp.exp(log_noise))

    def transition(self, z: Float[Array, "*event"], s: Time, t: Time) -> Normal:
        step = self.step(s, t)
        return self._normal(step.shrink * self.coordinates(z), step.noise_variance)

    def posterior(self, x: Float[Array, "*event"], z: Float[Array, "*event"], s: Time, t: Time) -> Normal:
        step = self.step(s, t)
        return self._normal(step.z_weight * self.coordinates(z) + step.x_weight * self.coordinates(x), step.variance)

    def back(
        self, mean: Float[Array, "*event"], z: Float[Array, "*event"], s: Time, t: Time, renewed: jax.Array | float = 0.0
    ) -> Normal:
        """z_s from z_t = z, s <= t, if the data are `mean`, with a share of the noise's variance drawn anew.

        `renewed`, a scalar or as `levels`, is 0 for a step of the probability flow, without noise, and 1 - SNR_t / SNR_s for the
        posterior. With s = t it is Langevin's motion under the score that `mean` stands for.

        Source: Song, Meng & Ermon 2021, eq. 12 and 16.
        """
        (early, early_noise), (late, late_noise) = self.levels(s), self.levels(t)
        kept = jnp.where(jnp.isneginf(early_noise), 0.0, jnp.exp(0.5 * (early_noise - late_noise))) * jnp.sqrt(1.0 - renewed)
        data = self.coordinates(mean)
        loc = jnp.exp(early) * data + kept * (self.coordinates(z) - jnp.exp(late) * data)
        return self._normal(loc, jnp.exp(early_noise) * renewed)

    def coordinates(self, x: Float[Array, "*event"]) -> Float[Array, "*event"]:
        """The coordinates of an event in which `levels` are, and the noise is independent: x itself without a `basis`."""
        return x if self.basis is None else self.basis.to_basis(x)

    def elements(self, c: Float[Array, "*event"]) -> Float[Array, "*event"]:
        """The event with these coordinates."""
        return c if self.basis is None else self.basis.from_basis(c)

    def _normal(self, loc: jax.Array, variance: jax.Array) -> Normal:
        """Normal coordinates around `loc`."""
        return Normal(self.elements(loc), jnp.broadcast_to(variance, loc.shape), self.basis)
