"""Observers watch a training run. They are told; they change nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
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


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)


class Watched(AbstractObserver):
    """An observer that cannot stop training: the first error it raises is reported, and then it is told no more.

    `name` says whose it is; `report` takes the message, which is a warning of Python unless given.
    """

    def __init__(self, observer: AbstractObserver, name: str = "", report: Callable[[str], None] = _warn):
        self._observer: AbstractObserver | None = observer
        self._name = name or f"observer {type(observer).__qualname__}"
        self._report = report

    def start(self, info: RunInfo) -> None:
        self._tell("start", info)

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        self._tell("progress", step, dict(metrics))

    def validation(self, step: int, ledger: Ledger, diffusion: Diffusion) -> None:
        self._tell("validation", step, ledger, diffusion)

    def finish(self, step: int, reason: str) -> None:
        self._tell("finish", step, reason)

    def _tell(self, method: str, *news: Any) -> None:
        if self._observer is None:
            return
        try:
            getattr(self._observer, method)(*news)
        except (Exception, SystemExit) as error:
            self._observer = None
            after = "" if method == "finish" else ", training goes on"
            self._report(f"{self._name} raised {said(error)} in {method}; it is switched off{after}")


def watched(observer: AbstractObserver) -> Watched:
    """The observer, kept from stopping training if it is not yet."""
    return observer if isinstance(observer, Watched) else Watched(observer)
