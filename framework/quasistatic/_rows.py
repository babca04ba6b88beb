"""Which stored events a step reads: a stateless index, whose whole state is the number of the step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs
import jax
import numpy as np


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64))).permutation(count)


@attrs.frozen(eq=False)
class Rows:
    """Batches of `stored` rows, each epoch in a new order without replacement.

    None: the source generates, there are no rows.
    """

    stored: Any
    batch: int
    seed: int

    def at(self, step: int) -> np.ndarray:
        """Row numbers of the batch of this step, shape (batch,)."""
        count = len(jax.tree.leaves(self.stored)[0])
        positions = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs = positions // count
        numbers = np.empty(self.batch, np.int64)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            numbers[chosen] = _permutation(self.seed, int(epoch), count)[positions[chosen] % count]
        return numbers

    def chunk(self, first: int, count: int) -> Any:
        """The rows of `count` steps from `first` on, with leading axes (count, batch)."""
        if self.stored is None:
            return None
        numbers = np.stack([self.at(first + i) for i in range(count)])
        return jax.tree.map(lambda leaf: np.asarray(leaf[numbers]), self.stored)
