"""How draws under a condition are made: what the commands have in common."""

from __future__ import annotations

from pathlib import Path

import attrs

METHODS = ("exact", "bridged", "paper", "paper-ramp")


@attrs.frozen
class How:
    """Which run, which of `METHODS`, on what chain, and where to."""

    folder: Path
    out: Path
    method: str
    particles: int
    steps: int | None
    seed: int
    as_json: bool
    draws: int = 1
