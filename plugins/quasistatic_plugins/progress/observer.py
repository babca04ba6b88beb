"""A bar on stderr, a line that is written anew in a notebook, or lines where stderr is neither."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import quasistatic as qs
from quasistatic_plugins.progress import ProgressOptions

QUIET = 10.0  # seconds between two lines, at least
ANEW = 0.25  # seconds between two states of the line of a notebook
WIDTH = 24  # characters of its bar


class ProgressBar(qs.AbstractObserver):
    """Shows where training is; every K stays on the screen. `clock` gives seconds."""

    is_display: ClassVar[bool] = True

    def __init__(self, options: ProgressOptions, out: Path | None, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        # rich draws in a notebook with widgets alone; the kernel's own stream goes back to the start of a line
        self._is_notebook = type(sys.stderr).__module__.startswith("ipykernel.")
        self._line = ""
        self._updates = 0
        self._began: tuple[int, float] | None = None
        self._printed = (0, clock())

    def start(self, info: qs.RunInfo) -> None:
        self._updates, self._began = info.updates, None
        self._printed = (info.first_update, self._clock())
        if self._is_notebook or not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[shown]}")
        # stdout may be a pipe: it is left alone
        self._bar = Progress(*columns, console=self._console, redirect_stdout=False, refresh_per_second=4)
        self._bar.add_task("", total=info.updates, completed=info.first_update, shown="compiling")
        self._bar.start()

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        now = self._clock()
        shown = f"loss {metrics['loss_nats']:.3f} nats{self._left(update, now)}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=update, shown=shown)
            return
        printed, at = self._printed
        if self._is_notebook:
            if now - at >= ANEW or update == self._updates or not self._line:
                self._printed = (update, now)
                bar = "#" * (WIDTH * update // self._updates)
                self._rewrite(f"[{bar:{WIDTH}}] {update}/{self._updates} {shown}")
            return
        # a long run fills no log: a hundred lines at most
        if now - at >= QUIET and 100 * (update - printed) >= self._updates:
            self._printed = (update, now)
            self._say(update, shown)

    def validation(self, update: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        self._say(update, f"K (T = {ledger.steps}) {ledger.bound.customary()} per event")

    def finish(self, update: int, reason: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._end_line()

    def _say(self, update: int, shown: str) -> None:
        text = f"update {update} of {self._updates}: {shown}"
        if self._is_notebook:
            self._rewrite(text)
            self._end_line()
            return
        # `out` takes brackets for what they are, and never wraps
        self._console.out(text, highlight=False)

    def _rewrite(self, text: str) -> None:
        """This text in place of the line, whose end it covers."""
        sys.stderr.write(f"\r{text:{len(self._line)}}")
        sys.stderr.flush()
        self._line = text

    def _end_line(self) -> None:
        if self._line:
            sys.stderr.write("\n")
            self._line = ""

    def _left(self, update: int, now: float) -> str:
        """Time left at the pace since the end of the first chunk, whose compilation says nothing of the rest."""
        if self._began is None:
            self._began = (update, now)
        first, began = self._began
        if update == first:
            return ""
        return f", {timedelta(seconds=round((now - began) * (self._updates - update) / (update - first)))} left"
