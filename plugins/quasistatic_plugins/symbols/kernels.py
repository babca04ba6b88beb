"""What the kernels for symbols share."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

import quasistatic as qs


class AbstractSymbolKernel(qs.FiniteKernel):
    """A kernel on symbols 0 .. n-1 with forms of its own, none of which needs memory for more than n numbers an element.

    Side information with a part `qs.PADDING` (*event), 1 where an event has nothing, leaves symbol 0 there as it is at every time:
    it costs nothing, so K counts what is there. A network reads the state of every element as an integer, (*event, 1).
    """

    event: eqx.AbstractVar[qs.Categorical]
    padding: eqx.AbstractVar[jax.Array | None]
    is_exact_at_zero: ClassVar[bool] = True

    @property
    @abstractmethod
    def schedule(self) -> qs.AbstractSchedule:
        """How the share of surviving symbols falls with time."""

    def times(self, steps: int) -> np.ndarray:
        return self.schedule.times(steps)

    def given(self, side: Any) -> "AbstractSymbolKernel":
        if not (isinstance(side, Mapping) and qs.PADDING in side and jnp.shape(side[qs.PADDING]) == self.event.shape):
            return self
        return eqx.tree_at(lambda kernel: kernel.padding, self, side[qs.PADDING], is_leaf=lambda leaf: leaf is None)

    def reference(self) -> qs.Finite:
        log_probs = jnp.broadcast_to(self.log_reference(), (*self.event.shape, self.event.categories))
        if self.padding is not None:
            nothing = certain(jnp.zeros(self.event.shape, jnp.int32), self.event.categories)
            log_probs = jnp.where(self.padding[..., None] > 0.5, nothing, log_probs)
        return qs.Finite(log_probs, self.event.dtype)

    def encode(self, z: Int[Array, "*event"], t: Float[Array, ""]) -> Shaped[Array, "*features"]:
        return z.astype(jnp.int32)[..., None]

    def log_odds(self, t: Float[Array, ""]) -> Float[Array, "..."]:
        """Log-odds of survival, () or (*event); infinite for a place that is whole for certain, or gone."""
        return self.schedule.log_odds(t)

    def survival(self, t: Float[Array, ""]) -> tuple[jax.Array, jax.Array]:
        """log of what survives to t, and of what does not, floored; () or, where places differ, (*event)."""
        log_odds = self.log_odds(t)
        return self._unless_padding(qs.log_survival(log_odds), qs.log_noise(log_odds))

    def step_survival(self, s: Float[Array, ""], t: Float[Array, ""]) -> tuple[jax.Array, jax.Array]:
        """The same of a step s < t."""
        early, late = qs.log_survival(self.log_odds(s)), qs.log_survival(self.log_odds(t))
        # what is gone by s has nothing to lose
        log_kept = jnp.where(early > qs.numerics.FLOOR, late - jnp.maximum(early, qs.numerics.FLOOR), 0.0)
        log_lost = jnp.where(log_kept < 0.0, jnp.log(-jnp.expm1(jnp.minimum(log_kept, -1e-30))), qs.numerics.FLOOR)
        return self._unless_padding(log_kept, log_lost)

    def _unless_padding(self, log_kept: jax.Array, log_lost: jax.Array) -> tuple[jax.Array, jax.Array]:
        kept, lost = jnp.maximum(log_kept, qs.numerics.FLOOR), jnp.maximum(log_lost, qs.numerics.FLOOR)
        return self.where_padding(jnp.zeros(()), kept), self.where_padding(jnp.asarray(qs.numerics.FLOOR), lost)

    def where_padding(self, there: jax.Array, elsewhere: jax.Array) -> jax.Array:
        """One value where an event has nothing, another where it has something."""
        return elsewhere if self.padding is None else jnp.where(self.padding > 0.5, there, elsewhere)


def at(log_probs: jax.Array, symbols: jax.Array) -> jax.Array:
    """Of log-probabilities (*event, n) that of one symbol of each element, (*event)."""
    return jnp.take_along_axis(log_probs, symbols.astype(jnp.int32)[..., None], axis=-1)[..., 0]


def is_symbol(symbols: jax.Array, n: int) -> jax.Array:
    """Which of n symbols each element is, (*event, n) booleans."""
    return symbols.astype(jnp.int32)[..., None] == jnp.arange(n)


def certain(symbols: jax.Array, n: int) -> jax.Array:
    """log-probabilities (*event, n) of symbols that are sure."""
    return jnp.where(is_symbol(symbols, n), 0.0, qs.numerics.FLOOR)


def shares(xs: np.ndarray, n: int) -> np.ndarray:
    """How often events (N, ...) have each of n symbols, (n,), each once more than seen: none is impossible."""
    counts = np.bincount(np.asarray(xs).astype(np.int64).ravel(), minlength=n) + 1.0
    return counts / counts.sum()
