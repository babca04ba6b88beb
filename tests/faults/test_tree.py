"""Pytrees come back bit for bit, or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import ml_dtypes
import numpy as np
import optax
import pytest
from hypothesis import given, settings

from quasistatic._storage import checkpoint
from quasistatic.errors import CheckpointError

NARROW = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", ml_dtypes.bfloat16, "float32"]
WIDE = ["int64", "uint64", "float64"]


@st.composite
def leaves(draw: st.DrawFn) -> Any:
    """Any bits, nan payloads included, in any shape; the wide dtypes in numpy alone (jax has them only in x64)."""
    on_device = draw(st.booleans())
    dtype = np.dtype(draw(st.sampled_from(NARROW if on_device else NARROW + WIDE)))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    bits = draw(st.binary(min_size=dtype.itemsize * int(np.prod(shape)), max_size=dtype.itemsize * int(np.prod(shape))))
    if dtype.kind == "b":
        bits = bytes(b & 1 for b in bits)
    array = np.frombuffer(bits, dtype).reshape(shape)
    return jnp.asarray(array) if on_device else array


def _blank(leaf: Any) -> Any:
    zeros = np.zeros(leaf.shape, leaf.dtype)
    return jnp.asarray(zeros) if isinstance(leaf, jax.Array) else zeros


names = st.text("ab'\n\u00e9\u202e/.", max_size=3)
trees = st.recursive(leaves() | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(trees)
def test_any_tree_comes_back(tree: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint.save(Path(folder), 1, checkpoint.flatten(tree), {})
        arrays, _ = checkpoint.load(path)
    blank = jax.tree.map(_blank, tree)
    found = checkpoint.restore(blank, arrays)
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    for leaf, expected in zip(jax.tree.leaves(found), jax.tree.leaves(tree), strict=True):
        assert isinstance(leaf, jax.Array) == isinstance(expected, jax.Array)
        assert leaf.dtype == expected.dtype and leaf.shape == expected.shape
        assert np.asarray(leaf).tobytes() == np.asarray(expected).tobytes()


@pytest.fixture
def state() -> Any:
    model = eqx.filter(eqx.nn.MLP(2, 3, 4, 1, key=jr.key(0)), eqx.is_inexact_array)
    return {"model": model, "optimiser": optax.adam(1e-3).init(model), "key": jr.key_data(jr.key(1))}


def test_a_training_state(state: Any) -> None:
    arrays = checkpoint.flatten(state)
    assert "['model'].layers[0].weight" in arrays and "['optimiser'][0].mu.layers[1].bias" in arrays
    assert eqx.tree_equal(checkpoint.restore(state, arrays), state)


def test_weak_types_stay() -> None:
    """How a leaf promotes decides the bits of the next step, and whether it is traced again."""
    tree = {"weak": jnp.asarray(0.5), "strong": jnp.asarray(0.5, jnp.float32)}
    found = checkpoint.restore(tree, {name: array * 2 for name, array in checkpoint.flatten(tree).items()})
    assert found["weak"].weak_type and not found["strong"].weak_type
    assert float(found["weak"]) == 1.0


def test_restored_arrays_are_their_own() -> None:
    room = np.zeros(2048, np.float32)
    start = -room.ctypes.data % 64 // 4  # jax borrows the memory of aligned arrays unless it is told to copy
    arrays = {"": room[start : start + 1024]}
    for template in (jnp.zeros(1024), np.zeros(1024, np.float32)):
        found = checkpoint.restore(template, arrays)
        arrays[""][:] = 1 - arrays[""]
        assert (np.asarray(found) != arrays[""]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"['b']": None}, "['b']: found nothing, expected int32 of shape ()"),
        ({"['c']": np.zeros(2)}, "['c']: found float64 of shape (2,), expected nothing"),
        (
            {"['a']": np.zeros((3, 2), np.float32)},
            "['a']: found float32 of shape (3, 2), expected float32 of shape (2, 3)",
        ),
        (
            {"['a']": np.zeros((2, 3), np.float16)},
            "['a']: found float16 of shape (2, 3), expected float32 of shape (2, 3)",
        ),
        ({"['b']": np.zeros(1, np.int32)}, "['b']: found int32 of shape (1,), expected int32 of shape ()"),
    ],
    ids=["missing", "surplus", "shape", "dtype", "scalar"],
)
def test_another_model_is_named(change: dict[str, Any], message: str) -> None:
    template = {"a": jnp.zeros((2, 3)), "b": jnp.zeros((), jnp.int32)}
    arrays = {k: v for k, v in {**checkpoint.flatten(template), **change}.items() if v is not None}
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restore(template, arrays)
    assert str(caught.value) == f"this checkpoint is of another model\n{message}"


def test_many_differences_are_counted() -> None:
    with pytest.raises(CheckpointError, match=r"and 12 more$"):
        checkpoint.restore([jnp.zeros(1)] * 20, {})


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (jr.key(0), "typed PRNG key"),
        (3, "int cannot"),
        ("x", "str cannot"),
        (jax.nn.relu, "cannot"),
        (np.float32(1), "float32 cannot"),
    ],
    ids=["key", "int", "str", "function", "numpy-scalar"],
)
def test_other_leaves_are_named(leaf: Any, reason: str) -> None:
    for call in (lambda: checkpoint.flatten({"deep": [leaf]}), lambda: checkpoint.restore({"deep": [leaf]}, {})):
        with pytest.raises(CheckpointError, match=r"^\['deep'\]\[0\]: .*" + reason):
            call()


def test_two_leaves_of_one_name() -> None:
    class Same:
        def __init__(self, order: int):
            self.order = order

        def __lt__(self, other: Any) -> bool:
            return bool(self.order < other.order)

        def __repr__(self) -> str:
            return "same"

    with pytest.raises(CheckpointError, match=r"^\[same\]: two leaves"):
        checkpoint.flatten({Same(0): jnp.zeros(1), Same(1): jnp.ones(1)})
