"""Correlated noise: everything is normal and independent in the cosine basis, where blurring by heat is a factor.

A cosine of frequency f keeps the share exp(L(t)) of its square, with L(t) = log a(t)^2 - f^2 blur(t)^2; a(t)^2 is the schedule's
survival, blur(t) grows to `reach`. Its noise has variance 1 - exp(N(t)): N = L of each frequency where noise is matched, so that
unit normals stay unit normals, and N = log a(t)^2 of all frequencies where it is white.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.fft import dctn, idctn

import quasistatic as qs
from quasistatic_blur import BlurOptions

LIMIT = 8.0  # exp(+-LIMIT) bounds what a network can ask of a variance


class Cosines(qs.distributions.AbstractBasis):
    """Orthonormal cosines along height and width."""

    def to_basis(self, x: jax.Array) -> jax.Array:
        return dctn(x, axes=(0, 1), norm="ortho")

    def from_basis(self, c: jax.Array) -> jax.Array:
        return idctn(c, axes=(0, 1), norm="ortho")


class Level(NamedTuple):
    """Logarithms of what each frequency keeps, as a square: of the signal, and one minus that of its noise."""

    signal: jax.Array
    noise: jax.Array


class BlurKernel(qs.AbstractBridged):
    """Params are, for each pixel, a velocity of the data, and for each frequency the log of a variance ratio.

    Zero params reverse unit-normal data exactly.
    """

    options: BlurOptions = eqx.field(static=True)
    event: qs.Real = eqx.field(static=True)
    is_exact_at_zero = True

    def __check_init__(self) -> None:
        if len(self.event.shape) not in (2, 3):
            raise ValueError(f"kernel 'blur' takes images, got {self.event.describe()}")

    @property
    def is_stationary(self) -> bool:
        return self.options.noise == "matched"

    def _level(self, t: jax.Array) -> Level:
        height, width = self.event.shape[:2]
        squares = np.add.outer((math.pi * np.arange(height) / height) ** 2, (math.pi * np.arange(width) / width) ** 2)
        squares = squares.reshape(height, width, *[1] * (len(self.event.shape) - 2))
        white = qs.log_survival(self._schedule.log_odds(t)) * jnp.ones(self.event.shape)
        blurred = white - squares * (self.options.reach * t) ** 2
        return Level(blurred, blurred if self.options.noise == "matched" else white)

    @property
    def _schedule(self) -> qs.AbstractSchedule:
        return qs.make_schedule("log-linear", self.options.first_noise, self.options.last_survival)

    def times(self, steps: int) -> np.ndarray:
        return self._schedule.times(steps)

    def equilibrium(self) -> qs.Normal:
        return self._normal(jnp.zeros(self.event.shape), jnp.ones(self.event.shape))

    reference = equilibrium

    def _normal(self, in_basis: jax.Array, variance: jax.Array) -> qs.Normal:
        return qs.Normal(Cosines().from_basis(in_basis), variance, Cosines())

    def marginal(self, x: jax.Array, t: jax.Array) -> qs.Normal:
        level = self._level(t)
        return self._normal(jnp.exp(0.5 * level.signal) * Cosines().to_basis(x), -jnp.expm1(level.noise))

    def _step(self, s: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """What is kept of z_s and the variance that is added to it, that of the noise in z_s, and what z_s keeps of the data."""
        early, late = self._level(s), self._level(t)
        kept, before = late.signal - early.signal, -jnp.expm1(early.noise)
        added = -jnp.exp(early.noise) * jnp.expm1(late.noise - early.noise) - before * jnp.expm1(kept)
        return jnp.exp(0.5 * kept), added, before, jnp.exp(0.5 * early.signal)

    def transition(self, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        kept, added, *_ = self._step(s, t)
        return self._normal(kept * Cosines().to_basis(z), added)

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        return self.bridge(qs.Normal(x, jnp.zeros(self.event.shape), Cosines()), z, s, t)

    def bridge(self, data: qs.AbstractDistribution, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        """`data` are a Normal in the cosine basis. Raises TypeError for others."""
        if not (isinstance(data, qs.Normal) and isinstance(data.basis, Cosines)):
            raise TypeError(f"BlurKernel.bridge: expected a Normal in the cosine basis, got a {type(data).__name__}")
        (kept, added, before, signal), basis = self._step(s, t), Cosines()
        whole = kept**2 * before + added
        of_z, of_x = kept * before / whole, signal * added / whole
        loc = of_z * basis.to_basis(z) + of_x * basis.to_basis(data.loc)
        return self._normal(loc, before * added / whole + of_x**2 * data.variance)

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.Normal:
        level, basis = self._level(t), Cosines()
        a, noise = jnp.exp(0.5 * level.signal), -jnp.expm1(level.noise)
        whole = jnp.exp(level.signal) + noise
        loc = a / whole * basis.to_basis(z) - jnp.sqrt(noise / whole) * basis.to_basis(params[..., 0])
        return self._normal(loc, noise / whole * jnp.exp(LIMIT * jnp.tanh(params[..., 1] / LIMIT)))

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return z[..., None]

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2))
