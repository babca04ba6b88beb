"""Two small kernels, on which the other components are tried: everything about them is known."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State, Time
from quasistatic._process.event import AbstractField, Categorical, Real
from quasistatic._process.finite import FiniteKernel, floored_log
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.product import ProductKernel


class Redraw(FiniteKernel):
    """Symbols that a step redraws from uneven shares, the equilibrium; survival falls linearly."""

    event: AbstractField = eqx.field(static=True, default=Categorical((2,), 3))
    shares: tuple[float, ...] = eqx.field(static=True, default=(0.2, 0.5, 0.3))
    is_exact_at_zero: bool = eqx.field(static=True, default=True)

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def log_matrix(self, s: Time | None, t: Time) -> Float[Array, "before after"]:
        kept = 1.0 - t if s is None else (1.0 - t) / (1.0 - s)
        return floored_log(kept * jnp.eye(len(self.shares)) + (1.0 - kept) * jnp.exp(self.log_equilibrium()))

    def log_equilibrium(self) -> Float[Array, " states"]:
        return jnp.log(jnp.array(self.shares))

    def log_reference(self) -> Float[Array, " data_states"]:
        return self.log_equilibrium()


class OneVariance(AbstractDistribution):
    """Normal elements of one variance; the KL is left to its one-draw default."""

    loc: Float[Array, "*event"]
    variance: Scalar
    is_reparametrised: ClassVar[bool] = True

    def sample(self, key: Key) -> State:
        return self.loc + jnp.sqrt(self.variance) * jr.normal(key, self.loc.shape)

    def log_prob(self, x: State) -> Scalar:
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(2.0 * jnp.pi * self.variance))


class Fading(AbstractKernel):
    """Numbers that fade into a unit normal; a param is the mean of unit-normal data, so a constant is exact for N(params, 1)."""

    event: AbstractField = eqx.field(static=True, default=Real((2,)))
    is_exact_at_zero: bool = eqx.field(static=True, default=True)

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def zero_params(self) -> State:
        return jnp.zeros((*self.event.shape, 1))

    def equilibrium(self) -> OneVariance:
        return OneVariance(jnp.zeros(self.event.shape), jnp.ones(()))

    def reference(self) -> OneVariance:
        return self.equilibrium()

    def marginal(self, x: State, t: Time) -> OneVariance:
        return OneVariance(jnp.sqrt(_kept(t)) * x, jnp.asarray(t))

    def transition(self, z: State, s: Time, t: Time) -> OneVariance:
        kept = _kept(t) / _kept(s)
        return OneVariance(jnp.sqrt(kept) * z, 1.0 - kept)

    def posterior(self, x: State, z: State, s: Time, t: Time) -> OneVariance:
        z_weight, x_weight, variance = self._weights(s, t)
        return OneVariance(z_weight * z + x_weight * x, variance)

    def decode(self, params: State, z: State, t: Time) -> OneVariance:
        return OneVariance(jnp.sqrt(_kept(t)) * z + t * params[..., 0], jnp.asarray(t))

    def reverse(self, params: State, z: State, s: Time, t: Time) -> OneVariance:
        z_weight, x_weight, variance = self._weights(s, t)
        return OneVariance(z_weight * z + x_weight * self.decode(params, z, t).loc, variance + x_weight**2 * t)

    def encode(self, z: State, t: Time) -> State:
        return z[..., None]

    def _weights(self, s: Time, t: Time) -> tuple[Scalar, Scalar, Scalar]:
        """Of q(z_s given z_t, x): the weights of z_t and of x, and the variance."""
        kept = _kept(t) / _kept(s)
        return jnp.sqrt(kept) * s / t, jnp.sqrt(_kept(s)) * (1.0 - kept) / t, s * (1.0 - kept) / t


def _kept(t: Time) -> Scalar:
    """Survival; the floor keeps the gradient of its root finite at t = 1."""
    return jnp.maximum(1.0 - t, 1e-12)


def three_parts() -> dict[str, AbstractKernel]:
    """Kernels for an event of three parts, one of which is a single symbol of two."""
    return {"flag": Redraw(Categorical((), 2), shares=(0.4, 0.6)), "name": Redraw(), "place": Fading()}


def joined() -> ProductKernel:
    """The product of these."""
    return ProductKernel(three_parts())
