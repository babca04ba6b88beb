"""What a sample costs, against a count by hand."""

from __future__ import annotations

import jax
import pytest

import quasistatic as qs
from quasistatic_plugins.thermodynamics.cost import chain_flops


def test_operations_of_a_chain_are_those_of_a_step_times_its_steps() -> None:
    """Two layers of 64: most are 2 * (in * out) for each, and a loop is not counted once."""
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jax.random.key(0), width=64, depth=2)
    diffusion = qs.Diffusion(kernel, model, 10)
    one, ten = (chain_flops(diffusion, steps) for steps in (1, 10))
    assert one is not None and ten == pytest.approx(10 * one)
    weights = sum(leaf.size for leaf in jax.tree.leaves(model) if getattr(leaf, "ndim", 0) == 2)
    assert 2 * weights <= one < 4 * weights + 2000
