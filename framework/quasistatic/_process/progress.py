"""How far long work is, for a listener: a bar on a terminal, or none at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line is not to wait for numpy
    import numpy as np

Listener = Callable[[str, int, int], None]  # what is computed, rows done, rows in all

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """All that is computed inside reports its progress to `listener`; None is no listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def counted(what: str, blocks: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The blocks of row numbers of `count` rows, each counted as done when the next one is requested."""
    listener = _listener.get()
    done = 0
    for block in blocks:
        if listener is not None:
            listener(what, done, count)
        yield block
        done = min(done + len(block), count)
    if listener is not None:
        listener(what, count, count)
