"""How fast training went."""

from __future__ import annotations

import time
from collections.abc import Mapping

import attrs

from quasistatic._training.observer import AbstractObserver, RunInfo


@attrs.frozen
class Pace:
    """How many updates training took in this process, and how long, with compilation and validation.

    `update_seconds` are those of an update alone, of the quickest dispatch; None where fewer than two were timed.
    """

    updates: int
    seconds: float
    update_seconds: float | None = None


class Watch(AbstractObserver):
    """Measures from its making on; training in this process starts at the update `first`."""

    def __init__(self) -> None:
        self.first = 0
        self._began = time.monotonic()
        self._last: tuple[int, float] | None = None
        self._quickest: float | None = None

    def start(self, info: RunInfo) -> None:
        self.first = info.first_update

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        now = time.monotonic()
        if self._last is not None:
            took = (now - self._last[1]) / (update - self._last[0])
            self._quickest = took if self._quickest is None else min(took, self._quickest)
        self._last = update, now

    def until(self, update: int) -> Pace:
        """The pace up to this update."""
        return Pace(update - self.first, time.monotonic() - self._began, self._quickest)
