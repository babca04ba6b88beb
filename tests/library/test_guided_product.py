"""Which distribution guided samples have, beside the product that guidance stands for, and particles that draw from it."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.conditioning import ParticlesOptions
from quasistatic_plugins.conditioning.guiding import distances
from quasistatic_plugins.conditioning.particles import Particles
from quasistatic_plugins.gaussian.kernel import LIMIT
from quasistatic_plugins.gaussian.mixture import NormalMixture

STEPS, BINS = 100, 20


def mixture(weights: list[float], means: list[float], deviations: list[float]) -> NormalMixture:
    columns = (jnp.asarray(values)[:, None] for values in (means, deviations))
    means_of, deviations_of = columns
    return NormalMixture(jnp.log(jnp.asarray(weights)), means_of, None, deviations_of**2, (1,))


CLASS = mixture([0.5, 0.5], [-1.0, 0.7], [0.3, 0.4])
ALL = mixture([0.25, 0.25, 0.5], [-1.0, 0.7, 0.2], [0.3, 0.4, 0.5])  # the class, and another as often


class Known(qs.AbstractModel):
    """The exact mean and variance of data given z_t, of a class and of all."""

    kernel: Any

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        z, level = features[..., 0], self.kernel._level(t)
        loc, variance = self.kernel._denoised(z, t)
        (one, spread), (other, spreads) = (data.denoised(z, *level) for data in (CLASS, ALL))
        mean, wanted = jnp.where(side.present, one, other), jnp.where(side.present, spread, spreads)
        ratio = jnp.log(wanted / variance) / LIMIT
        return jnp.stack([mean - loc, LIMIT * jnp.arctanh(jnp.clip(ratio, -0.999, 0.999))], axis=-1)


def two_classes() -> qs.Diffusion:
    kernel = qs.make("kernel", "gaussian", qs.Real((1,)), mean="data")
    return qs.Diffusion(kernel, Known(kernel), STEPS, side=qs.Side.absent(qs.Categorical((), 2))).given(jnp.asarray(0))


GRID = np.linspace(-4.0, 4.0, 40_001)


def product_on_grid(weight: float) -> np.ndarray:
    """The product of powers, not normalised."""

    def log_product(x: jax.Array) -> jax.Array:
        return (1 + weight) * CLASS.log_prob(x) - weight * ALL.log_prob(x)

    return np.exp(np.asarray(jax.vmap(log_product)(jnp.asarray(GRID)[:, None]), np.float64))


def product_bins(weight: float) -> np.ndarray:
    """Ends of BINS bins, each with the same share of the product of powers."""
    reached = np.cumsum(product_on_grid(weight))
    return np.interp(np.arange(1, BINS) / BINS, reached / reached[-1], GRID)


@eqx.filter_jit
def systems_of(pair: qs.Diffusion, particles: int, keys: jax.Array) -> Any:
    return jax.lax.map(
        lambda key: qs.trajectory.posterior(Particles(ParticlesOptions(particles)), pair, pair.times(), key=key)[0], keys
    )


def divergence(shares: np.ndarray) -> tuple[float, float]:
    """KL of binned samples, by independent rows (S, BINS), to even bins, less its mean under no difference; and its error."""
    mean, spread = shares.mean(axis=0), shares.var(axis=0, ddof=1) / len(shares) * BINS
    there = mean > 0
    log_ratio = np.where(there, np.log(np.where(there, mean, 1.0) * BINS), 0.0)
    value = float((mean * log_ratio).sum() - 0.5 * spread.sum())
    slope = (shares @ log_ratio).std(ddof=1) / math.sqrt(len(shares))
    return value, math.hypot(float(slope), math.sqrt(0.5 * float((spread**2).sum())))


def binned(xs: np.ndarray, weights: np.ndarray, weight: float) -> np.ndarray:
    """Shares (S, BINS) of weighted rows (S, P)."""
    numbers = np.searchsorted(product_bins(weight), xs)
    return np.stack([np.bincount(row, own, BINS) for row, own in zip(numbers, weights, strict=True)])


def guided_and_repaired(weight: float, systems: int, particles: int = 256) -> tuple[tuple[float, float], tuple[float, float], Any]:
    pair = two_classes().guided(jnp.asarray(weight))
    draws = systems * particles
    xs = qs.sample(pair, draws, key=jr.key(1)).reshape(systems, particles)
    plain = divergence(binned(xs, np.full(xs.shape, 1.0 / particles), weight))
    found = systems_of(pair, particles, jr.split(jr.key(2), systems))
    repaired = divergence(binned(np.asarray(found.x)[..., 0], np.exp(np.asarray(found.log_weights, np.float64)), weight))
    return plain, repaired, found


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0, 4.0])
def test_guided_samples_are_off_the_product_and_particles_are_not(weight: float) -> None:
    """Two classes whose densities are known: the divergence grows with the weight, and 256 particles leave nothing of it."""
    (plain, error), (repaired, left), found = guided_and_repaired(weight, 48)
    print(f"w = {weight:g}: guided {plain:.4f} +- {error:.4f}, repaired {repaired:.5f} +- {left:.5f} nats")
    assert abs(repaired) < max(2.0 * left, 2e-3)
    assert plain > 5.0 * error if weight > 0 else abs(plain) < 3.0 * error + 1e-3
    evidence = product_on_grid(weight).sum() * (GRID[1] - GRID[0])
    evidences = np.exp(np.asarray(found.log_evidence, np.float64))
    off = evidences.mean() / evidence - 1.0
    assert abs(off) < 4.0 * evidences.std() / evidences.mean() / math.sqrt(len(evidences)) + 0.02


class Table(qs.AbstractModel):
    """Of one symbol: its log-shares with a class, and without, in units of the reference."""

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        return jnp.where(side.present, jnp.log(4.0 * SHARES[0]), jnp.log(4.0 * SHARES.mean(axis=0)))[None]


SHARES = jnp.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])


@pytest.mark.parametrize("name", ["uniform", "absorbing", "binomial"])
def test_particles_draw_from_the_product_for_symbols_and_bits_too(name: str) -> None:
    """Of one symbol the guided chain is exact, at any number of steps: a likelihood has the power 1 + w - w."""
    bits = name == "binomial"
    event: Any = qs.Binary((1,)) if bits else qs.Categorical((1,), 4)
    kernel = qs.make("kernel", name, event, **({"reference": "uniform"} if name == "absorbing" else {}))
    shares = np.array([[0.8, 0.2], [0.4, 0.6]]) if bits else np.asarray(SHARES)

    class Bit(qs.AbstractModel):
        def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
            odds = [np.log(each[1] / each[0]) for each in (shares[0], shares.mean(axis=0))]
            return jnp.where(side.present, odds[0], odds[1])[None, None]

    pair = qs.Diffusion(kernel, Bit() if bits else Table(), 4, side=qs.Side.absent(qs.Categorical((), 2))).given(jnp.asarray(0))
    guided = pair.guided(jnp.asarray(3.0))
    (found,) = distances(pair, [3.0], particles=512, systems=8, steps=None, key=jr.key(0))
    product = shares[0] ** 4 / shares.mean(axis=0) ** 3
    assert found.exact == pytest.approx(0.0, abs=1e-5)
    assert found.log_evidence == pytest.approx(math.log(product.sum()), abs=5.0 * found.log_evidence_standard_error + 1e-3)
    law = np.exp(qs.oracles.log_likelihood(guided, np.asarray(kernel.reference().nodes()[0])))  # type: ignore[union-attr]
    np.testing.assert_allclose(law, product / product.sum(), atol=1e-5)
    np.testing.assert_allclose(shares_of(guided, len(product)), product / product.sum(), atol=0.015)


def shares_of(guided: qs.Diffusion, count: int) -> np.ndarray:
    """Of each word, read as a number, among the particles of 40 systems."""
    systems = systems_of(guided, 512, jr.split(jr.key(3), 40))
    weights = np.exp(np.asarray(systems.log_weights, np.float64))
    numbers = np.asarray(systems.x, np.int64) @ count ** np.arange(systems.x.shape[-1])[::-1]
    return np.array([weights[numbers == word].sum() for word in range(count ** systems.x.shape[-1])]) / len(weights)


WORDS = np.random.default_rng(0).dirichlet(np.full(9, 0.7), size=2).reshape(2, 3, 3)


class Reader(qs.AbstractModel):
    """The first of two symbols by its shares, the second by those that follow the first: of the class, or of all."""

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        words = jnp.where(side.present, WORDS[0], WORDS.mean(axis=0))
        first, after = features[0, 0], words / words.sum(axis=1, keepdims=True)
        return jnp.log(jnp.stack([words.sum(axis=1), after[jnp.minimum(first, 2)]]))


def test_two_symbols_that_depend_on_each_other_are_guided_wrongly_and_repaired() -> None:
    """One after another, so that the chain of two steps is exact: the first symbol is drawn before what the second will weigh."""
    kernel = qs.make("kernel", "absorbing", qs.Categorical((2,), 3), reference="uniform", order="last-first")
    pair = qs.Diffusion(kernel, Reader(), 2, side=qs.Side.absent(qs.Categorical((), 2))).given(jnp.asarray(0))
    (found,) = distances(pair, [2.0], particles=512, systems=16, steps=None, key=jr.key(0))
    product = (WORDS[0] ** 3 / WORDS.mean(axis=0) ** 2).reshape(-1)
    one, every = WORDS[0], WORDS.mean(axis=0)
    firsts = one.sum(axis=1) ** 3 / every.sum(axis=1) ** 2
    seconds = (one / one.sum(axis=1, keepdims=True)) ** 3 / (every / every.sum(axis=1, keepdims=True)) ** 2
    law = ((firsts / firsts.sum())[:, None] * seconds / seconds.sum(axis=1, keepdims=True)).reshape(-1)
    exact = float(np.sum(law * np.log(law / (product / product.sum()))))
    assert exact > 0.02 and found.exact == pytest.approx(exact, abs=1e-4)
    assert found.path == pytest.approx(exact, abs=4.0 * found.path_standard_error + 1e-3)  # a word has one path
    assert found.log_evidence == pytest.approx(math.log(product.sum()), abs=4.0 * found.log_evidence_standard_error + 1e-3)
    np.testing.assert_allclose(shares_of(pair.guided(jnp.asarray(2.0)), 3), product / product.sum(), atol=0.02)


def test_an_interval_has_no_product() -> None:
    pair = two_classes().guided(1.0, interval=(-1.0, 1.0))
    with pytest.raises(TypeError, match="on an interval of the log-SNR draws from no product"):
        qs.sample(pair, 2, key=jr.key(0), sampler=Particles(ParticlesOptions(4)))


def test_the_factors_of_a_pair_are_itself_or_two_powers() -> None:
    pair = two_classes()
    ((own, power),) = pair.factors
    assert own is pair and power == 1.0
    (one, up), (other, down) = pair.guided(jnp.asarray(1.5)).factors
    z, t = jnp.array([0.3]), jnp.asarray(0.4)
    assert (float(up), float(down)) == (2.5, -1.5)
    np.testing.assert_allclose(one.params(z, t), pair.params(z, t))
    np.testing.assert_allclose(other.params(z, t), pair.given(jnp.asarray(0), False).params(z, t))
