"""Potentials without a closed form: laws, and the evidence of particles against an enumeration and an integral."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.oracles import log_likelihood
from quasistatic.testing import Setting
from quasistatic.testing._setting import enumerate_states, fresh
from quasistatic.testing._tools.bench import Redraw, Straight
from quasistatic.testing._tools.statistics import chi_square, counts_of
from quasistatic_plugins.conditioning import ParticlesOptions
from quasistatic_plugins.conditioning.particles import Particles

SIZE = 3.9  # standard errors: 1 in 10,000


class Classifier(qs.AbstractPotential):
    """The probability of a class by a small network that reads all of an event."""

    weights: jax.Array

    def log_factor(self, x):
        return jax.nn.log_sigmoid(jnp.sum(jnp.tanh(self.weights @ jnp.ravel(x).astype(float))))


class Smooth(Classifier):
    """The same, which leads particles by its gradient."""

    is_differentiable: ClassVar[bool] = True


class ByHand(qs.AbstractPotential):
    """A classifier of numpy, of which jax knows no gradient."""

    def log_factor(self, x):
        return jax.pure_callback(
            lambda x: np.asarray(-np.abs(np.asarray(x).sum()), np.float32),
            jax.ShapeDtypeStruct((), "float32"),
            x,
            vmap_method="sequential",
        )


def weights(size):
    return jr.normal(jr.key(3), (4, size))


class Slope(qs.AbstractPotential):
    """A class of which the log-probability falls nearly in proportion to the distance on one side."""

    direction: jax.Array

    def log_factor(self, x):
        return -jax.nn.softplus(-(self.direction @ x))


class LedSlope(Slope):
    """The same, which leads particles by its gradient."""

    is_differentiable: ClassVar[bool] = True


@eqx.filter_jit
def drawn(diffusion, count, keys):
    def one(key):
        key_walk, key_choice = jr.split(key)
        found, _ = qs.trajectory.posterior(Particles(ParticlesOptions(count)), diffusion, diffusion.times(), key=key_walk)
        return found.x[qs.trajectory.systematic(found.log_weights, 1, key=key_choice)[0]], found.log_evidence

    return jax.vmap(one)(keys)


@pytest.mark.parametrize("law", qs.testing.laws_of("potential", Classifier(weights(2))), ids=lambda law: law.name)
def test_a_classifier_keeps_the_laws(law):
    law()


@pytest.mark.parametrize("law", qs.testing.laws_of("potential", Smooth(weights(2))), ids=lambda law: law.name)
def test_a_classifier_with_a_gradient_keeps_the_laws(law):
    law()


@pytest.mark.parametrize("power", [False, True], ids=["itself", "a power of it times another"])
def test_the_evidence_of_a_value_alone_is_that_of_an_enumeration(power):
    diffusion, potential = Setting().diffusion_with_random_network(Redraw(), 4), Classifier(weights(2))
    if power:
        potential = potential.power(jnp.asarray(2.0)) * qs.Flipped(jnp.array([1, 2], jnp.int32), jnp.asarray(0.2))
    xs, _ = enumerate_states(diffusion.kernel)
    shares = np.exp(log_likelihood(diffusion, xs, diffusion.times()) + np.asarray(jax.vmap(potential.log_factor)(xs)))
    found, evidence = drawn(diffusion.tilted(potential), 64, jr.split(jr.key(1), 2048))
    assert chi_square(counts_of(found, xs), shares / shares.sum()) < SIZE
    ratio = np.exp(np.asarray(evidence, np.float64)) / shares.sum()
    assert abs(ratio.mean() - 1) < SIZE * ratio.std() / np.sqrt(len(ratio))


def test_a_gradient_leads_and_changes_nothing_but_the_noise_of_the_evidence():
    """Normal data, known exactly by the network: Z is an integral over them."""
    diffusion = fresh(Straight(qs.Real((2,))), 6)
    slope = jnp.array([1.5, -1.0])
    grid = np.stack(np.meshgrid(*[np.linspace(-5, 5, 400)] * 2, indexing="ij"), -1).reshape(-1, 2)
    rho = diffusion.kernel.reference()
    log_z = float(
        jax.nn.logsumexp(jax.vmap(lambda x: rho.log_prob(x) + Slope(slope).log_factor(x))(jnp.asarray(grid))) + 2 * np.log(10 / 399)
    )
    spread = {}
    for kind in (Slope, LedSlope):
        _, evidence = drawn(diffusion.tilted(kind(slope)), 32, jr.split(jr.key(2), 1024))
        ratio = np.exp(np.asarray(evidence, np.float64) - log_z)
        assert abs(ratio.mean() - 1) < SIZE * ratio.std() / np.sqrt(len(ratio))
        spread[kind] = ratio.std()
    assert spread[LedSlope] < spread[Slope]


def test_what_jax_cannot_differentiate_is_drawn_by_its_value():
    diffusion = fresh(Straight(qs.Real((2,))), 3).tilted(ByHand())
    found, evidence = drawn(diffusion, 16, jr.split(jr.key(2), 4))
    assert np.all(np.isfinite(found)) and np.all(np.asarray(evidence) < 0)


def test_other_samplers_say_what_draws_under_it():
    diffusion = Setting().diffusion_with_random_network(Redraw(), 4).tilted(Classifier(weights(2)))
    with pytest.raises(TypeError, match=r"Classifier\.tilt: has no closed form for a Finite; draw with the sampler `particles`"):
        qs.trajectory.reverse(qs.Ancestral(), diffusion, diffusion.times(), key=jr.key(0))


def test_a_kernel_that_cannot_average_is_led_by_the_network_alone():
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)), mean="eq65")
    found, evidence = drawn(fresh(kernel, 3).tilted(Smooth(weights(2))), 16, jr.split(jr.key(2), 4))
    assert np.all(np.isfinite(found)) and np.all(np.isfinite(evidence))
