"""Gaussian paths: one process in three scales, and what follows from the levels of signal and noise alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.model import ConstantModel

X, Z, S, T = np.array([0.3, -1.0, 2.0]), np.array([1.0, 0.2, -0.4]), 0.3, 0.7
PATHS = ("preserving", "straight", "exploding")


class Cosines(qs.distributions.AbstractBasis):
    """Two coordinates of a plane, and the third."""

    def to_basis(self, x):
        return jnp.array([x[0] + x[1], x[0] - x[1], jnp.sqrt(2.0) * x[2]]) / jnp.sqrt(2.0)

    def from_basis(self, c):
        return self.to_basis(c)


class Turned(qs.AbstractGaussianPath):
    """A kernel that is its levels: the third coordinate is destroyed faster, and the noise is independent in a basis."""

    event: qs.Real = qs.Real((3,))
    is_exact_at_zero = False
    basis = Cosines()

    def levels(self, t):
        speed = jnp.array([1.0, 1.0, 3.0])
        return speed * jnp.log1p(-t), 2.0 * jnp.log(t) * speed

    def times(self, steps):
        return np.arange(1, steps + 1) / steps

    def reference(self):
        return None

    def equilibrium(self):
        return qs.Normal(jnp.zeros(3), jnp.ones(3), Cosines())

    def decode(self, params, z, t):
        return qs.Normal(params, jnp.ones(3), Cosines())

    def reverse(self, params, z, s, t):
        return self.posterior(params, z, s, t)

    def encode(self, z, t):
        return z

    def zero_params(self):
        return jnp.zeros(3)


def kernel_of(path, **options):
    return qs.make("kernel", "gaussian", qs.Real((3,)), path=path, **options)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("schedule", ["log-linear", "cosine", "linear"])
def test_a_built_in_path_is_what_follows_from_its_levels(path, schedule):
    with jax.enable_x64(True):
        kernel, base = kernel_of(path, schedule=schedule), qs.AbstractGaussianPath
        for own, general in zip(kernel.step(S, T), base.step(kernel, S, T), strict=True):
            np.testing.assert_allclose(own, general, rtol=1e-9)
        own, general = kernel.marginal(X, T), base.marginal(kernel, X, T)
        np.testing.assert_allclose(own.loc, general.loc, rtol=1e-12)
        np.testing.assert_allclose(own.variance, general.variance, rtol=1e-12)
        params = kernel.zero_params() + 0.3
        flow = kernel.velocity(kernel.decode(params, Z, T).loc, Z, T)
        np.testing.assert_allclose(kernel.flow(params, Z, T), flow, rtol=1e-9)


@pytest.mark.parametrize("path", PATHS)
def test_signal_and_noise_are_those_of_the_path(path):
    with jax.enable_x64(True):
        times = jnp.linspace(0.0, 1.0, 7)
        log_signal, log_noise = jax.vmap(kernel_of(path).levels)(times)
        signal, noise = jnp.exp(log_signal), jnp.exp(0.5 * log_noise)
        total = {"preserving": signal**2 + noise**2, "straight": signal + noise, "exploding": signal}[path]
        np.testing.assert_allclose(total, 1.0, rtol=1e-12)
        np.testing.assert_allclose(
            2.0 * log_signal - log_noise, jax.vmap(kernel_of("preserving").log_snr)(jnp.linspace(0.0, 1.0, 7))
        )


def test_flow_matching_is_the_straight_path_at_even_speed():
    """a = 1 - t, d = t, and the velocity is noise less data: (z - E[x given z]) / t."""
    with jax.enable_x64(True):
        kernel = kernel_of("straight", schedule="linear", first_noise=0.0, last_survival=0.0)
        log_signal, log_noise = kernel.levels(jnp.asarray(T))
        assert (float(jnp.exp(log_signal)), float(jnp.exp(0.5 * log_noise))) == pytest.approx((1.0 - T, T))
        np.testing.assert_allclose(kernel.velocity(X, Z, jnp.asarray(T)), (Z - X) / T, rtol=1e-12)
        assert np.array_equal(kernel.times(4), [0.25, 0.5, 0.75, 1.0])
        assert np.array_equal(kernel.equilibrium().variance, np.ones(3))


def test_all_paths_have_one_bound_and_samples_that_are_alike():
    """The same network reads the same, so the same noise gives the same terms and events."""
    kernels = [kernel_of(path) for path in PATHS]
    model = qs.make("model", "dense", qs.Ports.of(kernels[0]), key=jr.key(0), width=8)
    model = jax.tree.map(lambda leaf: leaf + 0.1 if eqx.is_inexact_array(leaf) else leaf, model)
    pairs = [qs.Diffusion(kernel, model, 10) for kernel in kernels]
    first, *others = (qs.ledger(pair, np.stack([X, Z]).astype(np.float32), key=jr.key(1)).terms for pair in pairs)
    drawn, *rest = (qs.sample(pair, 5, key=jr.key(2)) for pair in pairs)
    for terms, samples in zip(others, rest, strict=True):
        np.testing.assert_allclose(terms, first, rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(samples, drawn, atol=2e-3)
    assert not kernels[1].is_stationary and kernels[0].is_stationary


def test_levels_in_a_basis_give_all_of_the_noise():
    """z_t from z_s from x has the mean and the variance of z_t from x, and Bayes' rule holds, in every coordinate."""
    with jax.enable_x64(True):
        kernel, to = Turned(), Cosines().to_basis
        early, step, late = kernel.marginal(X, S), kernel.transition(Z, S, T), kernel.marginal(X, T)
        shrink = kernel.step(S, T).shrink
        np.testing.assert_allclose(shrink * to(early.loc), to(late.loc), rtol=1e-12)
        np.testing.assert_allclose(shrink**2 * early.variance + step.variance, late.variance, rtol=1e-12)
        z_s = jnp.array([0.5, -0.7, 0.1])
        forth = early.log_prob(z_s) + kernel.transition(z_s, S, T).log_prob(Z)
        assert float(forth - late.log_prob(Z) - kernel.posterior(X, Z, S, T).log_prob(z_s)) == pytest.approx(0.0, abs=1e-12)
        # the flow goes with the mean of a point of data: its noise is stretched, and its signal fades
        (a, noise), h = (jnp.exp(each) for each in kernel.levels(T)), 1e-6
        eps = (to(Z) - a * to(X)) / jnp.sqrt(noise)
        ahead, behind = (
            Cosines().from_basis(jnp.exp(kernel.levels(at)[0]) * to(X) + jnp.exp(0.5 * kernel.levels(at)[1]) * eps)
            for at in (T + h, T - h)
        )
        np.testing.assert_allclose(kernel.velocity(X, Z, T), (ahead - behind) / (2.0 * h), rtol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_a_tilted_pair_has_the_flow_of_its_posterior(path):
    """N(0, 1) data seen with unit noise: the denoiser under the tilt is that of N(y / 2, 1 / 2)."""
    with jax.enable_x64(True):
        kernel, y = kernel_of(path), jnp.array([1.0, -2.0, 0.5])
        pair = qs.Diffusion(kernel, ConstantModel(kernel.zero_params()), 10)
        seen = pair.tilted(qs.Observed(y, jnp.ones(3)))
        a, noise = (np.exp(each) for each in kernel.levels(T))
        mean = (0.5 * y * noise + 0.5 * a * Z) / (0.5 * a**2 + noise)
        np.testing.assert_allclose(seen.denoise(seen.params(Z, T), Z, T).mean(), mean, rtol=1e-9)
        np.testing.assert_allclose(seen.velocity(Z, T), kernel.velocity(mean, Z, T), rtol=1e-9)
        assert not np.allclose(seen.velocity(Z, T), pair.velocity(Z, T))


def test_ends_that_a_path_does_not_have_are_refused():
    with pytest.raises(qs.InputError, match="'exploding' ends at infinity where the survival is 0"):
        kernel_of("exploding", schedule="cosine", last_survival=0.0)
    with pytest.raises(qs.InputError, match=r"the readings of eq\. 65 are of the preserving path, got 'straight'"):
        kernel_of("straight", mean="eq65")
    with pytest.raises(TypeError, match="expected a kernel with a flow"):
        bits = qs.make("kernel", "binomial", qs.Binary((3,)))
        qs.Diffusion(bits, ConstantModel(bits.zero_params()), 3).velocity(jnp.zeros(3), jnp.asarray(0.5))
