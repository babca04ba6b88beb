"""Training once more on the rows of all splits, when how long to train has been found with some of them held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from quasistatic._data.source import AbstractRefitting, AbstractSource, Data, Rows, Split, capability
from quasistatic._process.distribution import Key, State
from quasistatic._training.loop import Outcome, fit_task
from quasistatic._training.observer import AbstractObserver
from quasistatic._training.store import Store
from quasistatic._training.task import Task


class _Whole(AbstractSource):
    """A source all of whose rows are trained on, so that there is nothing to choose by."""

    def __init__(self, source: AbstractSource):
        self._source = source
        self.event, self.side, self.units, self.notes = source.event, source.side, source.units, source.notes

    def split(self, name: Split, count: int | None = None) -> Data:
        return self._source.split(name, count if name == "train" else 0)

    def stored(self) -> Rows:
        refitting = capability(self._source, AbstractRefitting)
        assert refitting is not None
        return refitting.all_rows()

    def draw(self, row: Any, *, key: Key) -> tuple[State, State | None]:
        return self._source.draw(row, key=key)


def whole(task: Task) -> Task:
    """The task on the rows of all splits."""
    return attrs.evolve(task, source=_Whole(task.source))


def refit(
    task: Task,
    updates: int,
    observers: Sequence[AbstractObserver] = (),
    store: Store | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train from the start of `task` on all rows, for so many updates, on the same course of the learning rate."""
    return fit_task(whole(task), observers, store, stop, until=updates)
