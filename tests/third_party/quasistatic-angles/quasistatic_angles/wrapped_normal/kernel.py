"""Angles that diffuse on the circle. All angles and variances are in radians.

Brownian motion of variance v carries an angle x to x + sqrt(v) noise, wrapped to [-pi, pi]. Variances of steps add, so this is a
semigroup in v, reversible with respect to the uniform distribution. Time only names the variance: v(t) grows from `first` to LAST
by equal factors, and data, which sit before every time, have t = -inf, where v = 0.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_angles.wrapped_normal import Angle, WrappedNormalOptions

TAU, LAST, LIMIT = 2.0 * np.pi, 10.0, 8.0  # exp(+-LIMIT) bounds what a network can ask of a variance
FAR = 1e3  # radians that a network can ask an angle to move by: float32 still tells one end of a further turn from the other


def wrap(angle: jax.Array) -> jax.Array:
    """To [-pi, pi]; small angles stay as they are, bit for bit."""
    return jnp.clip(angle - TAU * jnp.round(angle / TAU), -np.pi, np.pi)  # after many turns rounding may lead out


def turns(angle: jax.Array) -> jax.Array:
    """The angle itself and after up to three turns either way, a last axis."""
    return wrap(angle)[..., None] + TAU * jnp.arange(-3, 4)


def log_wrapped(away: jax.Array, variance: jax.Array) -> jax.Array:
    """log of the wrapped normal density at distances from its centre: over turns if it is narrow, over waves if it is wide.

    The two series (Poisson summation) are equally quick at variance 2 pi, where either is good to 1e-16.
    """
    narrow, wide, n = jnp.minimum(variance, TAU)[..., None], jnp.maximum(variance, TAU)[..., None], jnp.arange(1, 4)
    by_turns = jax.nn.logsumexp(-0.5 * turns(away) ** 2 / narrow - 0.5 * jnp.log(TAU * narrow), axis=-1)
    by_waves = jnp.log1p(2.0 * jnp.sum(jnp.exp(-0.5 * n**2 * wide) * jnp.cos(n * away[..., None]), axis=-1)) - jnp.log(TAU)
    return jnp.where(variance < TAU, by_turns, by_waves)


class WrappedNormal(qs.AbstractDistribution):
    """Independent angles around `loc`; `variance` is that before wrapping, one for all angles or one for each."""

    loc: jax.Array
    variance: jax.Array
    is_reparametrised = True

    def sample(self, key: jax.Array) -> jax.Array:
        return wrap(qs.Normal(self.loc, self.variance).sample(key))

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jnp.sum(log_wrapped(x - self.loc, self.variance))


class Product(qs.AbstractDistribution):
    """The normalised product of two wrapped normals: of z_s given data x, and of z_t = z given z_s."""

    one: WrappedNormal
    two: WrappedNormal
    is_reparametrised = False

    def log_prob(self, z: jax.Array) -> jax.Array:
        whole = WrappedNormal(self.one.loc, self.one.variance + self.two.variance)
        return self.one.log_prob(z) + self.two.log_prob(z) - whole.log_prob(self.two.loc)

    def sample(self, key: jax.Array) -> jax.Array:
        return self.pair(key)[0]

    def pair(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The number of turns of the path from x to z first, then a Brownian bridge and its mirror image."""
        key_turn, key_bridge = jr.split(key)
        share = self.one.variance / (self.one.variance + self.two.variance)
        ways = turns(self.two.loc - self.one.loc)
        turn = jr.categorical(key_turn, -0.5 * ways**2 * share / self.one.variance)
        loc = self.one.loc + share * jnp.take_along_axis(ways, turn[..., None], axis=-1)[..., 0]
        drawn, mirrored = qs.Normal(loc, share * self.two.variance).pair(key_bridge)
        return wrap(drawn), wrap(mirrored)

    def kl(self, other: qs.AbstractDistribution, *, key: jax.Array) -> jax.Array:
        """Unbiased, from both images: what is linear in the noise cancels."""
        return 0.5 * sum(self.log_prob(z) - other.log_prob(z) for z in self.pair(key))


class WrappedNormalKernel(qs.AbstractKernel):
    """Two params per angle give the data, given z_t: their distance in units of the noise, and the log of their spread.

    In the plane, where an angle keeps its turns, x is normal around z_t + sqrt(v_t) * params[0] with variance
    v_t exp(params[1]), and `reverse` averages Brownian bridges to z_t over it. Zero params are the exact reversal.
    """

    options: WrappedNormalOptions = eqx.field(static=True)
    event: Angle = eqx.field(static=True)
    is_exact_at_zero = True

    def _variance(self, t: jax.Array) -> jax.Array:
        return self.options.first * jnp.exp(np.log(LAST / self.options.first) * t)

    def times(self, steps: int) -> np.ndarray:
        return np.linspace(1.0, 0.0, steps)[::-1]

    def equilibrium(self) -> WrappedNormal:
        return WrappedNormal(jnp.zeros(self.event.shape), jnp.asarray(100.0))  # uniform, but for 4e-22

    reference = equilibrium

    def marginal(self, x: jax.Array, t: jax.Array) -> WrappedNormal:
        return self.transition(x, -jnp.inf, t)

    def transition(self, z: jax.Array, s: jax.Array, t: jax.Array) -> WrappedNormal:
        return WrappedNormal(z, self._variance(t) - self._variance(s))

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Product:
        return Product(self.marginal(x, s), self.transition(z, s, t))

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> WrappedNormal:
        return self.reverse(params, z, -jnp.inf, t)

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> WrappedNormal:
        early, late, spread = self._variance(s), self._variance(t), jnp.exp(LIMIT * jnp.tanh(params[..., 1] / LIMIT))
        share = 1.0 - early / late
        moved = jnp.clip(share * jnp.sqrt(late) * params[..., 0], -FAR, FAR)
        return WrappedNormal(z + moved, share * (early + spread * share * late))

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return jnp.stack([jnp.cos(z), jnp.sin(z)], axis=-1)

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2))
