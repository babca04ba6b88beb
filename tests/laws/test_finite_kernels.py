"""`FiniteKernel` alone: what a plugin has to write for a finite space, and that it then keeps every law."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import quasistatic as qs

SYMBOLS = qs.Categorical((2,), 3)


class Redrawn(qs.FiniteKernel):
    """Three symbols, redrawn evenly."""

    event: qs.Categorical = eqx.field(static=True, default=SYMBOLS)
    is_exact_at_zero: bool = eqx.field(static=True, default=True)

    def times(self, steps):
        return np.arange(1, steps + 1) / steps

    def log_matrix(self, s, t):
        kept = 1 - t if s is None else (1 - t) / (1 - s)
        return qs.numerics.floored_log(kept * jnp.eye(3) + (1 - kept) / 3)

    def log_equilibrium(self):
        return jnp.full(3, -jnp.log(3.0))

    def log_reference(self):
        return jnp.full(3, -jnp.log(3.0))


class Masked(Redrawn):
    """Three symbols that turn into a mask, a fourth state that data never have; the reference is no equilibrium."""

    def log_matrix(self, s, t):
        kept = 1 - t if s is None else (1 - t) / (1 - s)
        of_symbols = jnp.concatenate([kept * jnp.eye(3), jnp.full((3, 1), 1 - kept)], axis=1)
        return qs.numerics.floored_log(of_symbols if s is None else jnp.concatenate([of_symbols, jnp.eye(4)[3:]]))

    def log_equilibrium(self):
        return qs.numerics.floored_log(jnp.eye(4)[3])


def laws():
    for kernel in (Redrawn(), Masked()):
        for law in qs.testing.laws_of("kernel", kernel):
            if law.name != "rare-states":  # one way to draw for both; held in test_faults
                yield pytest.param(law, id=f"{type(kernel).__name__}-{law.name}")


@pytest.mark.parametrize("law", list(laws()))
def test_law(law):
    law()


def names(kernel):
    return {law.name for law in qs.testing.laws_of("kernel", kernel)}


def test_the_laws_follow_from_what_a_kernel_declares():
    both, redrawn, masked = names(Redrawn()) & names(Masked()), names(Redrawn()), names(Masked())
    assert redrawn - both == {"detailed-balance"}  # a mask never comes off: no balance
    assert masked == both
    assert {"jarzynski", "zero-params", "cross-entropy", "extreme-words"} <= both
    assert "structure" not in both  # nothing is overridden, there is nothing to compare


def test_a_kernel_that_promises_nothing_at_zero_is_not_held_to_it():
    modest = names(Redrawn(is_exact_at_zero=False))
    assert not {"zero-params", "cross-entropy"} & modest and "bound" in modest
