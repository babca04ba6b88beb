"""Ctrl-C, SIGTERM and a terminal that closes ask a run to save and stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

# SIGHUP comes where a terminal is closed; not every system has it
STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stop:
    """Called by the training loop after every chunk; true once a signal has come."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal, as shells have it."""
        return 128 + (self.signal or 0)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second signal: the user will not wait
        self.signal = number


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that these signals set, but for those that are ignored, as under nohup; the old handlers are back afterwards."""
    stop = Stop()
    old = {number: signal.getsignal(number) for number in STOPPING}
    old = {number: handler for number, handler in old.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in old:
            signal.signal(number, stop._receive)
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
