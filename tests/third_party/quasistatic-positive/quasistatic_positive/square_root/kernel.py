"""The square-root process: the squared length of a normal process in three dimensions, which is its exact solution.

With Y an Ornstein-Uhlenbeck process in three dimensions, z = |Y|^2 / sqrt(15) is a square-root process: after every step a Poisson
mixture of gammas (a noncentral chi-square of three degrees), and in equilibrium a gamma of shape 3/2 and mean square 1. Three is a
number of dimensions where all of it is elementary, the angle between two vectors of known length included.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_positive.square_root import SquareRootOptions

SCALE, LIMIT = math.sqrt(15.0), 8.0  # E |Y|^4 = 15; exp(+-LIMIT) bounds what a network can ask of a variance


def length(z: jax.Array) -> jax.Array:
    """|Y|."""
    return jnp.sqrt(SCALE * z)


def vectors(along: jax.Array, across: jax.Array | float = 0.0) -> jax.Array:
    """Vectors (..., 3) with these first two coordinates."""
    return jnp.stack([along, across * jnp.ones_like(along), jnp.zeros_like(along)], axis=-1)


def squared(vector: jax.Array, variance: jax.Array, noise: jax.Array) -> jax.Array:
    """z of these vectors (..., 3) with noise (..., 3) of this variance."""
    return jnp.sum((vector + jnp.sqrt(variance)[..., None] * noise) ** 2, axis=-1) / SCALE


def log_mean_fall(w: jax.Array) -> jax.Array:
    """log of the mean of exp(-u) over u from 0 to w, which is (1 - exp(-w)) / w."""
    large = jnp.maximum(w, 0.1)
    return jnp.where(w < 0.1, -w / 2 + w**2 / 24 - w**4 / 2880, jnp.log(-jnp.expm1(-large) / large))


class SquaredLength(qs.AbstractDistribution):
    """z of vectors Y that are normal at a distance `loc` from zero; `variance` is that of each of their coordinates."""

    loc: jax.Array
    variance: jax.Array
    is_reparametrised = True

    def sample(self, key: jax.Array) -> jax.Array:
        return squared(vectors(self.loc), self.variance, jr.normal(key, (*self.loc.shape, 3), self.loc.dtype))

    def log_prob(self, z: jax.Array) -> jax.Array:
        r, loc, v = length(z), jnp.abs(self.loc), self.variance
        log_radial = log_mean_fall(2.0 * r * loc / v) - 0.5 * (r - loc) ** 2 / v - 1.5 * jnp.log(v)
        return jnp.sum(log_radial + jnp.log(r) + math.log(SCALE / math.sqrt(2.0 * math.pi)))


class Bridge(qs.AbstractDistribution):
    """q(z_s given x, z_t): by Bayes' rule, and drawn as the angle between both ends first, then a Brownian bridge between them."""

    early: SquaredLength  # q(z_s given x)
    kept: jax.Array  # of Y_s in Y_t
    added: jax.Array
    z: jax.Array
    is_reparametrised = True

    def log_prob(self, z: jax.Array) -> jax.Array:
        step = SquaredLength(self.kept * length(z), self.added)
        whole = SquaredLength(self.kept * self.early.loc, self._whole)
        return self.early.log_prob(z) + step.log_prob(self.z) - whole.log_prob(self.z)

    @property
    def _whole(self) -> jax.Array:
        return self.kept**2 * self.early.variance + self.added

    def sample(self, key: jax.Array) -> jax.Array:
        return self.pair(key)[0]

    def pair(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """A draw, and that of the mirrored angle and noise."""
        key_angle, key_noise = jr.split(key)
        u, noise = qs.numerics.uniform(self.z.shape, key=key_angle), jr.normal(key_noise, (*self.z.shape, 3), self.z.dtype)
        return self._through(u, noise), self._through(1.0 - u, -noise)

    def _through(self, u: jax.Array, noise: jax.Array) -> jax.Array:
        r, whole = length(self.z), self._whole
        # von Mises-Fisher on the sphere: one minus the cosine is exponential, cut off at two
        w = jnp.maximum(2.0 * self.kept * self.early.loc * r / whole, 1e-6)
        less = -2.0 / w * jnp.log1p(u * jnp.expm1(-w))
        late = vectors(r * (1.0 - less), r * jnp.sqrt(less * (2.0 - less)))
        of_early, of_late = self.added / whole, self.kept * self.early.variance / whole
        mean = of_early[..., None] * vectors(self.early.loc) + of_late[..., None] * late
        return squared(mean, self.early.variance * of_early, noise)

    def kl(self, other: qs.AbstractDistribution, *, key: jax.Array) -> jax.Array:
        """Unbiased, from both draws: what is linear in the noise cancels."""
        return 0.5 * sum(self.log_prob(z) - other.log_prob(z) for z in self.pair(key))


class SquareRootKernel(qs.AbstractKernel):
    """Two params per number, given z_t: the distance of Y's mean at data from what is left of Y_t, and the log of its spread.

    Y at data is normal around a point along Y_t, and `reverse` is what Brownian bridges from there to Y_t pass through. Zero
    params are the exact reversal.
    """

    options: SquareRootOptions = eqx.field(static=True)
    event: qs.Real = eqx.field(static=True)
    is_exact_at_zero = True

    def __check_init__(self) -> None:
        if self.event.low != 0.0 or self.event.high is not None:
            raise ValueError(f"kernel 'square-root' takes positive numbers, Real(shape, low=0.0), got {self.event}")

    @property
    def _schedule(self) -> qs.AbstractSchedule:
        return qs.make_schedule("log-linear", self.options.first_noise, self.options.last_survival)

    def _step(self, s: jax.Array | None, t: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        """What a step keeps of Y, and the variance that it adds; data sit at None."""
        early, late = (0.0 if time is None else qs.log_survival(self._schedule.log_odds(time)) for time in (s, t))
        log_kept = (late - early) * jnp.ones(self.event.shape)
        return jnp.exp(0.5 * log_kept), -jnp.expm1(log_kept)

    def times(self, steps: int) -> np.ndarray:
        return self._schedule.times(steps)

    def equilibrium(self) -> SquaredLength:
        return SquaredLength(jnp.zeros(self.event.shape), jnp.ones(self.event.shape))

    reference = equilibrium

    def marginal(self, x: jax.Array, t: jax.Array) -> SquaredLength:
        return self.transition(x, None, t)

    def transition(self, z: jax.Array, s: jax.Array | None, t: jax.Array) -> SquaredLength:
        kept, added = self._step(s, t)
        return SquaredLength(kept * length(z), added)

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Bridge:
        return Bridge(self.marginal(x, s), *self._step(s, t), z)

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> SquaredLength:
        return self.reverse(params, z, None, t)

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array | None, t: jax.Array) -> SquaredLength:
        (signal, before), (kept, added), (_, noise) = self._step(None, s), self._step(s, t), self._step(None, t)
        of_data, spread = signal * added / noise, jnp.exp(LIMIT * jnp.tanh(params[..., 1] / LIMIT))
        loc = kept * length(z) + of_data * jnp.sqrt(noise) * params[..., 0]
        return SquaredLength(loc, before * added / noise + of_data**2 * spread * noise)

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return length(z)[..., None]

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2))
