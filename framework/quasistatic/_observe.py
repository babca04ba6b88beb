"""Observers watch a training run. They are told; they change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from quasistatic._diffusion import Diffusion
    from quasistatic._ledger import Ledger


@attrs.frozen(eq=False)
class RunInfo:
    """What is about to run: the `recipe` as TOML values, updates `first_step` to `steps`, and two of its parts."""

    recipe: Mapping[str, Any]
    event: str
    parameters: int
    state_bytes: int
    first_step: int
    steps: int
    source: Any
    sampler: Any


class AbstractObserver:
    """Every method does nothing unless overridden, so that an observer says only what it cares about."""

    def start(self, info: RunInfo) -> None:
        """Before the first step (or the first one after a resume)."""

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        """After every chunk of fused steps; `step` steps are done.

        `metrics` has at least 'loss_nats', mean over the chunk.
        """

    def validation(self, step: int, ledger: Ledger, diffusion: Diffusion) -> None:
        """After every measurement of K on the validation split; `diffusion` holds the averaged weights."""

    def finish(self, step: int, reason: str) -> None:
        """At the end: `reason` is 'done', 'stopped' (a signal) or 'failed'. Also called when training raises."""
