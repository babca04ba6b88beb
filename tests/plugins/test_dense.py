"""The dense network between many features and many params."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.dense.model import RANK

SIZE = 800


@pytest.fixture(scope="module")
def network():
    kernel = qs.make("kernel", "gaussian", qs.Real((SIZE,)))
    return qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=4, depth=1)


def numbers(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)))


def test_its_numbers_grow_with_the_event_and_not_with_its_square(network):
    assert numbers(network) < (3 * RANK + 50) * SIZE < SIZE**2
    assert network.straight.shape == (2 * SIZE, RANK) and network.own.shape == (SIZE, 2)


def test_it_starts_at_zero_and_all_of_it_can_learn(network):
    features, aim = (jr.normal(jr.key(seed), shape) for seed, shape in ((1, (SIZE, 1)), (2, (SIZE, 2))))

    @jax.grad
    def slopes(model):
        return jnp.sum((model(features, jnp.asarray(0.3)) - aim) ** 2)

    np.testing.assert_array_equal(network(features, jnp.asarray(0.3)), 0.0)
    first = slopes(network)
    assert all(jnp.any(each != 0) for each in (first.straight, first.own, first.readout))
    moved = eqx.tree_at(lambda model: model.straight, network, network.straight - 0.01 * first.straight)
    assert jnp.any(slopes(moved).narrow != 0)


def test_a_feature_has_its_own_params(network):
    own = jr.normal(jr.key(3), (SIZE, 2))
    features = jr.normal(jr.key(4), (SIZE, 1))
    found = eqx.tree_at(lambda model: model.own, network, own)(features, jnp.asarray(0.3))
    np.testing.assert_allclose(found, features * own, rtol=1e-6)
