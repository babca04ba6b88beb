"""Independent bits: with the probability that a step loses, a bit is redrawn from a coin of the base rate.

Everything is a sum of log-odds. The data bit x survives to time t with the survival of the schedule, so
q(z_t = 1 given x) = survival * x + (1 - survival) * rate: linear in the survival, not in its root.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

import quasistatic as qs
from quasistatic_plugins.binomial import BinomialOptions

Key = jax.Array
MOST = 80.0  # log-odds whose exponential float32 still holds, with room for a factor


class Bernoulli(qs.distributions.AbstractDiscrete, qs.distributions.AbstractIntegrable, qs.AbstractWithMean):
    """Independent bits with log-odds `logits`; events are 0. and 1. as floats.

    Where these are a few numbers that other bits choose among, what depends on them is computed for these few: `each` has two for
    every one of the `bits`, each[x], or each[x, z].
    """

    logits: jax.Array
    each: jax.Array | None = None
    bits: tuple[jax.Array, ...] = ()
    is_reparametrised: ClassVar[bool] = False

    @classmethod
    def of_bits(cls, each: jax.Array, *bits: jax.Array) -> Bernoulli:
        """Log-odds each[x] or each[x, z], chosen by bits (*event) without a gradient to these."""
        return cls(_chosen(each, *bits), each, bits)

    def values(self) -> jax.Array:
        return jnp.arange(2.0).astype(self.logits.dtype)

    def log_probabilities(self) -> jax.Array:
        return jnp.stack([jax.nn.log_sigmoid(-self.logits), jax.nn.log_sigmoid(self.logits)], axis=-1)

    def with_log_probabilities(self, log_probs: Float[Array, "*event values"]) -> Bernoulli:
        return Bernoulli(log_probs[..., 1] - log_probs[..., 0])

    def _of(self, function: Callable[[jax.Array], Any]) -> Any:
        """A function, or several, of the log-odds of each bit."""
        if self.each is None:
            return function(self.logits)
        return jax.tree.map(lambda found: _chosen(found, *self.bits), function(self.each))

    def _at(self, u: jax.Array) -> jax.Array:
        # the rarer value is compared with its own probability: both tails keep full relative precision
        rarer = u < self._of(lambda logits: jax.nn.sigmoid(-jnp.abs(logits)))
        return jnp.where(rarer == (self.logits < 0), 1.0, 0.0)

    def sample(self, key: Key) -> Shaped[Array, "*event"]:
        return self._at(qs.numerics.uniform(self.logits.shape, key=key))

    def pair(self, key: Key) -> tuple[jax.Array, jax.Array]:
        u = qs.numerics.uniform(self.logits.shape, key=key)
        return self._at(u), self._at(1.0 - u)

    def log_prob(self, x: Shaped[Array, "*event"]) -> Float[Array, ""]:
        return -jnp.sum(jnp.logaddexp(0.0, jnp.where(x > 0.5, -self.logits, self.logits)))

    def kl(self, other: qs.AbstractDistribution, *, key: Key) -> Float[Array, ""]:
        if not isinstance(other, Bernoulli):
            return super().kl(other, key=key)
        p, (zero, one), (other_zero, other_one) = self.mean(), self._of(_surprises), other._of(_surprises)
        return jnp.sum(p * (other_one - one) + (1.0 - p) * (other_zero - zero))

    def entropy(self, key: Key | None = None) -> Float[Array, ""]:
        p, (zero, one) = self.mean(), self._of(_surprises)
        return jnp.sum(p * one + (1.0 - p) * zero)

    def mean(self) -> jax.Array:
        return self._of(jax.nn.sigmoid)

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        """All bit patterns."""
        states, weights = qs.Finite(self.log_probabilities()).nodes()
        return states.astype(self.logits.dtype), weights


def _chosen(each: jax.Array, *bits: jax.Array) -> jax.Array:
    if not bits:
        return each
    first, *rest = bits
    return jnp.where(first > 0.5, _chosen(each[1], *rest), _chosen(each[0], *rest))


def _surprises(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """-log p(0) and -log p(1), small ones to full precision, from one exponential and one logarithm."""
    small = jnp.log1p(jnp.exp(-jnp.abs(logits)))
    return jnp.maximum(logits, 0.0) + small, jnp.maximum(-logits, 0.0) + small


class BinomialKernel(qs.FiniteKernel):
    """Closed forms in log-odds; the matrices of `FiniteKernel` say the same and are what the laws compare with.

    Source: Sohl-Dickstein et al. 2015, Table App.1, for any base rate r: q(z_t given z_s) redraws a bit from B(r).
    """

    options: BinomialOptions = eqx.field(static=True)
    event: qs.Binary = eqx.field(static=True)
    is_exact_at_zero: ClassVar[bool] = True

    @property
    def schedule(self) -> qs.AbstractSchedule:
        options = self.options
        return qs.make_schedule(options.schedule, options.first_noise, options.last_survival)

    @property
    def max_prior_nats(self) -> float:
        """For the bit that is rarer at equilibrium: its own chance is raised most."""
        kept, rare = self.schedule.last_survival, min(self.options.base_rate, 1.0 - self.options.base_rate)
        return math.log1p(kept * (1.0 - rare) / rare)

    @property
    def base_logit(self) -> float:
        """Log-odds of the coin."""
        return math.log(self.options.base_rate) - math.log1p(-self.options.base_rate)

    def times(self, steps: int) -> np.ndarray:
        return self.schedule.times(steps)

    def zero_params(self) -> Float[Array, "*params"]:
        """One log-weight for each bit, (*event, 1)."""
        return jnp.zeros((*self.event.shape, 1))

    def _evidence(self, log_odds: jax.Array) -> Float[Array, " bit"]:
        """log q(bit given 1) - log q(bit given 0) of a bit 0 and of a bit 1, when the earlier bit survives with these log-odds."""
        rate = self.options.base_rate
        zero = jnp.logaddexp(0.0, log_odds - math.log1p(-rate))
        return jnp.stack([-zero, jnp.logaddexp(0.0, log_odds - math.log(rate))])

    def _step(self, s: jax.Array, t: jax.Array) -> jax.Array:
        """Log-odds of surviving from s to t."""
        ratio = qs.log_survival(self.schedule.log_odds(t)) - qs.log_survival(self.schedule.log_odds(s))
        return ratio - jnp.log(-jnp.expm1(ratio))

    def _coins(self, logits: jax.Array | float) -> Bernoulli:
        return Bernoulli(jnp.broadcast_to(jnp.asarray(logits, jnp.result_type(float)), self.event.shape))

    def equilibrium(self) -> Bernoulli:
        return self._coins(self.base_logit)

    def reference(self) -> Bernoulli:
        return self.equilibrium()

    def marginal(self, x: Shaped[Array, "*event"], t: Float[Array, ""]) -> Bernoulli:
        return Bernoulli.of_bits(self.base_logit + self._evidence(self.schedule.log_odds(t)), x)

    def transition(self, z: Shaped[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]) -> Bernoulli:
        return Bernoulli.of_bits(self.base_logit + self._evidence(self._step(s, t)), z)

    def posterior(
        self, x: Shaped[Array, "*event"], z: Shaped[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]
    ) -> Bernoulli:
        return Bernoulli.of_bits(self._earlier(s, t), x, z)

    def _earlier(self, s: jax.Array, t: jax.Array) -> Float[Array, "data bit"]:
        """Log-odds of z_s for data 0 and 1, where z_t is 0 and where it is 1."""
        return self.base_logit + self._evidence(self.schedule.log_odds(s))[:, None] + self._evidence(self._step(s, t))

    def decode(self, params: Float[Array, "*params"], z: Shaped[Array, "*event"], t: Float[Array, ""]) -> Bernoulli:
        return Bernoulli(self.base_logit + _chosen(self._evidence(self.schedule.log_odds(t)), z) + self._one(params, z))

    def bridge(
        self, data: qs.AbstractDistribution, z: Shaped[Array, "*event"], s: Float[Array, ""], t: Float[Array, ""]
    ) -> Bernoulli:
        """`data` are `Bernoulli` bits, or a `qs.Finite` over 0 and 1. Raises TypeError for another."""
        if isinstance(data, qs.Finite):
            data = Bernoulli(data.log_probs[..., 1] - data.log_probs[..., 0])
        if not isinstance(data, Bernoulli):
            raise TypeError(f"BinomialKernel.bridge: expected data as bits, got a {type(data).__name__}")
        # given z and the times an earlier bit has one of two probabilities, that of data 1 and that of data 0: of all bits there
        # are four of them, and what is left for each bit is one exponential and one logarithm. Sums of positive terms: nothing
        # cancels. Odds of the data beyond MOST are as good as certain: the steps of no schedule are that unlikely.
        odds = jnp.exp(jnp.clip(data.logits, -MOST, MOST))
        earlier = self._earlier(s, t)
        (zero, one), (not_zero, not_one) = ([_chosen(of, z) for of in jax.nn.sigmoid(logits)] for logits in (earlier, -earlier))
        return Bernoulli(jnp.log((odds * one + zero) / (odds * not_one + not_zero)))

    def encode(self, z: Shaped[Array, "*event"], t: Float[Array, ""]) -> Float[Array, "*features"]:
        if self.options.features == "bits":
            return (2.0 * z - 1.0)[..., None]
        return _chosen(self._evidence(self.schedule.log_odds(t)), z)[..., None]

    def _one(self, params: jax.Array, z: jax.Array) -> jax.Array:
        """Log-weight of a 1 against a 0 that the params add."""
        logit = params[..., 0]
        return logit if self.options.predict == "data" else logit * (1.0 - 2.0 * z)

    def tilt(self, params: Float[Array, "*params"], z: Shaped[Array, "*event"]) -> Float[Array, "*event values"]:
        one = self._one(params, z)
        return jnp.stack([jnp.zeros_like(one), one], axis=-1)

    def log_matrix(self, s: Float[Array, ""] | None, t: Float[Array, ""]) -> Float[Array, "*states"]:
        log_odds = self.schedule.log_odds(t) if s is None else self._step(s, t)
        coin = jnp.exp(self.log_equilibrium())
        kept, redrawn = jnp.exp(qs.log_survival(log_odds)), jnp.exp(qs.log_noise(log_odds))
        return qs.numerics.floored_log(kept * jnp.eye(2) + redrawn * coin)

    def log_equilibrium(self) -> Float[Array, "*states"]:
        return jnp.log(jnp.asarray([1.0 - self.options.base_rate, self.options.base_rate]))

    def log_reference(self) -> Float[Array, "*states"]:
        return self.log_equilibrium()
