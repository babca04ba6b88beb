"""Side information: integer labels, a mapping of parts, none at all; a program that serves with it and without."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import networks

LABELS = qs.Categorical((), 3)
PARTS = qs.Fields({"label": LABELS, "size": qs.Real((2,))})
KERNEL = qs.make("kernel", "binomial", qs.Binary((4,)))
SMALL: dict[str, Any] = {"updates": 6, "batch": 8, "validate_every": 3, "validation_events": 8}


def diffusion_of(side: qs.AbstractEvent | None) -> qs.Diffusion:
    """A network that reads its side information, and does not give zero params."""
    model = qs.make("model", "dense", qs.Ports.of(KERNEL, side), key=jr.key(0), width=8, depth=1)
    model = jax.tree.map(lambda leaf: leaf + 0.3 * jr.normal(jr.key(2), leaf.shape) if eqx.is_array(leaf) else leaf, model)
    return qs.Diffusion(KERNEL, model, 4, side=qs.Side.absent(side))


def events(count: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (count, 4)).astype(np.float32)


SIDES = {
    "labels": (LABELS, jnp.asarray(2, jnp.int32), [0, 0, 1]),
    "parts": (PARTS, {"label": jnp.asarray(1, jnp.int32), "size": jnp.asarray([0.5, -2.0])}, [0, 1, 0, 0.5, -2.0]),
}


@pytest.mark.parametrize("which", SIDES)
def test_side_information_is_a_vector_for_a_network_and_zeros_where_it_is_absent(which: str) -> None:
    event, value, vector = SIDES[which]
    diffusion = diffusion_of(event)
    assert networks.side_size(event) == len(vector)
    np.testing.assert_allclose(networks.ravel_side(event, diffusion.given(value).side), vector)
    for absent in (diffusion.side, diffusion.given(None).side, diffusion.given(value, present=False).side):
        np.testing.assert_array_equal(networks.ravel_side(event, absent), np.zeros(len(vector)))


@pytest.mark.parametrize("which", SIDES)
def test_one_program_serves_with_side_information_and_without(which: str) -> None:
    event, value, _ = SIDES[which]
    diffusion, z, t = diffusion_of(event), jnp.ones(4), jnp.asarray(0.5)
    traced = []

    @eqx.filter_jit
    def params(diffusion: qs.Diffusion, value: Any, present: jax.Array) -> Any:
        traced.append(1)
        return diffusion.given(value, present).params(z, t)

    there, absent = (params(diffusion, value, jnp.asarray(present)) for present in (True, False))
    assert len(traced) == 1
    np.testing.assert_allclose(absent, diffusion.params(z, t), rtol=1e-6)
    np.testing.assert_allclose(there, diffusion.given(value).params(z, t), rtol=1e-6)
    assert np.abs(there - absent).max() > 1e-3


def test_nothing_is_read_where_a_source_has_no_side_information() -> None:
    assert qs.Side.absent(None) is None and networks.side_size(None) == 0
    assert networks.ravel_side(None, None).shape == (0,)
    diffusion = diffusion_of(None)
    assert diffusion.given(None) is diffusion and diffusion.side is None


def test_ledger_and_samples_take_a_row_of_it_for_each_event() -> None:
    diffusion, xs, labels = diffusion_of(LABELS), events(6), np.array([0, 1, 2, 0, 1, 2], np.int32)
    whole = qs.ledger(diffusion, xs, key=jr.key(1), side=labels)
    one = qs.ledger(diffusion.given(jnp.asarray(labels[0])), xs[:1], key=jr.key(1))
    np.testing.assert_allclose(whole.per_event[0], one.per_event[0], rtol=1e-5)
    assert not np.allclose(whole.per_event, qs.ledger(diffusion, xs, key=jr.key(1)).per_event, rtol=1e-4)
    drawn = qs.sample(diffusion, 5, key=jr.key(3), side=labels[:2])  # two rows, again and again
    np.testing.assert_array_equal(drawn, qs.sample(diffusion, 5, key=jr.key(3), side=labels[[0, 1, 0, 1, 0]]))


def test_fit_trains_with_side_information() -> None:
    data = qs.Data(np.zeros((40, 4), np.float32), np.arange(40, dtype=np.int32) % 3)  # soon better than at the start
    start = diffusion_of(LABELS)
    trained = qs.fit(start, data, qs.make("objective", "bound"), **SMALL)
    assert not eqx.tree_equal(trained.model, start.model)


def test_make_checks_its_options() -> None:
    with pytest.raises(qs.errors.RecipeError) as caught:
        qs.make("model", "dense", qs.Ports.of(KERNEL), key=jr.key(0), widht=8, depth=0)
    problems = caught.value.problems
    assert len(problems) == 2 and problems[0].startswith("model dense.widht: unknown option; did you mean 'width'?")
    assert problems[1].startswith("model dense.depth: expected a value >= ")
    with pytest.raises(qs.errors.ComponentNotFound, match="no model is called 'dens'; did you mean 'dense'"):
        qs.make("model", "dens")


def test_fit_checks_its_options() -> None:
    with pytest.raises(qs.errors.RecipeError, match=r"^fit: unknown option 'update'; did you mean 'updates'\?"):
        qs.fit(diffusion_of(None), events(), qs.make("objective", "bound"), update=3)
    with pytest.raises(qs.errors.RecipeError, match=r"^fit: 'updates' must be >= 1: 0$"):
        qs.fit(diffusion_of(None), events(), qs.make("objective", "bound"), updates=0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.full((20, 4), 0.5), "which is not binary"),
        (np.zeros((20, 3)), r"expected an array of shape \(N, 4\), got \(20, 3\)"),
        (np.zeros((5, 4)), "expected at least 10 events, got 5"),
        (np.full((20, 4), "a"), "expected numbers"),
    ],
)
def test_fit_refuses_data_that_the_kernel_does_not_take(data: Any, said: str) -> None:
    with pytest.raises(qs.DataError, match=said):
        qs.fit(diffusion_of(None), data, qs.make("objective", "bound"), **SMALL)


def test_fit_refuses_a_source_of_other_events() -> None:
    with pytest.raises(qs.errors.IncompatibleError, match="fit: the data are 2 real, the kernel takes 4 binary"):
        qs.fit(diffusion_of(None), qs.make("source", "swiss-roll"), qs.make("objective", "bound"), **SMALL)
