"""The absorbing kernel: symbols are masked one by one, and at t = 1 all of them are.

The mask is symbol n. A symbol that is seen is the data's, so only masked places cost, and the best network does not depend on
time: every question is about one symbol and the mask.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

import quasistatic as qs
from quasistatic_plugins.symbols import AbsorbingOptions
from quasistatic_plugins.symbols.kernels import AbstractSymbolKernel, at, certain, is_symbol, shares

Key = jax.Array


class AbstractBrief(qs.distributions.AbstractDiscrete, qs.distributions.AbstractIntegrable, qs.AbstractWithMean):
    """Independent elements with probabilities that need not be written out."""

    is_reparametrised: ClassVar[bool] = False

    @property
    @abstractmethod
    def finite(self) -> qs.Finite:
        """The same with all probabilities written out."""

    @abstractmethod
    def log_prob_each(self, z: Int[Array, "*event"]) -> Float[Array, "*event"]:
        """log-probability of each element, (*event), floored."""

    def values(self) -> jax.Array:
        return self.finite.values()

    def log_probabilities(self) -> jax.Array:
        return self.finite.log_probs

    def with_log_probabilities(self, log_probs: Float[Array, "*event values"]) -> qs.Finite:
        return qs.Finite(log_probs)

    def log_prob(self, x: Int[Array, "*event"]) -> Float[Array, ""]:
        return jnp.sum(self.log_prob_each(x))

    def kl(self, other: qs.AbstractDistribution, *, key: Key) -> Float[Array, ""]:
        return self.finite.kl(other.finite if isinstance(other, AbstractBrief) else other, key=key)

    def entropy(self, key: Key | None = None) -> Float[Array, ""]:
        return self.finite.entropy()

    def mean(self) -> jax.Array:
        """Probabilities of the symbols, and of the mask where there may be one, (*event, n or n + 1)."""
        return self.finite.mean()

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        return self.finite.nodes()


class Hidden(AbstractBrief):
    """Known symbols (*event), seen with these log-probabilities (*event), or else masked."""

    symbols: jax.Array
    log_seen: jax.Array
    log_hidden: jax.Array
    n: int = eqx.field(static=True)

    @property
    def finite(self) -> qs.Finite:
        seen = jnp.maximum(certain(self.symbols, self.n) + self.log_seen[..., None], qs.numerics.FLOOR)
        return qs.Finite(jnp.concatenate([seen, self.log_hidden[..., None]], axis=-1))

    def at(self, u: jax.Array) -> jax.Array:
        """The draw of uniform numbers (*event)."""
        # the rarer of the two is compared with its own probability: both tails keep full relative precision
        rarer = u < jnp.exp(jnp.minimum(self.log_seen, self.log_hidden))
        return jnp.where(rarer == (self.log_seen < self.log_hidden), self.symbols, self.n)

    def sample(self, key: Key) -> Int[Array, "*event"]:
        return self.at(qs.numerics.uniform(self.symbols.shape, key=key))

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        u = qs.numerics.uniform(self.symbols.shape, key=key)
        return self.at(u), self.at(1.0 - u)

    def log_prob_each(self, z: Int[Array, "*event"]) -> Float[Array, "*event"]:
        return jnp.where(z == self.n, self.log_hidden, jnp.where(z == self.symbols, self.log_seen, qs.numerics.FLOOR))

    def kl(self, other: qs.AbstractDistribution, *, key: Key) -> Float[Array, ""]:
        """Of two outcomes for each element there are two terms, however many symbols there are."""
        if not isinstance(other, AbstractBrief):
            return super().kl(other, key=key)
        mask = jnp.full_like(self.symbols, self.n)
        return _term(self.log_seen, other.log_prob_each(self.symbols)) + _term(self.log_hidden, other.log_prob_each(mask))


def _term(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    p = jnp.exp(log_p)
    return jnp.sum(jnp.where(p > 0, p * (log_p - log_q), 0.0))


@jax.custom_vjp
def _log_prob(log_weights: jax.Array, symbols: jax.Array) -> jax.Array:
    """log-probability of one symbol of each element, (*event), by log-weights (*event, n).

    Its derivative is written out, to be one array of n and not four.
    """
    return _log_prob_forward(log_weights, symbols)[0]


def _log_prob_forward(log_weights: jax.Array, symbols: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    total = jax.nn.logsumexp(log_weights, axis=-1)
    return at(log_weights, symbols) - total, (log_weights, total, symbols)


def _log_prob_backward(kept: tuple[jax.Array, ...], change: jax.Array) -> tuple[jax.Array, None]:
    log_weights, total, symbols = kept
    own = is_symbol(symbols, log_weights.shape[-1])
    return change[..., None] * (own - jnp.exp(log_weights - total[..., None])), None


_log_prob.defvjp(_log_prob_forward, _log_prob_backward)


class Decoded(AbstractBrief):
    """Data given z: what is seen is certain, what is masked has these log-weights (*event, n), not normalised.

    A symbol's log-probability needs no array of n but the log-weights: so training holds little else of a large vocabulary.
    """

    z: jax.Array
    log_weights: jax.Array
    dtype: str = eqx.field(static=True)

    @property
    def finite(self) -> qs.Finite:
        n = self.log_weights.shape[-1]
        is_masked = (self.z == n)[..., None]
        return qs.Finite(jnp.where(is_masked, qs.numerics.log_normalise(self.log_weights), certain(self.z, n)), self.dtype)

    def sample(self, key: Key) -> Int[Array, "*event"]:
        return self.finite.sample(key)

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        return self.finite.pair(key)

    def log_prob_each(self, z: Int[Array, "*event"]) -> Float[Array, "*event"]:
        n = self.log_weights.shape[-1]
        masked = _log_prob(self.log_weights, z)
        return jnp.where(self.z == n, jnp.maximum(masked, qs.numerics.FLOOR), jnp.where(z == self.z, 0.0, qs.numerics.FLOOR))


class Revealed(AbstractBrief):
    """A step back from z: what is masked becomes a symbol from `data` with a log-probability, or stays masked."""

    z: jax.Array
    data: qs.Finite | Decoded
    log_seen: jax.Array
    log_hidden: jax.Array

    @property
    def n(self) -> int:
        data = self.data
        return (data.log_weights if isinstance(data, Decoded) else data.log_probs).shape[-1]

    def _where_masked(self, masked: jax.Array, seen: jax.Array) -> jax.Array:
        return jnp.where((self.z == self.n).reshape(self.z.shape + (1,) * (masked.ndim - self.z.ndim)), masked, seen)

    @property
    def finite(self) -> qs.Finite:
        shown = self.data.log_probabilities() + self.log_seen[..., None]
        hidden = jnp.broadcast_to(self.log_hidden, self.z.shape)[..., None]
        masked = jnp.maximum(jnp.concatenate([shown, hidden], axis=-1), qs.numerics.FLOOR)
        return qs.Finite(self._where_masked(masked, certain(self.z, self.n + 1)))

    def log_prob_each(self, z: Int[Array, "*event"]) -> Float[Array, "*event"]:
        data, symbols = self.data, jnp.minimum(z, self.n - 1)
        shown = self.log_seen + (data.log_prob_each(symbols) if isinstance(data, Decoded) else at(data.log_probs, symbols))
        masked = jnp.where(z == self.n, self.log_hidden, jnp.maximum(shown, qs.numerics.FLOOR))
        return self._where_masked(masked, jnp.where(z == self.z, 0.0, qs.numerics.FLOOR))

    def sample(self, key: Key) -> Int[Array, "*event"]:
        key_seen, key_data = jr.split(key)
        return self._where_masked(self._hidden(self.data.sample(key_data)).sample(key_seen), self.z)

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        key_seen, key_data = jr.split(key)
        u = qs.numerics.uniform(self.z.shape, key=key_seen)
        one, other = (
            self._hidden(symbols).at(numbers) for symbols, numbers in zip(self.data.pair(key_data), (u, 1.0 - u), strict=True)
        )
        return self._where_masked(one, self.z), self._where_masked(other, self.z)

    def _hidden(self, symbols: jax.Array) -> Hidden:
        """What is masked, once its symbol is drawn."""
        log_seen, log_hidden = (jnp.broadcast_to(log_prob, self.z.shape) for log_prob in (self.log_seen, self.log_hidden))
        return Hidden(symbols.astype(jnp.int32), log_seen, log_hidden, self.n)


def build(options: AbsorbingOptions, event: qs.Categorical) -> "AbsorbingKernel":
    """With all symbols the same, until the data are measured."""
    return AbsorbingKernel(options, event, np.full(event.categories, -np.log(event.categories)))


class AbsorbingKernel(AbstractSymbolKernel, qs.AbstractJumping):
    """q(z_t given z_s) keeps a symbol with the survival of the step, and else masks it; zero params reverse `reference`.

    With `order = "last-first"` the times at which places are masked are sure, one after another from the end: the reversal writes
    an event from its beginning, and is an autoregressive model.

    Source: Austin et al. 2021, appendix A.2.2 and section 3.3; Sahoo et al. 2024.
    """

    options: AbsorbingOptions = eqx.field(static=True)
    event: qs.Categorical = eqx.field(static=True)
    log_shares: np.ndarray  # of the reference, (n,) or (*event, n)
    padding: jax.Array | None = None

    @property
    def schedule(self) -> qs.AbstractSchedule:
        return qs.make_schedule(self.options.schedule, self.options.first_noise)

    @property
    def is_reversible(self) -> bool:
        """A mask stays a mask."""
        return False

    @property
    def max_prior_nats(self) -> float:
        """Nothing survives."""
        return 0.0

    def measure(self, events: Callable[[Literal["train", "validation"]], Any]) -> dict[str, np.ndarray]:
        """The shares of the symbols at each element, smoothed by one event that has the shares of all elements together."""
        if self.options.reference == "uniform":
            return {}
        xs, n = np.asarray(events("train")), self.event.categories
        counts = np.stack([np.sum(xs == symbol, axis=0, dtype=np.int64) for symbol in range(n)], axis=-1)
        return {"shares": ((counts + shares(xs, n)) / (len(xs) + 1.0)).astype(np.float32)}

    def measured(self, arrays: Mapping[str, np.ndarray]) -> "AbsorbingKernel":
        if not arrays:
            return self
        return eqx.tree_at(lambda kernel: kernel.log_shares, self, np.log(arrays["shares"]))

    def log_matrix(self, s: Float[Array, ""] | None, t: Float[Array, ""]) -> Float[Array, "*states"]:
        n = self.event.categories
        kept, lost = (each[..., None, None] for each in (self.survival(t) if s is None else self.step_survival(s, t)))
        seen = jnp.where(jnp.eye(n) > 0, kept, qs.numerics.FLOOR)
        from_symbols = jnp.concatenate([seen, jnp.broadcast_to(lost, (*seen.shape[:-1], 1))], axis=-1)
        from_mask = jnp.broadcast_to(certain(jnp.asarray(n), n + 1), (*seen.shape[:-2], 1, n + 1))
        return from_symbols if s is None else jnp.concatenate([from_symbols, from_mask], axis=-2)

    def log_equilibrium(self) -> Float[Array, "*states"]:
        return certain(jnp.asarray(self.event.categories), self.event.categories + 1)

    def log_reference(self) -> Float[Array, "*states"]:
        return jnp.asarray(self.log_shares)

    @property
    def is_sequential(self) -> bool:
        return self.options.order == "last-first"

    def log_odds(self, t: Float[Array, ""]) -> Float[Array, "..."]:
        """Of all places together, (); or, one after another, of each (*event): it is masked in the middle of its turn."""
        if not self.is_sequential:
            return self.schedule.log_odds(t)
        there = jnp.ones(self.event.size) if self.padding is None else jnp.where(self.padding.reshape(-1) > 0.5, 0.0, 1.0)
        left = jnp.cumsum(there[::-1])  # how many there are from each place on, the last place first
        masked_at = (left - 0.5) / jnp.maximum(left[-1], 1.0)
        return jnp.where(t > masked_at, -jnp.inf, jnp.inf)[::-1].reshape(self.event.shape)

    def _hidden(self, symbols: jax.Array, log_seen: jax.Array, log_hidden: jax.Array) -> Hidden:
        seen, hidden = (jnp.broadcast_to(log_prob, self.event.shape) for log_prob in (log_seen, log_hidden))
        return Hidden(symbols.astype(jnp.int32), seen, hidden, self.event.categories)

    def equilibrium(self) -> Hidden:
        floor, zero = jnp.asarray(qs.numerics.FLOOR), jnp.zeros(())
        nothing = jnp.zeros(self.event.shape, jnp.int32)
        return self._hidden(nothing, self.where_padding(zero, floor), self.where_padding(floor, zero))

    def marginal(self, x: Int[Array, "*event"], t: Float[Array, ""]) -> Hidden:
        return self._hidden(x, *self.survival(t))

    def transition(self, z: Int[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> Hidden:
        log_kept, log_lost = self.step_survival(s, t)
        is_masked = z == self.event.categories
        return self._hidden(z, jnp.where(is_masked, qs.numerics.FLOOR, log_kept), jnp.where(is_masked, 0.0, log_lost))

    def _reveal(self, s: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """log-probability that what is masked at t was seen at s, and that it was not."""
        (kept, lost), (_, step_lost), (_, lost_late) = self.survival(s), self.step_survival(s, t), self.survival(t)
        # what cannot be masked by t was seen
        log_seen = jnp.where(lost_late > qs.numerics.FLOOR, kept + step_lost - lost_late, 0.0)
        log_hidden = jnp.where(lost_late > qs.numerics.FLOOR, lost - lost_late, qs.numerics.FLOOR)
        return jnp.maximum(log_seen, qs.numerics.FLOOR), jnp.maximum(log_hidden, qs.numerics.FLOOR)

    def posterior(self, x: Int[Array, "*event"], z: Int[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> Hidden:
        log_seen, log_hidden = self._reveal(s, t)
        is_masked = z == self.event.categories
        return self._hidden(
            jnp.where(is_masked, x, z), jnp.where(is_masked, log_seen, 0.0), jnp.where(is_masked, log_hidden, qs.numerics.FLOOR)
        )

    @property
    def most_jumps(self) -> int:
        """Every place is masked once."""
        return self.event.size

    def jumps(self, x: Int[Array, "*event"], times: Float[Array, " T"], *, key: Key) -> qs.Jumps:
        """When each place is masked says all; those that share a step share a jump."""
        n, flat = self.event.categories, x.reshape(-1)
        log_lost = jax.vmap(lambda t: self.survival(t)[1])(times).reshape(len(times), -1)
        log_u = jnp.log(qs.numerics.uniform(flat.shape, key=key))
        step = jnp.sum(log_lost < log_u, axis=0)  # the first time at which a place is masked; T for a place of the padding
        before, after = (jnp.where(step <= at[:, None], n, flat).reshape(-1, *x.shape) for at in (step - 1, step))
        is_first = jnp.all(jnp.tril(step[:, None] == step, -1) == 0, axis=1)
        return qs.Jumps(jnp.minimum(step, len(times) - 1), before, after, is_first & (step < len(times)))

    def decode(self, params: Float[Array, "*params"], z: Int[Array, "*event"], t: Float[Array, ""]) -> Decoded:
        return Decoded(z, self.log_reference() + params, self.event.dtype)

    def bridge(self, data: qs.AbstractDistribution, z: Int[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> Revealed:
        """`data` is a `qs.Finite`, or what `decode` gives. Raises TypeError for another."""
        if not isinstance(data, qs.Finite | Decoded):
            raise TypeError(f"AbsorbingKernel.bridge: expected data as a Finite, got a {type(data).__name__}")
        return Revealed(z, data, *self._reveal(s, t))
