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


class BlurKernel(qs.AbstractGaussianPath, qs.AbstractBridged):
    """Params are, for each pixel, a velocity of the data, and for each frequency the log of a variance ratio.

    Zero params reverse unit-normal data exactly.
    """

    options: BlurOptions = eqx.field(static=True)
    event: qs.Real = eqx.field(static=True)
    is_exact_at_zero = True
    basis = Cosines()

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
        return qs.Normal(jnp.zeros(self.event.shape), jnp.ones(self.event.shape), self.basis)

    reference = equilibrium

    def levels(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        level = self._level(t)
        return 0.5 * level.signal, jnp.log(-jnp.expm1(level.noise))

    def bridge(self, data: qs.AbstractDistribution, z: jax.Array, s: jax.Array, t: jax.Array) -> qs.Normal:
        """`data` are a Normal in the cosine basis. Raises TypeError for others."""
        if not (isinstance(data, qs.Normal) and isinstance(data.basis, Cosines)):
            raise TypeError(f"BlurKernel.bridge: expected a Normal in the cosine basis, got a {type(data).__name__}")
        known, step = self.posterior(data.loc, z, s, t), self.step(s, t)
        return qs.Normal(known.loc, known.variance + step.x_weight**2 * data.variance, self.basis)

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> qs.Normal:
        level, basis = self._level(t), self.basis
        a, noise = jnp.exp(0.5 * level.signal), -jnp.expm1(level.noise)
        whole = jnp.exp(level.signal) + noise
        loc = a / whole * basis.to_basis(z) - jnp.sqrt(noise / whole) * basis.to_basis(params[..., 0])
        variance = noise / whole * jnp.exp(LIMIT * jnp.tanh(params[..., 1] / LIMIT))
        return qs.Normal(basis.from_basis(loc), variance, basis)

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return z[..., None]

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2))
