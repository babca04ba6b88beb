"""metrics.jsonl: what happened, one object a line, as if the run had never been interrupted."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
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
        begin = {"kind": "start", "step": 0, "steps": info.steps, "event": info.event, "parameters": info.parameters}
        with self._explained():
            _replace(self._path, [begin, *_kept(self._path, info.first_step)])
            self._file = self._path.open("a", encoding="utf-8")
        self._written = info.first_step

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        if step // self._every > self._written // self._every:
            self._written = step
            self._write({"kind": "progress", "step": step, **metrics})

    def validation(self, step: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        bound = ledger.bound
        parts = {"first": ledger.first, "gaps": ledger.total_gap, "prior": ledger.prior}
        self._write(
            {
                "kind": "validation",
                "step": step,
                "bound_nats": bound.value,
                "standard_error_nats": bound.standard_error,
                "bound_bits_per_dim": bound.to("bits/dim").value,
                **{f"{name}_nats": part.value for name, part in parts.items()},
                **{f"{name}_standard_error_nats": part.standard_error for name, part in parts.items()},
                "T": ledger.steps,
                "events": bound.events,
                "evaluations": ledger.evaluations,
            }
        )

    def finish(self, step: int, reason: str) -> None:
        self._write({"kind": "finish", "step": step, "reason": reason})
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
            raise qs.QuasistaticError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written was reported
                self._file.close()
            self._file = None


def _text(line: Line) -> str:
    return json.dumps({key: _plain(value) for key, value in line.items()}, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _replace(path: Path, lines: Iterable[Line]) -> None:
    """The whole file at once: a kill leaves the old one or the new one."""
    draft = path.with_name(f".partial-{path.name}")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(map(_text, lines))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


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
            case {"kind": "progress" | "validation", "step": int(step)} if step <= last:
                yield line
