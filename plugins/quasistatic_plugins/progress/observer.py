"""A bar on stderr, or lines where stderr is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import quasistatic as qs
from quasistatic_plugins.progress import ProgressOptions

QUIET = 10.0  # seconds between two lines, at least


class ProgressBar(qs.AbstractObserver):
    """Shows where training is; every K stays on the screen. `clock` gives seconds."""

    def __init__(self, options: ProgressOptions, out: Path | None, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._steps = 0
        self._began: tuple[int, float] | None = None
        self._said = (0, clock())

    def start(self, info: qs.RunInfo) -> None:
        self._steps = info.steps
        self._said = (info.first_step, self._clock())
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}")
        # stdout may be a pipe: it is left alone
        self._bar = Progress(*columns, console=self._console, redirect_stdout=False, refresh_per_second=4)
        self._bar.add_task("", total=info.steps, completed=info.first_step, figures="compiling")
        self._bar.start()

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        now = self._clock()
        figures = f"loss {metrics['loss_nats']:.3f} nats{self._left(step, now)}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, figures=figures)
            return
        said, at = self._said
        # a long run fills no log: a hundred lines at most
        if now - at >= QUIET and 100 * (step - said) >= self._steps:
            self._said = (step, now)
            self._say(step, figures)

    def validation(self, step: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        self._say(step, f"K (T = {ledger.steps}) {ledger.bound.customary()} per event")

    def finish(self, step: int, reason: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _say(self, step: int, figures: str) -> None:
        # `out` takes brackets for what they are, and never wraps
        self._console.out(f"step {step} of {self._steps}: {figures}", highlight=False)

    def _left(self, step: int, now: float) -> str:
        """Time left at the pace since the end of the first chunk, whose compilation says nothing of the rest."""
        if self._began is None:
            self._began = (step, now)
        first, began = self._began
        if step == first:
            return ""
        return f", {timedelta(seconds=round((now - began) * (self._steps - step) / (step - first)))} left"
