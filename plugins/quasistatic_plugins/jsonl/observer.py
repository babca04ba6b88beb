"""metrics.jsonl: what happened, one object a line, as if the run had never been interrupted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import quasistatic as qs
from quasistatic_plugins.jsonl import JsonlOptions


class JsonLines(qs.AbstractObserver):
    """Appends to OUT/metrics.jsonl; without a folder it does nothing."""

    def __init__(self, options: JsonlOptions, out: Path | None):
        self._options, self._path = options, None if out is None else out / "metrics.jsonl"
        self._file: TextIO | None = None
        self._written = 0

    def start(self, info: qs.RunInfo) -> None:
        if self._path is None:
            return
        kept = [line for line in _whole_lines(self._path) if line["step"] <= info.first_step and line["kind"] != "finish"]
        self._file = self._path.open("w", encoding="utf-8")
        for line in kept:
            self._write(line)
        self._written = info.first_step
        if info.first_step == 0:
            self._write({"kind": "start", "step": 0, "steps": info.steps, "parameters": info.parameters})

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        if step // self._options.every > self._written // self._options.every:
            self._written = step
            self._write({"kind": "progress", "step": step, **metrics})

    def validation(self, step: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        bound = ledger.bound
        self._write(
            {
                "kind": "validation",
                "step": step,
                "bound_nats": bound.value,
                "standard_error_nats": bound.standard_error,
                "bound_bits_per_dim": bound.to("bits/dim").value,
                "first_nats": ledger.first.value,
                "gaps_nats": ledger.total_gap.value,
                "prior_nats": ledger.prior.value,
                "T": ledger.steps,
                "events": bound.events,
            }
        )

    def finish(self, step: int, reason: str) -> None:
        self._write({"kind": "finish", "step": step, "reason": reason})
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps({key: _plain(value) for key, value in line.items()}) + "\n")
            self._file.flush()


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """What an earlier part of the run wrote; a line that a kill cut short is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "step" in line and "kind" in line:
            lines.append(line)
    return lines
