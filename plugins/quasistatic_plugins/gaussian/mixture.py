"""A mixture of normal distributions of data, and what noise leaves of it in closed form, also where numbers need not exist."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic.kits import tables

LOG_TAU = math.log(2.0 * math.pi)
ARRAYS = ("log_weights", "means", "axes", "variances")
STATE_ARRAYS = ("log_weights", "means", "variances", "log_shares")
# parts of a mixture at least, and elements of an event at most: such mixtures are filled up to a power of two with parts of no
# weight, so that tables of as many columns share their programs; of more elements, parts cost more than to compile
FEWEST_PARTS, FILLED = 4, 8
ROWS, CHOOSING = 4_000, 1_000  # training and validation events at most that a mixture beside states is fitted to and chosen on


class NormalMixture(qs.AbstractDistribution):
    """C normal distributions of an event of `shape`, read as a vector: each has a mean, and variances along axes of its own.

    Without axes elements are independent in each, and some may be left out: the distribution is that of those that are `there`.
    """

    log_weights: jax.Array  # (C,)
    means: jax.Array  # (C, size)
    axes: jax.Array | None  # (C, size, size): the columns of each are its axes; None for those of the event
    variances: jax.Array  # (C, size), along these axes
    shape: tuple[int, ...] = eqx.field(static=True)
    there: jax.Array | None = None  # (size,), of a mixture without axes; None for all
    is_reparametrised: ClassVar[bool] = False

    @classmethod
    def unit(cls, shape: tuple[int, ...]) -> "NormalMixture":
        """One unit normal distribution."""
        size = math.prod(shape)
        return cls(jnp.zeros(1), jnp.zeros((1, size)), jnp.eye(size)[None], jnp.ones((1, size)), shape)

    def sample(self, key: jax.Array) -> Float[Array, "*event"]:
        key_part, key_noise = jr.split(key)
        part = jr.categorical(key_part, self.log_weights)
        noise = jnp.sqrt(self.variances[part]) * jr.normal(key_noise, self.variances.shape[1:])
        found = self.means[part] + (noise if self.axes is None else self.axes[part] @ noise)
        return (found if self.there is None else jnp.where(self.there, found, 0.0)).reshape(self.shape)

    def log_prob(self, x: Float[Array, "*event"]) -> Float[Array, ""]:
        return jax.nn.logsumexp(self._log_joint(self._along_axes(x.reshape(-1), 1.0), self.variances))

    def denoised(self, z: Float[Array, "*event"], a: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and variance (*shape) of each element of x, where z = a x + noise of this variance and x is of the mixture."""
        total = a**2 * self.variances + noise
        along = self._along_axes(z.reshape(-1), a)
        share = jax.nn.softmax(self._log_joint(along, total))
        moved, spreads = a * self.variances / total * along, self.variances * noise / total
        if self.axes is not None:
            moved, spreads = jnp.einsum("cde,ce->cd", self.axes, moved), jnp.einsum("cde,ce->cd", self.axes**2, spreads)
        locs = self.means + moved
        loc = share @ locs
        return loc.reshape(self.shape), (share @ (spreads + (locs - loc) ** 2)).reshape(self.shape)

    def _along_axes(self, z: jax.Array, a: jax.Array | float) -> jax.Array:
        """How far z is from a times each mean, along its axes, (C, size); 0 for what is not there."""
        away = z - a * self.means
        if self.axes is not None:
            return jnp.einsum("cde,cd->ce", self.axes, away)
        return away if self.there is None else jnp.where(self.there, away, 0.0)

    def _log_joint(self, along: jax.Array, variances: jax.Array) -> jax.Array:
        """log p(part, z), (C,)."""
        terms = along**2 / variances + jnp.log(variances) + LOG_TAU
        return self.log_weights - 0.5 * jnp.sum(terms if self.there is None else jnp.where(self.there, terms, 0.0), axis=1)


def fitted_arrays(train: np.ndarray, validation: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a mixture that is fitted to events (N, *shape), in float32."""
    found = tables.fit_mixture(*(np.reshape(x, (len(x), math.prod(x.shape[1:]))) for x in (train, validation)))
    variances, axes = np.linalg.eigh(found.covariances)
    arrays = (np.log(found.weights), found.means, axes, variances)
    return {name: np.asarray(array, np.float32) for name, array in zip(ARRAYS, arrays, strict=True)}


def filled(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a mixture, of a kind that `ARRAYS` or `STATE_ARRAYS` names, with parts of no weight: the same distribution."""
    parts, size = arrays["means"].shape
    wanted = max(FEWEST_PARTS, 2 ** (parts - 1).bit_length()) if size <= FILLED else parts
    empty: dict[str, Any] = {"log_weights": -np.inf, "means": 0.0, "axes": np.eye(size), "variances": 1.0, "log_shares": 0.0}
    found = {}
    for name, array in arrays.items():
        axis = array.ndim - 1 if name == "log_shares" else 0
        shape = [wanted - parts if each == axis else length for each, length in enumerate(array.shape)]
        found[name] = np.concatenate([array, np.broadcast_to(empty[name], shape).astype(array.dtype)], axis)
    return found


class StatesMixture(eqx.Module):
    """A mixture of numbers and states, independent in each part: it gives numbers a mixture that depends on the states.

    `log_shares` (S, most categories, C) are the log-probabilities of each state, by its number, in each part.
    """

    numbers: NormalMixture
    log_shares: jax.Array

    def given(self, states: jax.Array, there: jax.Array) -> NormalMixture:
        """That of the numbers that are `there` (*shape), given states (S,), of which one below 0 is not known."""
        known = (states >= 0)[:, None]
        by_part = jnp.take_along_axis(self.log_shares, jnp.maximum(states, 0)[:, None, None], axis=1)[:, 0]
        log_weights = self.numbers.log_weights + jnp.sum(jnp.where(known, by_part, 0.0), axis=0)
        own = self.numbers
        return NormalMixture(jax.nn.log_softmax(log_weights), own.means, None, own.variances, own.shape, there.reshape(-1))


def fitted_beside_states(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], categories: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """The arrays of a mixture that is fitted to numbers (N, *shape), nan where there is none, and states (N, S), in float32."""
    found = tables.best_mixture(_flat(*train, categories).rows(slice(ROWS)), _flat(*validation, categories).rows(slice(CHOOSING)))
    log_shares = np.zeros((len(categories), max(categories), len(found.weights)))
    for own, by_part in zip(log_shares, found.log_shares, strict=True):
        own[: by_part.shape[1]] = by_part.T
    arrays = (np.log(found.weights), found.means, found.deviations**2, log_shares)
    return {name: np.asarray(array, np.float32) for name, array in zip(STATE_ARRAYS, arrays, strict=True)}


def _flat(numbers: np.ndarray, states: np.ndarray, categories: tuple[int, ...]) -> tables.Flat:
    size = math.prod(numbers.shape[1:])
    ends = np.array([[-np.inf], [np.inf]]) * np.ones(size)
    return tables.Flat(numbers.reshape(len(numbers), size), np.zeros(size), ends, states, categories)
