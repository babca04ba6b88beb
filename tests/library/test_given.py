"""What the library is given and cannot use is refused with one clear message, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.errors import DataError, IncompatibleError
from quasistatic.thermodynamics.steps import entropy_bounds
from quasistatic.thermodynamics.work import dissipation, forward_weights

KEY, XS = jr.key(0), np.zeros((4, 2))


def made(event: qs.AbstractEvent, kernel: str, side: qs.AbstractEvent | None = None) -> qs.Diffusion:
    built = qs.make("kernel", kernel, event)
    model = qs.make("model", "dense", qs.Ports.of(built, side), key=KEY, width=2, depth=1)
    return qs.Diffusion(built, model, 3, side=qs.Side.absent(side))


@pytest.fixture(scope="module")
def plane() -> qs.Diffusion:
    return made(qs.Real((2,)), "gaussian", qs.Categorical((), 3))


@pytest.fixture(scope="module")
def symbols() -> qs.Diffusion:
    return made(qs.Categorical((2,), 3), "uniform")


MEASURES: dict[str, Callable[..., Any]] = {
    "K": qs.ledger,
    "weights": forward_weights,
    "dissipation": dissipation,
    "entropy": entropy_bounds,
}


@pytest.mark.parametrize("name", MEASURES)
def test_events_and_side_information_that_do_not_fit(name: str, plane: qs.Diffusion, symbols: qs.Diffusion) -> None:
    measure = MEASURES[name]
    for diffusion, xs, words in (
        (plane, np.full((4, 2), np.nan), "event 0, element 0 is .*nan.* not real"),
        (plane, np.zeros((4, 3)), r"shape \(N, 2\), got \(4, 3\)"),
        (plane, np.zeros((4, 2), complex), "expected numbers, got complex128"),
        (symbols, np.full((4, 2), 3), "element 0 is .*3.*, which is not categorical"),
        (symbols, np.full((4, 2), -1), "element 0 is .*-1"),
        (symbols, np.full((4, 2), 1.7), "element 0 is .*1.7"),
    ):
        with pytest.raises(DataError, match=words):
            measure(diffusion, xs, key=KEY)
    for side in (np.zeros(3, int), jnp.zeros(5, int), np.zeros((4, 1), int), {"label": np.zeros(4, int)}):
        with pytest.raises(DataError, match=r"side: expected arrays of shapes \(4,\), got"):
            measure(plane, XS, key=KEY, side=side)


def test_whole_numbers_are_numbers(plane: qs.Diffusion) -> None:
    whole = np.array([[0, 1], [1, 0], [-1, 1]])
    found = [qs.ledger(plane, xs, key=KEY).per_event for xs in (whole, whole.astype(np.float32))]
    np.testing.assert_array_equal(*found)


def test_numbers_that_are_none(plane: qs.Diffusion) -> None:
    given = qs.Diffusion(plane.kernel, plane.model, qs.grids.GivenGrid(plane.kernel, [0.5, 1.0]), side=plane.side)
    for call, words in (
        (lambda: qs.ledger(plane, XS, key=KEY, steps=0), "at least 1 step, got 0"),
        (lambda: qs.sample(plane, 2, key=KEY, steps=0), "at least 1 step, got 0"),
        (lambda: qs.ledger(given, XS, key=KEY, steps=-2), "at least 1, got -2"),
        (lambda: qs.ledger(plane, XS, key=KEY, repeats=0), "at least one repeat, got 0"),
        (lambda: dissipation(plane, XS, key=KEY, repeats=0), "at least one of each event, got 0"),
        (lambda: dissipation(plane, XS, key=KEY, objective="foo"), "an objective of bound, ancestral, got 'foo'"),
        (lambda: qs.sample(plane, 0, key=KEY), "at least one event, got 0"),
        (lambda: qs.sample(plane, 2, key=KEY, potential=qs.Known(jnp.zeros(2), jnp.array([True, False]))), "shape .2,., .* got"),
        (lambda: qs.Known(jnp.zeros(2), jnp.ones((2, 1), bool)), "of one shape"),
    ):
        with pytest.raises(ValueError, match=words):
            call()  # type: ignore[no-untyped-call]


def test_fields_that_are_none() -> None:
    for call, error in (
        (lambda: qs.Real((2.5,)), TypeError),
        (lambda: qs.Real((-1,)), ValueError),
        (lambda: qs.Real((2,), low=1, high=0), ValueError),
        (lambda: qs.Levels((2,), low=1.0, high=1.0), ValueError),
    ):
        with pytest.raises(error):
            call()  # type: ignore[no-untyped-call]


def test_choices_that_do_not_fit(plane: qs.Diffusion) -> None:
    for kernel, event in (("gaussian", qs.Binary((2,))), ("uniform", qs.Real((2,)))):
        with pytest.raises(IncompatibleError, match=f"kernel '{kernel}' takes .*; kernels that fit"):
            qs.make("kernel", kernel, event)
    with pytest.raises(DataError, match="side: expected"):
        qs.fit(plane, qs.Data(np.zeros((20, 2)), np.zeros(19, int)), qs.make("objective", "bound"), updates=1)
    with pytest.raises(DataError, match="side: expected"):
        qs.sample(plane, 2, key=KEY, side=jax.numpy.zeros((2, 2), int))
