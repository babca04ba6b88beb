"""What is computed and how long it will take, on stderr: a bar that goes away, or lines where stderr is no terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from quasistatic._process.progress import listening
from quasistatic.cli.parts import echo

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET = 10.0  # seconds without a word, at least, where stderr is no terminal


class Waiting:
    """Listens to long computations. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._bar: Progress | None = None
        self._began = self._said = clock()

    def __call__(self, what: str, done: int, count: int) -> None:
        now = self._clock()
        if done == 0:
            self._began = now
            self._open(what, count)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
        elif 0 < done < count and now - self._said >= QUIET:
            self._said = now
            left = timedelta(seconds=round((now - self._began) * (count - done) / done))
            echo(f"{what}: {done} of {count}, {left} left", err=True)
        if done == count:
            self.close()

    def _open(self, what: str, count: int) -> None:
        from rich import progress
        from rich.console import Console

        self.close()
        console = Console(stderr=True, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            columns = (
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("after"),
                progress.TimeElapsedColumn(),
                progress.TextColumn("left"),
                progress.TimeRemainingColumn(),
            )
            # stdout may be a pipe: it is left alone
            self._bar = progress.Progress(*columns, console=console, transient=True, redirect_stdout=False, refresh_per_second=2)
            self._bar.add_task(what, total=count)
            self._bar.start()

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextlib.contextmanager
def shown_waiting() -> Iterator[None]:
    """What is computed inside is shown while it lasts."""
    waiting = Waiting()
    try:
        with listening(waiting):
            yield
    finally:
        waiting.close()
