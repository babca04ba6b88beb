"""Photon thinning: every photon survives a step with a probability, and dark counts come in.

Counts x thinned to survival a are Binomial(x, a) + Poisson((1 - a) dark); two such steps are one, so this is a semigroup in real
time, reversible with respect to Poisson(dark). Counts are never truncated; probabilities are finite sums over the survivors.
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.special import gammaln, xlog1py, xlogy

import quasistatic as qs
from quasistatic_thinning import ThinningOptions

Key = jax.Array
MOST_DARK = 1e4  # dark counts that a network can ask for: of many more float32 has neither the draws nor the log-probability


def log_binomial(k: jax.Array, n: jax.Array, p: jax.Array) -> jax.Array:
    """log of the binomial probability, floored where k > n."""
    inside = jnp.minimum(k, n)
    log_choose = gammaln(n + 1.0) - gammaln(inside + 1.0) - gammaln(n - inside + 1.0)
    return jnp.where(k <= n, log_choose + xlogy(inside, p) + xlog1py(n - inside, -p), -1e30)


def log_poisson(k: jax.Array, mean: jax.Array) -> jax.Array:
    """log of the Poisson probability, floored where k < 0."""
    inside = jnp.maximum(k, 0.0)
    return jnp.where(k >= 0, xlogy(inside, mean) - mean - gammaln(inside + 1.0), -1e30)


def log_survivors(n: jax.Array, total: jax.Array, p: jax.Array, mean: jax.Array, most: int) -> jax.Array:
    """log P(k of n survived and the total is so much) for k = 0 .. most, a last axis."""
    k = jnp.arange(most + 1.0)
    n, total, p, mean = (jnp.asarray(value)[..., None] for value in (n, total, p, mean))
    return log_binomial(k, n, p) + log_poisson(total - k, mean)


class Thinned(qs.AbstractWithMean):
    """Binomial(n, p) + Poisson(mean), elements independent."""

    n: jax.Array
    p: jax.Array
    rate: jax.Array
    most: int = eqx.field(static=True)
    is_reparametrised: ClassVar[bool] = False

    def sample(self, key: Key) -> jax.Array:
        key_kept, key_dark = jr.split(key)
        return jr.binomial(key_kept, self.n, self.p) + jr.poisson(key_dark, self.rate).astype(self.n.dtype)

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jnp.sum(jax.nn.logsumexp(log_survivors(self.n, x, self.p, self.rate, self.most), axis=-1))

    def mean(self) -> jax.Array:
        return self.n * self.p + self.rate


class ThinnedBridge(qs.AbstractDistribution):
    """The count at s given data x and the count z at t: photons of x and dark counts, each with its own fate."""

    arrive: Thinned  # from x at s
    x: jax.Array
    z: jax.Array
    keep: jax.Array  # survival s -> t
    survive: jax.Array  # survival to t
    dark: float = eqx.field(static=True)
    is_reparametrised: ClassVar[bool] = False

    def log_prob(self, z_s: jax.Array) -> jax.Array:
        most = self.arrive.most
        keep, survive = (jnp.broadcast_to(value, self.z.shape) for value in (self.keep, self.survive))
        step = Thinned(z_s, keep, (1.0 - keep) * self.dark, most)
        whole = Thinned(self.x, survive, (1.0 - survive) * self.dark, most)
        return self.arrive.log_prob(z_s) + step.log_prob(self.z) - whole.log_prob(self.z)

    def sample(self, key: Key) -> jax.Array:
        key_who, key_lost, key_dark, key_gone = jr.split(key, 4)
        survive, keep = self.survive, self.keep
        early = survive / keep
        weights = log_survivors(
            self.x, self.z, jnp.broadcast_to(survive, self.z.shape), jnp.broadcast_to((1.0 - survive) * self.dark, self.z.shape),
            self.arrive.most,
        )  # fmt: skip
        chances = jnp.cumsum(jax.nn.softmax(weights, axis=-1), axis=-1)[..., :-1]
        photons = jnp.sum(qs.numerics.uniform(self.z.shape, key=key_who)[..., None] >= chances, axis=-1).astype(self.z.dtype)
        lost = jr.binomial(key_lost, jnp.maximum(self.x - photons, 0.0), (early - survive) / (1.0 - survive))
        dark = jr.binomial(key_dark, self.z - photons, (1.0 - early) * keep / (1.0 - survive))
        gone = jr.poisson(key_gone, (1.0 - early) * (1.0 - keep) * self.dark, self.z.shape)
        return photons + lost + dark + gone.astype(self.z.dtype)


class ThinningKernel(qs.AbstractKernel):
    """Two params per element bend the exact reversal of Poisson(dark): log-odds of keeping a photon, and log-rate of new ones."""

    options: ThinningOptions = eqx.field(static=True)
    event: qs.Counts = eqx.field(static=True)
    is_exact_at_zero: ClassVar[bool] = True

    def times(self, steps: int) -> np.ndarray:
        return qs.make_schedule(self.options.schedule).times(steps)

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2))

    def _log_survival(self, t: jax.Array) -> jax.Array:
        # at t = 1 nothing survives; what float32 can tell from nothing keeps gradients finite
        return jnp.maximum(qs.log_survival(qs.make_schedule(self.options.schedule).log_odds(t)), -60.0)

    def _thin(self, n: jax.Array, log_keep: jax.Array) -> Thinned:
        keep = jnp.broadcast_to(jnp.exp(log_keep), n.shape)
        rate = jnp.broadcast_to(-jnp.expm1(log_keep) * self.options.dark, n.shape)
        return Thinned(n, keep, rate, self.options.most)

    def _bent(self, params: jax.Array, n: jax.Array, log_keep: jax.Array) -> Thinned:
        plain = self._thin(n, log_keep)
        logit = log_keep - jnp.log(-jnp.expm1(log_keep))
        # bounded, as the logarithm of 0 has no gradient, and neither has infinity
        keep = jnp.clip(jax.nn.sigmoid(logit + params[..., 0]), 1e-30, 1.0 - 1e-6)
        rate = jnp.minimum(plain.rate * jnp.exp(jnp.clip(params[..., 1], -40.0, 40.0)), MOST_DARK)
        return Thinned(n, keep, rate, plain.most)

    def equilibrium(self) -> Thinned:
        return self._thin(jnp.zeros(self.event.shape), jnp.asarray(-jnp.inf))

    def reference(self) -> Thinned:
        return self.equilibrium()

    def marginal(self, x: jax.Array, t: jax.Array) -> Thinned:
        return self._thin(x, self._log_survival(t))

    def transition(self, z: jax.Array, s: jax.Array, t: jax.Array) -> Thinned:
        return self._thin(z, self._log_survival(t) - self._log_survival(s))

    def posterior(self, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> ThinnedBridge:
        late = self._log_survival(t)
        keep = late - self._log_survival(s)
        return ThinnedBridge(self.marginal(x, s), x, z, jnp.exp(keep), jnp.exp(late), self.options.dark)

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> Thinned:
        return self._bent(params, z, self._log_survival(t))

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Thinned:
        return self._bent(params, z, self._log_survival(t) - self._log_survival(s))

    def encode(self, z: jax.Array, t: jax.Array) -> jax.Array:
        return jnp.stack([jnp.log1p(z), jnp.minimum(z, 1.0)], axis=-1)
