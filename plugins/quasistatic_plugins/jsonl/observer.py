"""metrics.jsonl: what happened, one object a line, as if the run had never been interrupted."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import quasistatic as qs
from quasistatic_plugins.jsonl import JsonlOptions

Line = Mapping[str, Any]


class JsonLines(qs.AbstractObserver):
    """Appends to OUT/metrics.jsonl; without a folder it does nothing.

    A resumed run first drops what its predecessor wrote after the checkpoint. Lines hold no times of day: an
    interrupted run and an uninterrupted one leave the same file. What is not finite is null.
    """

    def __init__(self, options: JsonlOptions, out: Path | None):
        self._every = options.every
        self._path = None if out is None else out / "metrics.jsonl"
        self._file: TextIO | None = None
        self._written = 0

    def start(self, info: qs.RunInfo) -> None:
        if self._path is None:
            return
        begin = {"kind": "start", "update": 0, "updates": info.updates, "event": info.event, "parameters": info.parameters}
        with self._explained():
            lines = [begin, *_kept(self._path, info.first_update)]
            qs.files.write_durably(self._path, "".join(map(_text, lines)).encode())
            self._file = self._path.open("a", encoding="utf-8")
        self._written = info.first_update

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        if update // self._every > self._written // self._every:
            self._written = update
            self._write({"kind": "progress", "update": update, **metrics})

    def validation(self, update: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        bound = ledger.bound
        parts = {"first": ledger.first, "gaps": ledger.total_gap, "prior": ledger.prior}
        self._write(
            {
                "kind": "validation",
                "update": update,
                "bound_nats": bound.value,
                "standard_error_nats": bound.standard_error,
                "bound_bits_per_dim": bound.to("bits/dim").value,
                **{f"{name}_nats": part.value for name, part in parts.items()},
                **{f"{name}_standard_error_nats": part.standard_error for name, part in parts.items()},
                "trajectory_steps": ledger.steps,
                "events": bound.events,
                "evaluations": ledger.evaluations,
            }
        )

    def finish(self, update: int, reason: str) -> None:
        self._write({"kind": "finish", "update": update, "reason": reason})
        self._close()

    def _write(self, line: Line) -> None:
        if self._file is not None:
            with self._explained():
                self._file.write(_text(line))
                self._file.flush()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._close()
            raise qs.errors.QuasistaticError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written was reported
                self._file.close()
            self._file = None


def _text(line: Line) -> str:
    return json.dumps({key: _plain(value) for key, value in line.items()}, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kept(path: Path, last: int) -> Iterator[dict[str, Any]]:
    """What an earlier part of the run reported of the updates up to `last`; a line that a kill cut short is no more."""
    if last == 0 or not path.exists():
        return
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        match line:
            case {"kind": "progress" | "validation", "update": int(update)} if update <= last:
                yield line
