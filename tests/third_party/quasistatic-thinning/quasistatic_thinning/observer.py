"""An observer that counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import quasistatic as qs
from quasistatic_thinning import TallyOptions


class Tally(qs.AbstractObserver):
    """Writes tally.txt at the end: how many chunks and validations there were."""

    def __init__(self, options: TallyOptions, out: Path | None):
        self.out, self.chunks, self.validations = out, 0, 0

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        self.chunks += 1

    def validation(self, update: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        self.validations += 1

    def finish(self, update: int, reason: str) -> None:
        if self.out is not None:
            (self.out / "tally.txt").write_text(f"{self.chunks} chunks, {self.validations} validations, {reason}\n")
