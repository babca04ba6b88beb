"""The unweighted loss: what is trained at which time."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.model import ConstantModel

STEPS = 4
KERNEL = qs.make("kernel", "binomial", qs.Binary((3,)))
X = jnp.array([1.0, 0.0, 1.0])


@eqx.filter_jit
def losses(said: jax.Array, first_step: Literal["learned", "paper"], steps: int = STEPS) -> tuple[jax.Array, jax.Array]:
    """The loss at each time of the chain, of a network that gives these params, and its derivatives."""
    objective = qs.make("objective", "simple")

    def loss(params: jax.Array, u: jax.Array) -> jax.Array:
        return objective(qs.Diffusion(KERNEL, ConstantModel(params), steps, first_step), X, u, key=jr.key(0))[0]

    return jax.vmap(jax.value_and_grad(loss), (None, 0))(said, (jnp.arange(steps) + 0.5) / steps)


def test_a_first_step_that_is_fixed_is_not_trained() -> None:
    """Its term is that of the ledger, the same for every network; other times do not know what the first step is."""
    zero, said = KERNEL.zero_params(), jnp.full_like(KERNEL.zero_params(), 0.7)
    (fixed, slopes), (learned, learned_slopes) = losses(said, "paper"), losses(said, "learned")
    assert float(fixed[0]) == pytest.approx(float(losses(zero, "learned")[0][0]), rel=1e-6)
    assert abs(fixed[0] - learned[0]) > 0.01
    assert not slopes[0].any() and learned_slopes[0].any()
    np.testing.assert_allclose(fixed[1:], learned[1:], rtol=1e-6)
    np.testing.assert_allclose(slopes[1:], learned_slopes[1:], rtol=1e-6)
    assert np.abs(slopes[1:]).sum(axis=tuple(range(1, slopes.ndim))).all()


def test_a_chain_of_one_fixed_step_has_nothing_to_train() -> None:
    value, slope = losses(KERNEL.zero_params() + 0.7, "paper", 1)
    assert np.isfinite(value).all() and not slope.any()
