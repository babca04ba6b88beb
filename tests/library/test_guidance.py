"""Classifier-free guidance: params moved away from those without side information."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.gaussian.oracle import AffineDenoiser, GaussianData, affine_chain

SLOPE, LEFT = np.array([0.8, -0.5]), np.array([[0.4, 0.1], [0.1, 0.6]])
LABEL = 1.5
WITH = GaussianData(SLOPE * LABEL, LEFT)  # x = slope * y + noise, for y from N(0, 1)
WITHOUT = GaussianData(np.zeros(2), LEFT + np.outer(SLOPE, SLOPE))
WEIGHT = 1.7


class Exact(qs.AbstractModel):
    """The exact network for one label, and for none."""

    given: AffineDenoiser
    plain: AffineDenoiser

    def __call__(self, features, t, side=None, *, key=None):
        one, other = self.given(features, t), self.plain(features, t)
        return other if side is None else jnp.where(side.present, one, other)


def linear(steps=8, **options) -> qs.Diffusion:
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)), **options)
    model = Exact(WITH.model(kernel), WITHOUT.model(kernel))
    return qs.Diffusion(kernel, model, steps, side=qs.Side.absent(qs.Real()))


def posterior(data: GaussianData, z, a, noise):
    """Mean and covariance of x given z = a x + noise."""
    gain = a * data.covariance @ np.linalg.inv(a**2 * data.covariance + noise * np.eye(2))
    return data.mean + gain @ (z - a * data.mean), data.covariance - a * gain @ data.covariance


def words(name="uniform", **options) -> qs.Diffusion:
    """Random networks for symbols with a label of three."""
    side, kernel = qs.Categorical((), 3), qs.make("kernel", name, qs.Categorical((4,), 3), **options)
    model = qs.make("model", "dense", qs.Ports.of(kernel, side), key=jr.key(0), width=8)
    leaves, built = jax.tree.flatten(model)
    noise = [leaf + 0.3 * jr.normal(jr.key(n), leaf.shape) if eqx.is_inexact_array(leaf) else leaf for n, leaf in enumerate(leaves)]
    return qs.Diffusion(kernel, jax.tree.unflatten(built, noise), 5, side=qs.Side.absent(side))


@pytest.mark.parametrize("options", [{}, {"mean": "noise"}, {"mean": "data", "variance": "forward"}, {"variance": "posterior"}])
def test_the_guided_denoiser_of_a_linear_system_is_the_closed_form(options):
    with jax.enable_x64(True):
        pair = linear(**options).given(jnp.asarray(LABEL)).guided(WEIGHT)
        z, t = jnp.array([0.7, -1.2]), jnp.asarray(0.6)
        (a, noise), params = pair.kernel._level(t), pair.params(z, t)
        (mean, covariance), (other, _) = (posterior(data, np.asarray(z), float(a), float(noise)) for data in (WITH, WITHOUT))
        found = pair.denoise(params, z, t)
        np.testing.assert_allclose(found.loc, (1 + WEIGHT) * mean - WEIGHT * other, rtol=1e-9)
        if pair.kernel.options.variance == "learned":  # that of the network with the label
            np.testing.assert_allclose(found.variance, np.diag(covariance), rtol=1e-9)


def test_guided_samples_are_not_draws_of_the_product_of_powers():
    """p(x given y)^(1 + w) p(x)^(-w) is normal here; the guided chain ends elsewhere, however fine it is."""
    with jax.enable_x64(True):
        pair = linear(400).given(jnp.asarray(LABEL))
        one, other = (np.linalg.inv(data.covariance) for data in (WITH, WITHOUT))
        product = np.linalg.inv((1 + WEIGHT) * one - WEIGHT * other)
        for weight, covariance in ((0.0, WITH.covariance), (WEIGHT, product)):
            ends = affine_chain(pair.guided(weight)).data().covariance
            assert (np.abs(ends - covariance).max() < 0.01) == (weight == 0)


@pytest.mark.parametrize("name", ["uniform", "absorbing"])
def test_symbols_are_guided_by_their_log_weights(name):
    pair = words(name)
    given, absent = pair.given(jnp.asarray(2)), pair.given(jnp.asarray(0), False)
    z, t = jnp.array([0, 2, 1, 1]), jnp.asarray(0.5)
    if name == "absorbing":
        z = jnp.full(4, 3)  # masked
    guided = given.guided(WEIGHT)

    def log_probs(pair):
        data = pair.denoise(pair.params(z, t), z, t)
        each = [[data.log_prob(z.at[:].set(0).at[place].set(symbol)) for symbol in range(3)] for place in range(4)]
        return jax.nn.log_softmax(jnp.array(each), axis=1)

    wanted = jax.nn.log_softmax((1 + WEIGHT) * log_probs(given) - WEIGHT * log_probs(absent), axis=1)
    np.testing.assert_allclose(log_probs(guided), wanted, atol=2e-5)
    assert np.abs(log_probs(guided) - log_probs(given)).max() > 0.1


def test_guidance_of_weight_zero_is_the_pair_itself():
    pair, xs, side = words(), np.array([[0, 1, 2, 0], [2, 2, 1, 1]], np.int32), np.array([0, 2])
    assert pair.guided(0) is pair and pair.guided(0.0) is pair
    zero = pair.guided(jnp.zeros(()))  # a weight that may be traced
    for found in (
        lambda each: qs.sample(each, 16, key=jr.key(0), side=side),
        lambda each: qs.ledger(each, xs, key=jr.key(0), side=side).terms,
    ):
        assert np.array_equal(found(pair), found(zero)) and not np.array_equal(found(pair), found(pair.guided(1.0)))


def test_the_guided_pair_is_seen_by_samplers_and_the_ledger():
    """K is a bound on the exact log p of the guided chain itself."""
    pair = qs.Diffusion(*_pair_parts()).given(jnp.asarray(2)).guided(WEIGHT)
    xs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.int32)
    log_p = qs.oracles.log_likelihood(pair, xs)
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-5)
    assert np.all(qs.oracles.exact_ledger(pair, xs).per_event <= log_p + 1e-5)
    keys = jr.split(jr.key(1), 4000)
    drawn = np.asarray(jax.vmap(lambda key: qs.trajectory.reverse(qs.Ancestral(), pair, pair.times(), key=key).x)(keys))
    shares = np.array([(drawn == x).all(axis=1).mean() for x in xs])
    assert np.abs(shares - np.exp(log_p)).max() < 4.0 * np.sqrt(0.25 / 4000)
    assert qs.ledger(pair, xs, key=jr.key(0)).evaluations == 2 * len(pair.times())


def _pair_parts():
    side, kernel = qs.Categorical((), 3), qs.make("kernel", "uniform", qs.Categorical((2,), 2))
    model = qs.make("model", "dense", qs.Ports.of(kernel, side), key=jr.key(3), width=8)
    leaves, built = jax.tree.flatten(model)
    noise = [leaf + 0.3 * jr.normal(jr.key(n), leaf.shape) if eqx.is_inexact_array(leaf) else leaf for n, leaf in enumerate(leaves)]
    return kernel, jax.tree.unflatten(built, noise), 3, "learned", qs.Side.absent(side)


def test_each_part_of_an_event_is_guided_as_its_kernel_does():
    numbers, letters = qs.make("kernel", "gaussian", qs.Real((2,))), qs.make("kernel", "uniform", qs.Categorical((2,), 3))
    kernel = qs.join_kernels({"numbers": numbers, "letters": letters})
    one, other = ({"numbers": jr.normal(key, (2, 2)), "letters": jr.normal(key, (2, 3))} for key in jr.split(jr.key(0)))
    found = kernel.guided(one, other, jnp.asarray(0.5))
    np.testing.assert_allclose(found["letters"], 1.5 * one["letters"] - 0.5 * other["letters"], rtol=1e-5)
    np.testing.assert_allclose(found["numbers"][:, 0], 1.5 * one["numbers"][:, 0] - 0.5 * other["numbers"][:, 0], rtol=1e-5)
    assert np.array_equal(found["numbers"][:, 1], one["numbers"][:, 1])


def test_another_network_may_stand_for_the_one_without_side_information():
    pair = linear()
    given = pair.given(jnp.asarray(LABEL))
    z, t = jnp.array([0.7, -1.2]), jnp.asarray(0.6)
    own, other = given.guided(WEIGHT).params(z, t), given.guided(WEIGHT, without=pair.model.plain).params(z, t)
    np.testing.assert_allclose(own, other, rtol=1e-6)
    bare = qs.Diffusion(pair.kernel, pair.model.given, 8)
    assert np.isfinite(bare.guided(1.0, without=pair.model.plain).params(z, t)).all()
    with pytest.raises(ValueError, match="no side information to leave out"):
        bare.guided(1.0)
    with pytest.raises(ValueError, match="guided already"):
        given.guided(1.0).guided(1.0)


def test_guidance_on_an_interval_is_guidance_there_alone():
    pair = linear().given(jnp.asarray(LABEL))
    z, middle = jnp.array([0.7, -1.2]), float(pair.kernel.log_snr(jnp.asarray(0.5)))
    for low, high, is_guided in ((middle - 1.0, middle + 1.0, True), (middle + 0.5, middle + 1.0, False)):
        found = pair.guided(WEIGHT, interval=(low, high)).params(z, jnp.asarray(0.5))
        wanted = (pair.guided(WEIGHT) if is_guided else pair).params(z, jnp.asarray(0.5))
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    with pytest.raises(TypeError, match=r"an interval of the log-SNR is for Gaussian noise, got"):
        words().given(jnp.asarray(1)).guided(1.0, interval=(0.0, 1.0))


def test_guidance_away_from_another_label():
    """(1 + w) params(label) - w params(negative), and the pair of the label itself where both are one."""
    pair, z, t = words().given(jnp.asarray(2)), jnp.array([0, 2, 1, 1]), jnp.asarray(0.5)
    other = pair.given(jnp.asarray(0)).params(z, t)
    found = pair.guided(WEIGHT, negative=jnp.asarray(0)).params(z, t)
    np.testing.assert_allclose(found, (1 + WEIGHT) * pair.params(z, t) - WEIGHT * other, atol=1e-5)
    np.testing.assert_allclose(pair.guided(WEIGHT, negative=jnp.asarray(2)).params(z, t), pair.params(z, t), atol=1e-5)
    with pytest.raises(ValueError, match="without and negative exclude one another"):
        pair.guided(1.0, without=pair.model, negative=jnp.asarray(0))
