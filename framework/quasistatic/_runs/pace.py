"""How fast training went."""

from __future__ import annotations

import time

import attrs

from quasistatic._training.observer import AbstractObserver, RunInfo


@attrs.frozen
class Pace:
    """How many updates training took in this process, and how long, with compilation and validation."""

    updates: int
    seconds: float


class Watch(AbstractObserver):
    """Measures from its making on; training in this process starts at the update `first`."""

    def __init__(self) -> None:
        self.first = 0
        self._began = time.monotonic()

    def start(self, info: RunInfo) -> None:
        self.first = info.first_update

    def until(self, update: int) -> Pace:
        """The pace up to this update."""
        return Pace(update - self.first, time.monotonic() - self._began)
