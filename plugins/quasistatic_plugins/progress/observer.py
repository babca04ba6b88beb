"""A bar on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import quasistatic as qs
from quasistatic_plugins.progress import ProgressOptions


class ProgressBar(qs.AbstractObserver):
    """Shows where training is, on stderr."""

    def __init__(self, options: ProgressOptions, out: Path | None):
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._steps = 0
        self._bound = ""

    def start(self, info: qs.RunInfo) -> None:
        self._steps = info.steps
        if not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
        )
        self._bar.add_task("training", total=info.steps, completed=info.first_step, figures="compiling")
        self._bar.start()

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._bar is not None:
            figures = f"loss {metrics['loss_nats']:.3f} nats{self._bound}"
            self._bar.update(self._bar.task_ids[0], completed=step, figures=figures)

    def validation(self, step: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        self._bound = f"  K (T = {ledger.steps}) {ledger.bound.to('bits')}"
        if self._bar is None:
            self._console.print(f"step {step} of {self._steps}:{self._bound} per event", highlight=False)

    def finish(self, step: int, reason: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
