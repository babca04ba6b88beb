"""Pytrees of arrays: one event, many events on a leading axis, and the shapes of either."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import numpy as np


def take(tree: Any, index: Any) -> Any:
    """Every leaf at this index (or slice, or row numbers) of its leading axis."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def count_of(tree: Any) -> int:
    """The length of the leading axis that all leaves share. Raises ValueError where they have none in common."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(tree)]
    counts = {shape[0] if shape else None for shape in shapes}
    if len(counts) != 1 or None in counts:
        raise ValueError(f"expected arrays with one leading axis in common, got shapes {', '.join(map(str, shapes)) or 'none'}")
    return int(counts.pop())  # type: ignore[arg-type]


def concatenate(trees: Sequence[Any]) -> Any:
    """Many trees of numpy arrays as one, along the leading axis."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)


@attrs.frozen
class Layout:
    """The shapes and dtypes of a pytree of arrays, as a value that can be compared, hashed and kept in a static field."""

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]

    @classmethod
    def of(cls, tree: Any) -> Layout:
        """The layout of arrays, or of `jax.ShapeDtypeStruct`s."""
        if isinstance(tree, Layout):
            return tree
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple(tuple(leaf.shape) for leaf in leaves), tuple(np.dtype(leaf.dtype) for leaf in leaves))

    @property
    def tree(self) -> Any:
        """The same as a pytree of `jax.ShapeDtypeStruct`."""
        return jax.tree.unflatten(self.structure, map(jax.ShapeDtypeStruct, self.shapes, self.dtypes))

    @property
    def size(self) -> int:
        """Number of scalars in one tree."""
        return sum(map(math.prod, self.shapes))

    def ravel(self, tree: Any) -> jax.Array:
        """One tree as a vector (size,)."""
        leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)]
        return jnp.concatenate(leaves) if leaves else jnp.zeros(0)

    def unravel(self, vector: jax.Array) -> Any:
        """The tree of a vector (size,), in the vector's dtype."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = jnp.split(vector, ends) if self.shapes else []
        return jax.tree.unflatten(self.structure, [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)])
