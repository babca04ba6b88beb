"""A mixture of normal distributions of data, and what noise leaves of it in closed form."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits import tables

LOG_TAU = math.log(2.0 * math.pi)
ARRAYS = ("log_weights", "means", "axes", "variances")


class NormalMixture(qs.AbstractDistribution):
    """C normal distributions of an event of `shape`, read as a vector: each has a mean, and variances along axes of its own."""

    log_weights: jax.Array  # (C,)
    means: jax.Array  # (C, size)
    axes: jax.Array  # (C, size, size): the columns of each are its axes
    variances: jax.Array  # (C, size), along these axes
    shape: tuple[int, ...] = eqx.field(static=True)
    is_reparametrised: ClassVar[bool] = False

    @classmethod
    def unit(cls, shape: tuple[int, ...]) -> "NormalMixture":
        """One unit normal distribution."""
        size = math.prod(shape)
        return cls(jnp.zeros(1), jnp.zeros((1, size)), jnp.eye(size)[None], jnp.ones((1, size)), shape)

    def sample(self, key: jax.Array) -> jax.Array:
        key_part, key_noise = jr.split(key)
        part = jr.categorical(key_part, self.log_weights)
        noise = jnp.sqrt(self.variances[part]) * jr.normal(key_noise, self.variances.shape[1:])
        return (self.means[part] + self.axes[part] @ noise).reshape(self.shape)

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jax.nn.logsumexp(self._log_joint(self._along_axes(x.reshape(-1), 1.0), self.variances))

    def denoised(self, z: jax.Array, a: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and variance (*shape) of each element of x, where z = a x + noise of this variance and x is of the mixture."""
        total = a**2 * self.variances + noise
        along = self._along_axes(z.reshape(-1), a)
        share = jax.nn.softmax(self._log_joint(along, total))
        locs = self.means + jnp.einsum("cde,ce->cd", self.axes, a * self.variances / total * along)
        spreads = jnp.einsum("cde,ce->cd", self.axes**2, self.variances * noise / total)
        loc = share @ locs
        return loc.reshape(self.shape), (share @ (spreads + (locs - loc) ** 2)).reshape(self.shape)

    def _along_axes(self, z: jax.Array, a: jax.Array | float) -> jax.Array:
        """How far z is from a times each mean, along its axes, (C, size)."""
        return jnp.einsum("cde,cd->ce", self.axes, z - a * self.means)

    def _log_joint(self, along: jax.Array, variances: jax.Array) -> jax.Array:
        """log p(part, z), (C,)."""
        return self.log_weights - 0.5 * jnp.sum(along**2 / variances + jnp.log(variances) + LOG_TAU, axis=1)


def fitted_arrays(train: np.ndarray, validation: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a mixture that is fitted to events (N, *shape), in float32."""
    found = tables.fit_mixture(*(np.reshape(x, (len(x), math.prod(x.shape[1:]))) for x in (train, validation)))
    variances, axes = np.linalg.eigh(found.covariances)
    arrays = (np.log(found.weights), found.means, axes, variances)
    return {name: np.asarray(array, np.float32) for name, array in zip(ARRAYS, arrays, strict=True)}
