"""Rows times a matrix: the values and derivatives of `@`, and one flat product however many events there are."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from quasistatic.kits.networks import rows_times

X, MATRIX = jr.normal(jr.key(0), (5, 4, 3)), jr.normal(jr.key(1), (3, 2))
PROGRAMS = {
    "whole": lambda times: lambda x, matrix: times(x, matrix),
    "vmap": lambda times: jax.vmap(times, (0, None)),
    "vmap twice": lambda times: jax.vmap(jax.vmap(times, (0, None)), (1, None), 1),
    "events last": lambda times: lambda x, matrix: jax.vmap(times, (2, None))(jnp.moveaxis(x, 0, 2), matrix),
    "a row": lambda times: lambda x, matrix: times(x[0, 0], matrix),
    "a matrix each": lambda times: lambda x, matrix: jax.vmap(times)(x, matrix * jnp.arange(5.0)[:, None, None]),
    "one event, some matrices": lambda times: lambda x, matrix: jax.vmap(lambda m: times(x[0], m))(matrix * jnp.ones((3, 1, 1))),
    "gradients of each": lambda times: jax.vmap(jax.grad(lambda x, m: jnp.sum(times(x, m) ** 3), (0, 1)), (0, None)),
    "one by one": lambda times: lambda x, matrix: jax.lax.map(lambda one: times(one, matrix), x),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_derivatives_are_those_of_a_product(name):
    ours, plain = (PROGRAMS[name](times) for times in (rows_times, jnp.matmul))

    def total(program):
        return lambda x, matrix: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(program(x, matrix)))

    @jax.jit
    def asked(x, matrix):
        changes = jnp.ones_like(x), jnp.ones_like(matrix)
        return [
            (program(x, matrix), jax.jvp(total(program), (x, matrix), changes)[1], jax.grad(total(program), (0, 1))(x, matrix))
            for program in (ours, plain)
        ]

    found, wanted = asked(X, MATRIX)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5), found, wanted)


def test_it_can_be_asked_outside_of_a_program_and_derived_twice():
    np.testing.assert_allclose(rows_times(X, MATRIX), X @ MATRIX, rtol=1e-5)

    def curvature(times):
        return jax.hessian(lambda matrix: jnp.sum(jnp.sin(times(X, matrix))))(MATRIX)

    np.testing.assert_allclose(curvature(rows_times), curvature(jnp.matmul), rtol=1e-4, atol=1e-5)


def test_the_derivative_of_many_events_is_one_product_of_matrices():
    """Nothing is written in another order: no operand of a product has three axes, and none is transposed but the matrix."""

    def loss(matrix, xs):
        return jnp.sum(jax.vmap(lambda x: rows_times(x, matrix))(xs) ** 2)

    text = jax.jit(jax.grad(loss)).lower(MATRIX, X).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) == 2 and all("tensor<20x3xf32>" in line and "5x4x" not in line for line in products)
