"""Which stored events an update reads: a stateless index, whose whole state is the number of the update."""

from __future__ import annotations

import functools
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np

from quasistatic._data.source import Rows

ROUNDS = 6  # of the Feistel network
TOGETHER = 2**14  # row numbers that are worked out at once: for the few of a chunk, numpy's calls would cost more than their work


def permuted(positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Where positions (n,) of all epochs, one after another, are sent by the random permutation of 0 .. count - 1 of each epoch.

    A Feistel network permutes the numbers below a power of four; what falls outside is sent on until it is inside. No array of all
    numbers is ever made.
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    epochs, places = np.divmod(positions, count)
    first, last = int(epochs.min()), int(epochs.max())
    rounds = np.stack([_rounds(seed, epoch, half) for epoch in range(first, last + 1)], axis=1).reshape(ROUNDS, -1)
    starts = (epochs - first) << half  # of an epoch, in each round
    found = _sent(places, starts, rounds, half)
    outside = np.flatnonzero(found >= count)
    while len(outside):
        again = _sent(found[outside], starts[outside], rounds, half)
        found[outside] = again
        outside = outside[again >= count]
    return found


@functools.lru_cache(maxsize=2)
def _rounds(seed: int, epoch: int, half: int) -> np.ndarray:
    """What each round of an epoch's network adds to one half of a number, for every value of the other: (rounds, 2**half)."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64)))
    keys = generator.integers(2**63, size=(ROUNDS, 1)).astype(np.uint64)
    values = np.arange(2**half, dtype=np.uint64)
    return (_mixed(values ^ keys) & np.uint64(2**half - 1)).astype(np.int64)


def _sent(numbers: np.ndarray, starts: np.ndarray, rounds: np.ndarray, half: int) -> np.ndarray:
    """Numbers (n,) once through the networks of their epochs, whose values start at these places of every round."""
    left, right = numbers >> half, numbers & (2**half - 1)
    for values in rounds:
        left, right = right, left ^ values[starts + right]
    return (left << half) | right


def _mixed(x: np.ndarray) -> np.ndarray:
    """Every bit depends on every bit (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class Batches:
    """Rows for chunks of `fuse` updates, each epoch in a new order without replacement, read one chunk ahead.

    None: the source generates, there are no rows.
    """

    def __init__(self, stored: Rows | None, batch: int, fuse: int, seed: int):
        self._stored, self._batch, self._fuse, self._seed = stored, batch, fuse, seed
        self._reader = ThreadPoolExecutor(1, "rows")
        self._ahead: tuple[int, Future[Any]] | None = None
        self._first, self._known = 0, np.empty((0, batch), np.int64)  # row numbers from this update on

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.shutdown(cancel_futures=True)

    def numbers(self, first: int, updates: int) -> np.ndarray:
        """Row numbers of the batches of `updates` updates from `first` on, shape (updates, batch)."""
        assert self._stored is not None
        positions = np.arange(first * self._batch, (first + updates) * self._batch)
        return permuted(positions, len(self._stored), self._seed).reshape(updates, self._batch)

    def chunk(self, first: int) -> Any:
        """The rows of the `fuse` updates from `first` on, with leading axes (fuse, batch)."""
        if self._stored is None:
            return None
        if self._ahead is not None and self._ahead[0] == first:
            return self._ahead[1].result()
        return self._read(first)

    def read_ahead(self, first: int) -> None:
        """Begin to read the chunk that starts with this update."""
        if self._stored is not None:
            self._ahead = (first, self._reader.submit(self._read, first))

    def _read(self, first: int) -> Any:
        assert self._stored is not None
        rows = self._stored[self._known_numbers(first)]
        return jax.tree.map(np.asarray, rows)

    def _known_numbers(self, first: int) -> np.ndarray:
        """The row numbers of a chunk, shape (fuse, batch): with those of the next chunks, where they are not known yet."""
        start = first - self._first
        if not 0 <= start <= len(self._known) - self._fuse:
            self._first, self._known, start = first, self.numbers(first, max(self._fuse, TOGETHER // self._batch)), 0
        return self._known[start : start + self._fuse]
