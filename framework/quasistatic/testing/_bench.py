"""Two small kernels and a sampler, on which the other components are tried: everything about them is known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import AbstractDistribution, Key, State
from quasistatic._event import Event
from quasistatic._finite import FiniteKernel, floored_log
from quasistatic._kernel import AbstractKernel
from quasistatic._sampler import AbstractSampler


class Redraw(FiniteKernel):
    """Symbols that a step redraws from an uneven law, with one equilibrium; survival falls linearly."""

    event: Event = eqx.field(static=True, default=Event((2,), "categorical", 3))
    features: int = eqx.field(static=True, default=3)
    params: int = eqx.field(static=True, default=3)
    exact_at_zero: bool = eqx.field(static=True, default=True)

    def grid(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def log_matrix(self, s: jax.Array | None, t: jax.Array) -> jax.Array:
        kept = 1.0 - t if s is None else (1.0 - t) / (1.0 - s)
        return floored_log(kept * jnp.eye(3) + (1.0 - kept) * jnp.exp(self.log_equilibrium()))

    def log_equilibrium(self) -> jax.Array:
        return jnp.log(jnp.array([0.2, 0.5, 0.3]))

    def log_reference(self) -> jax.Array:
        return self.log_equilibrium()


class Normal(AbstractDistribution):
    """One variance for all elements; the KL is left to its one-draw default."""

    loc: jax.Array
    variance: jax.Array
    reparametrised = True

    def sample(self, key: Key) -> jax.Array:
        return self.loc + jnp.sqrt(self.variance) * jr.normal(key, self.loc.shape)

    def log_prob(self, x: jax.Array) -> jax.Array:
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(2.0 * jnp.pi * self.variance))


class Fading(AbstractKernel):
    """Figures that fade into a unit normal; a param is the mean of unit-normal data, so a constant is exact for N(params, 1)."""

    event: Event = eqx.field(static=True, default=Event((2,)))
    features: int = eqx.field(static=True, default=1)
    params: int = eqx.field(static=True, default=1)
    exact_at_zero: bool = eqx.field(static=True, default=True)

    def grid(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def equilibrium(self) -> Normal:
        return Normal(jnp.zeros(self.event.shape), jnp.ones(()))

    def reference(self) -> Normal:
        return self.equilibrium()

    def marginal(self, x: State, t: jax.Array) -> Normal:
        return Normal(jnp.sqrt(_kept(t)) * x, t)

    def transition(self, z: State, s: jax.Array, t: jax.Array) -> Normal:
        kept = _kept(t) / _kept(s)
        return Normal(jnp.sqrt(kept) * z, 1.0 - kept)

    def posterior(self, x: State, z: State, s: jax.Array, t: jax.Array) -> Normal:
        keep, pull, variance = self._bridge(s, t)
        return Normal(keep * z + pull * x, variance)

    def decode(self, params: State, z: State, t: jax.Array) -> Normal:
        return Normal(jnp.sqrt(_kept(t)) * z + t * params[..., 0], t)

    def reverse(self, params: State, z: State, s: jax.Array, t: jax.Array) -> Normal:
        keep, pull, variance = self._bridge(s, t)
        return Normal(keep * z + pull * self.decode(params, z, t).loc, variance + pull**2 * t)

    def encode(self, z: State, t: jax.Array) -> jax.Array:
        return z[..., None]

    def _bridge(self, s: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Of q(z_s given z_t, x): the weights of z_t and of x, and the variance."""
        kept = _kept(t) / _kept(s)
        return jnp.sqrt(kept) * s / t, jnp.sqrt(_kept(s)) * (1.0 - kept) / t, s * (1.0 - kept) / t


def _kept(t: jax.Array) -> jax.Array:
    """Survival; the floor keeps the gradient of its root finite at t = 1."""
    return jnp.maximum(1.0 - t, 1e-12)


class Backwards(AbstractSampler):
    """Every step drawn from the reverse law."""

    def init(self, diffusion: Diffusion, key: Key) -> State:
        return diffusion.kernel.equilibrium().sample(key)

    def step(
        self, diffusion: Diffusion, z: State, s: jax.Array, t: jax.Array, key: Key, given: jax.Array | None
    ) -> State:
        return diffusion.kernel.reverse(diffusion.params(z, t, given), z, s, t).sample(key)

    def finish(self, diffusion: Diffusion, z: State, t: jax.Array, key: Key, given: jax.Array | None) -> State:
        return diffusion.decode(diffusion.params(z, t, given), z, t).sample(key)
