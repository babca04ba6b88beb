"""The uniform kernel: symbols that are redrawn.

A step keeps a symbol with what survives, and else draws one from pi. So every distribution of the forward process is pi with one
or two symbols of higher weight, and questions cost as much as there are symbols, never their square.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

import quasistatic as qs
from quasistatic_plugins.symbols import UniformOptions
from quasistatic_plugins.symbols.kernels import AbstractSymbolKernel, at, is_symbol, shares

Key = jax.Array


class Pi(eqx.Module):
    """A distribution of one symbol, drawn with 32-bit words: no share is off by more than 2**-32.

    Constants, in float64 where that is what is computed in.
    """

    log_shares: np.ndarray  # (n,)
    ends: np.ndarray  # (n,) of words, uint32: a symbol is drawn by the words up to its own

    @classmethod
    def of(cls, shares: np.ndarray) -> "Pi":
        """The distribution of these shares (n,)."""
        reached = np.cumsum(np.asarray(shares, np.float64))
        ends = np.minimum(np.round(reached / reached[-1] * 2.0**32) - 1.0, 2.0**32 - 1.0)
        return cls(np.log(shares), np.maximum(ends, 0.0).astype(np.uint32))

    def at(self, symbols: jax.Array) -> jax.Array:
        """log-probabilities of symbols of any shape."""
        return jnp.asarray(self.log_shares)[symbols.astype(jnp.int32)]

    def draw(self, words: jax.Array) -> jax.Array:
        """Symbols from uint32 words of any shape."""
        return jnp.searchsorted(jnp.asarray(self.ends), words, side="left").astype(jnp.int32)


class Spiked(qs.distributions.AbstractDiscrete, qs.distributions.AbstractIntegrable, qs.AbstractWithMean):
    """Independent symbols: one of the spikes with its weight, or else one drawn from pi.

    `spikes` are symbols (*event, k), `log_weights` (*event, k + 1), normalised, the last that of a draw.
    """

    spikes: jax.Array
    log_weights: jax.Array
    pi: Pi
    is_reparametrised: ClassVar[bool] = False

    @property
    def finite(self) -> qs.Finite:
        """The same with all its probabilities written out."""
        drawn = self.log_weights[..., -1:] + self.pi.log_shares
        n = self.pi.log_shares.shape[0]
        for spike, weight in self._spikes():
            drawn = jnp.where(is_symbol(spike, n), jnp.logaddexp(drawn, weight[..., None]), drawn)
        return qs.Finite(jnp.maximum(drawn, qs.numerics.FLOOR))

    def _spikes(self) -> list[tuple[jax.Array, jax.Array]]:
        return [(self.spikes[..., number], self.log_weights[..., number]) for number in range(self.spikes.shape[-1])]

    def values(self) -> jax.Array:
        return jnp.arange(self.pi.log_shares.shape[0], dtype=jnp.int32)

    def log_probabilities(self) -> jax.Array:
        return self.finite.log_probs

    def with_log_probabilities(self, log_probs: Float[Array, "*event values"]) -> qs.Finite:
        return qs.Finite(log_probs)

    def _at(self, chosen: jax.Array, words: jax.Array) -> jax.Array:
        all_symbols = jnp.concatenate([self.spikes.astype(jnp.int32), self.pi.draw(words)[..., None]], axis=-1)
        return at(all_symbols, chosen)

    def sample(self, key: Key) -> Int[Array, "*event"]:
        key_choice, key_word = jr.split(key)
        words = jr.bits(key_word, self.spikes.shape[:-1], jnp.uint32)
        return self._at(qs.Finite(self.log_weights).sample(key_choice), words)

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        key_choice, key_word = jr.split(key)
        words = jr.bits(key_word, self.spikes.shape[:-1], jnp.uint32)
        one, other = qs.Finite(self.log_weights).pair(key_choice)
        return self._at(one, words), self._at(other, ~words)

    def log_prob(self, x: Int[Array, "*event"]) -> Float[Array, ""]:
        log_prob = self.log_weights[..., -1] + self.pi.at(x)
        for spike, weight in self._spikes():
            log_prob = jnp.where(spike == x, jnp.logaddexp(log_prob, weight), log_prob)
        return jnp.sum(jnp.maximum(log_prob, qs.numerics.FLOOR))

    def kl(self, other: qs.AbstractDistribution, *, key: Key) -> Float[Array, ""]:
        if isinstance(other, Spiked):
            other = other.finite
        return self.finite.kl(other, key=key)

    def entropy(self, key: Key | None = None) -> Float[Array, ""]:
        return self.finite.entropy()

    def mean(self) -> jax.Array:
        """Probabilities of the symbols, (*event, n)."""
        return self.finite.mean()

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        return self.finite.nodes()


def build(options: UniformOptions, event: qs.Categorical) -> "UniformKernel":
    """Redrawn evenly; with `pi = "marginal"` until the data are measured."""
    return UniformKernel(options, event, Pi.of(np.full(event.categories, 1.0 / event.categories)))


class UniformKernel(AbstractSymbolKernel):
    """q(z_t given z_s) keeps a symbol with the survival of the step, and else draws one from pi; zero params reverse pi.

    Source: Austin et al. 2021, appendix A.2.1, for any pi.
    """

    options: UniformOptions = eqx.field(static=True)
    event: qs.Categorical = eqx.field(static=True)
    pi: Pi
    padding: jax.Array | None = None

    @property
    def schedule(self) -> qs.AbstractSchedule:
        options = self.options
        return qs.make_schedule(options.schedule, options.first_noise, options.last_survival)

    @property
    def is_reversible(self) -> bool:
        """Redrawing from pi is in detailed balance with it."""
        return True

    @property
    def max_prior_nats(self) -> float:
        """The chance of a symbol's own state is raised by what survives; most where it is rare."""
        kept = self.schedule.last_survival
        return math.log1p(kept * math.expm1(float(-np.min(self.pi.log_shares)))) if kept > 0 else 0.0

    def measure(self, events: Callable[[Literal["train", "validation"]], Any]) -> dict[str, np.ndarray]:
        if self.options.pi == "uniform":
            return {}
        return {"shares": shares(events("train"), self.event.categories)}

    def measured(self, arrays: Mapping[str, np.ndarray]) -> "UniformKernel":
        return eqx.tree_at(lambda kernel: kernel.pi, self, Pi.of(arrays["shares"])) if arrays else self

    def log_matrix(self, s: Float[Array, ""] | None, t: Float[Array, ""]) -> Float[Array, "*states"]:
        log_kept, log_lost = self.survival(t) if s is None else self.step_survival(s, t)
        drawn = log_lost + self.pi.log_shares
        return jnp.where(jnp.eye(self.states) > 0, jnp.logaddexp(log_kept, drawn), drawn)

    def log_equilibrium(self) -> Float[Array, "*states"]:
        return jnp.asarray(self.pi.log_shares)

    def log_reference(self) -> Float[Array, "*states"]:
        return jnp.asarray(self.pi.log_shares)

    def _spiked(self, spikes: list[jax.Array], log_weights: list[jax.Array | float]) -> Spiked:
        weights = jnp.stack([jnp.broadcast_to(weight, self.event.shape) for weight in log_weights], axis=-1)
        return Spiked(jnp.stack(spikes, axis=-1).astype(jnp.int32), qs.numerics.log_normalise(weights), self.pi)

    def equilibrium(self) -> Spiked:
        nothing = jnp.zeros(self.event.shape, jnp.int32)
        floor, zero = jnp.asarray(qs.numerics.FLOOR), jnp.zeros(())
        return self._spiked([nothing], [self.where_padding(zero, floor), self.where_padding(floor, zero)])

    def marginal(self, x: Int[Array, "*event"], t: Float[Array, ""]) -> Spiked:
        return self._spiked([x], [*self.survival(t)])

    def transition(self, z: Int[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> Spiked:
        return self._spiked([z], [*self.step_survival(s, t)])

    def posterior(self, x: Int[Array, "*event"], z: Int[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> Spiked:
        (kept, lost), (step_kept, step_lost) = self.survival(s), self.step_survival(s, t)
        redrawn = step_lost + self.pi.at(z)  # z_t came from pi
        from_data = jnp.where(x == z, kept, qs.numerics.FLOOR)
        stayed = step_kept + jnp.logaddexp(lost + self.pi.at(z), from_data)
        return self._spiked([x, z], [kept + redrawn, stayed, lost + redrawn])

    def _likelihoods(self, z: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """log q(z_t given x) for x = z_t, and for every other x."""
        kept, lost = self.survival(t)
        other = lost + self.pi.at(z)
        return jnp.logaddexp(kept, other), other

    def decode(self, params: Float[Array, "*params"], z: Int[Array, "*event"], t: Float[Array, ""]) -> qs.Finite:
        own, other = self._likelihoods(z, t)
        evidence = jnp.where(is_symbol(z, self.event.categories), (own - other)[..., None], 0.0)
        return qs.Finite(qs.numerics.log_normalise(self.log_reference() + params + evidence), self.event.dtype)

    def bridge(self, data: qs.AbstractDistribution, z: Int[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> qs.Finite:
        """`data` is a `qs.Finite`. Raises TypeError for another."""
        if not isinstance(data, qs.Finite):
            raise TypeError(f"UniformKernel.bridge: expected data as a Finite, got a {type(data).__name__}")
        (kept, lost), (step_kept, step_lost) = self.survival(s), self.step_survival(s, t)
        own, other = self._likelihoods(z, t)
        is_z = is_symbol(z, self.event.categories)
        # over all data p(x) / q(z_t given x): apart for x = z_t, whose likelihood is another
        of_own = at(data.log_probs, z) - own
        of_others = jax.nn.logsumexp(jnp.where(is_z, qs.numerics.FLOOR, data.log_probs), axis=-1) - other
        total = jnp.logaddexp(of_own, of_others)
        redrawn = step_lost + self.pi.at(z)
        from_data = data.log_probs - jnp.where(is_z, own[..., None], other[..., None]) + _last(kept + redrawn)
        from_pi = self.pi.log_shares + _last(lost + redrawn + total)
        stayed = step_kept + jnp.logaddexp(kept + of_own, lost + self.pi.at(z) + total)
        log_weights = jnp.logaddexp(from_data, from_pi)
        log_weights = jnp.where(is_z, jnp.logaddexp(log_weights, stayed[..., None]), log_weights)
        return qs.Finite(qs.numerics.log_normalise(log_weights))


def _last(values: jax.Array) -> jax.Array:
    return values[..., None]
