"""The oracles against the sampled pieces of the library, against Bayes' rule by hand, and their messages."""

from __future__ import annotations

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles, trajectory
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import Eq65Kernel, GaussianKernel
from quasistatic_plugins.gaussian.oracle import AffineDenoiser, GaussianData, affine_chain, log_weight_distribution

pytestmark = pytest.mark.usefixtures("x64")

XS = np.array(list(itertools.product((0.0, 1.0), repeat=2)))
WEIGHTS = np.array([0.5, 0.1, 0.1, 0.3])


def pair_of_bits(predict: str = "data", weights: np.ndarray = WEIGHTS, first_step: str = "learned") -> qs.Diffusion:
    kernel = BinomialKernel(BinomialOptions(base_rate=0.3, predict=predict), qs.Binary((2,)))  # type: ignore[arg-type]
    return qs.Diffusion(kernel, oracles.ExactDecoder(kernel, XS, weights), 3, first_step)  # type: ignore[arg-type]


def line() -> tuple[qs.Diffusion, GaussianData]:
    kernel = GaussianKernel(GaussianOptions(variance="forward"), qs.Real((1,)))
    data = GaussianData([1.0], [[0.25]])
    return qs.Diffusion(kernel, data.model(kernel), 5), data


def test_sampled_ledger_agrees() -> None:
    """A binomial ledger drawn at random finds every term of the exact one."""
    diffusion = pair_of_bits()
    exact = oracles.exact_ledger(diffusion, XS, WEIGHTS)
    counts = np.round(WEIGHTS * 4000).astype(int)
    drawn = qs.ledger(diffusion, np.repeat(XS, counts, axis=0), key=jr.key(0))
    values = [drawn.bound, drawn.first, *drawn.gaps]
    for value, truth in zip(values, [exact.bound, exact.first, *exact.gaps], strict=True):
        assert abs(value.value - truth) < 5 * value.standard_error
    assert drawn.prior.value == pytest.approx(exact.prior, abs=1e-10)


def test_gaussian_ledger_agrees() -> None:
    diffusion, data = line()
    nodes, weights = data.nodes()
    exact = oracles.exact_ledger(diffusion, nodes, weights)
    drawn = qs.ledger(diffusion, np.repeat(nodes, 2000, axis=0), key=jr.key(1))
    assert abs(drawn.bound.value - exact.bound) < 5 * drawn.bound.standard_error
    assert drawn.prior.value == pytest.approx(exact.prior, abs=1e-10)


@pytest.mark.parametrize("first_step", ["learned", "paper"])
def test_log_weight_of_every_path(first_step: str) -> None:
    """`trajectory.log_weight`, a sum of comparisons with the posterior, is log p - log q of whole paths."""
    diffusion = pair_of_bits(first_step=first_step)
    times = diffusion.times()
    paths = jnp.asarray(list(itertools.product(XS, repeat=3)))
    for x in XS:
        found = oracles.path_distribution(diffusion, x)
        weights = eqx.filter_jit(
            lambda x: jax.vmap(lambda zs: trajectory.log_weight(diffusion, trajectory.Path(x, zs), times).sum())(paths)
        )(jnp.asarray(x))
        np.testing.assert_allclose(found.log_p - found.log_q, weights, rtol=0, atol=1e-10)
        assert np.exp(found.log_q).sum() == pytest.approx(1.0, abs=1e-12)
        # the second cumulant expansion: half the variance is nearly what the bound lacks
        missing = math.log(found.moment(1)) - found.bound
        assert 0 < missing < found.variance


def test_log_weight_of_normal_paths() -> None:
    diffusion, _ = line()
    times = diffusion.times()
    x = jnp.array([1.5])
    found = log_weight_distribution(affine_chain(diffusion), diffusion.kernel.schedule.log_odds(times), np.array(x))

    @eqx.filter_jit
    @jax.vmap
    def weight(key: jax.Array) -> jax.Array:
        return trajectory.log_weight(diffusion, trajectory.forward(diffusion.kernel, x, times, key=key), times).sum()

    weights = np.asarray(weight(jr.split(jr.key(2), 20_000)))
    assert abs(weights.mean() - found.bound) < 5 * weights.std() / math.sqrt(len(weights))
    assert weights.var() == pytest.approx(found.variance, rel=0.1)

    @eqx.filter_jit
    def weight_of_mean_path() -> jax.Array:
        centre = jax.vmap(lambda t: diffusion.kernel.marginal(x, t).mean())(times)
        return trajectory.log_weight(diffusion, trajectory.Path(x, centre), times).sum()

    assert float(weight_of_mean_path()) == pytest.approx(found.offset, abs=1e-8)


@pytest.mark.parametrize("predict", ["data", "flips"])
def test_decoder_is_bayes_rule(predict: str) -> None:
    diffusion = pair_of_bits(predict)

    @eqx.filter_jit
    def mean(z: jax.Array, t: jax.Array) -> jax.Array:
        return diffusion.decode(diffusion.params(z, t), z, t).mean()

    for t, z in itertools.product((0.2, 1.0), XS):
        likelihood = np.prod((1 - t) * (XS == z) + t * np.where(z > 0, 0.3, 0.7), axis=1)
        truth = (WEIGHTS * likelihood) @ XS / (WEIGHTS @ likelihood)
        np.testing.assert_allclose(mean(jnp.asarray(z), jnp.asarray(t)), truth, rtol=0, atol=1e-12)


def test_certain_data_lose_nothing() -> None:
    """One event alone is known at every time: K = 0."""
    found = oracles.exact_ledger(pair_of_bits(weights=np.array([0.0, 1.0, 0.0, 0.0])), XS, [0, 1, 0, 0])
    assert found.bound == pytest.approx(0.0, abs=1e-12)


def test_independent_elements_lose_nothing() -> None:
    """With the exact decoder and independent bits K is minus the entropy, on every grid."""
    weights = np.outer([0.9, 0.1], [0.4, 0.6]).ravel()
    diffusion = pair_of_bits(weights=weights)
    for times in ([1.0], [0.5, 1.0], [0.1, 0.11, 0.7, 1.0]):
        assert oracles.exact_ledger(diffusion, XS, weights, times).bound == pytest.approx(weights @ np.log(weights), abs=1e-12)


def test_neither_the_order_of_elements_nor_the_names_of_bits_count_and_more_times_never_lower_it() -> None:
    events, weights = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1], [1, 0, 0]], float), np.array([0.4, 0.3, 0.2, 0.1])

    def bound(xs: np.ndarray, times: list[float]) -> float:
        kernel = BinomialKernel(BinomialOptions(base_rate=0.5), qs.Binary((3,)))
        diffusion = qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs, weights))
        return oracles.exact_ledger(diffusion, xs, weights, np.array(times)).bound

    found = bound(events, [0.2, 0.6, 1.0])
    assert bound(events[:, [2, 0, 1]], [0.2, 0.6, 1.0]) == pytest.approx(found, abs=1e-12)
    assert bound(1.0 - events, [0.2, 0.6, 1.0]) == pytest.approx(found, abs=1e-12)
    assert found < bound(events, [0.2, 0.4, 0.6, 1.0]) < bound(events, [0.2, 0.4, 0.6, 0.8, 1.0]) < weights @ np.log(weights)


def test_affine_denoiser_under_each_prediction() -> None:
    """Whatever the network is to predict, it gives the mean of the data given z."""
    data = GaussianData([1.0, -0.5], [[1.0, 0.8], [0.8, 1.0]])
    z, t = jnp.array([0.3, -1.1]), jnp.array(0.4)
    for predicted in ("velocity", "noise", "data"):
        kernel = GaussianKernel(GaussianOptions(mean=predicted, variance="forward"), qs.Real((2,)))  # type: ignore[arg-type]
        model = data.model(kernel)
        found = eqx.filter_jit(lambda kernel, model: kernel.decode(model(kernel.encode(z, t), t), z, t).mean())(kernel, model)
        snr = np.exp(float(kernel.schedule.log_odds(t)))
        a, noise = math.sqrt(snr / (1 + snr)), 1 / (1 + snr)
        gain = a * data.covariance @ np.linalg.inv(a**2 * data.covariance + noise * np.eye(2))
        np.testing.assert_allclose(found, data.mean + gain @ (z - a * data.mean), rtol=0, atol=1e-12)


class Untilted(BinomialKernel):
    """A kernel whose params do nothing to the data."""

    def tilt(self, params: jax.Array, z: jax.Array) -> jax.Array:
        return jnp.zeros((*z.shape, 2))


class Doubled(BinomialKernel):
    """A kernel with two params for each bit, which add up."""

    def zero_params(self) -> jax.Array:
        return jnp.zeros((*self.event.shape, 2))

    def _one(self, params: jax.Array, z: jax.Array) -> jax.Array:
        return params[..., 0] + 2.0 * params[..., 1]


def test_decoder_of_params_that_are_not_the_tilt_itself() -> None:
    plain = pair_of_bits()
    assert isinstance(plain.kernel, BinomialKernel)
    kernel = Doubled(plain.kernel.options, plain.kernel.event)
    found = oracles.exact_ledger(qs.Diffusion(kernel, oracles.ExactDecoder(kernel, XS, WEIGHTS), 3), XS, WEIGHTS)
    np.testing.assert_allclose(found.terms, oracles.exact_ledger(plain, XS, WEIGHTS).terms, rtol=0, atol=1e-10)


def test_messages() -> None:
    diffusion = pair_of_bits()
    bits = diffusion.kernel
    normal, data = line()
    quantised = qs.Levels((1,), -1.0, 1.0, 5)
    for call, kind, words in (
        (lambda: oracles.exact_ledger(diffusion, XS, WEIGHTS, [0.5, 0.4]), ValueError, "increasing times"),
        (lambda: oracles.exact_ledger(diffusion, XS, WEIGHTS, [0.5, 1.5]), ValueError, "increasing times"),
        (lambda: oracles.exact_ledger(diffusion, XS, [0.5, 0.5]), ValueError, "4 weights"),
        (lambda: oracles.exact_ledger(diffusion, XS, 2 * WEIGHTS), ValueError, "sum to one"),
        (lambda: oracles.information(normal.kernel, XS, None, [1.0]), TypeError, "not a FiniteKernel"),
        (lambda: oracles.path_distribution(diffusion, XS[0], np.linspace(0.1, 1, 20)), ValueError, "too many"),
        (lambda: oracles.ExactDecoder(normal.kernel, XS), TypeError, "expected a FiniteKernel"),
        (lambda: oracles.ExactDecoder(Untilted(bits.options, bits.event), XS), ValueError, "params that tilt"),
        (lambda: data.model(Eq65Kernel(GaussianOptions(mean="eq65"), qs.Real((1,)))), ValueError, "AffineDenoiser"),
        (lambda: data.model(GaussianKernel(GaussianOptions(), quantised)), ValueError, "AffineDenoiser"),
        (lambda: oracles.moments(qs.AbstractDistribution), TypeError, "nodes"),
    ):
        with pytest.raises(kind, match=words):
            call()
    assert isinstance(normal.model, AffineDenoiser)
