"""Observers are notified of what a training run does, and cannot change it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from quasistatic.errors import one_line

if TYPE_CHECKING:
    from quasistatic._data.source import AbstractSource
    from quasistatic._process.diffusion import Diffusion
    from quasistatic._process.ledger import Ledger
    from quasistatic._process.sampler import AbstractSampler


@attrs.frozen(eq=False)
class RunInfo:
    """What is about to run: the `recipe` as TOML values (empty without one), updates `first_update` to `updates`."""

    recipe: Mapping[str, Any]
    event: str
    parameters: int
    state_bytes: int
    first_update: int
    updates: int
    source: AbstractSource
    sampler: AbstractSampler


class AbstractObserver:
    """Every method does nothing unless overridden, so that an observer writes only what it cares about.

    `is_display` declares that it only shows something on the terminal: it is left out of a quiet run.
    """

    is_display: ClassVar[bool] = False

    def start(self, info: RunInfo) -> None:
        """Before the first update (or the first one after a resume)."""

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        """After every chunk of fused updates; `update` updates are done.

        `metrics` are means over the chunk: 'loss_nats', 'gradient_norm', and the scalars of the objective.
        """

    def validation(self, update: int, ledger: Ledger, diffusion: Diffusion) -> None:
        """After every measurement of K on the validation split; `diffusion` holds the averaged weights."""

    def finish(self, update: int, reason: str) -> None:
        """At the end: `reason` is 'done', 'stopped' (a signal) or 'failed'. Also called when training raises."""


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)


class GuardedObserver(AbstractObserver):
    """An observer that cannot stop training: the first error it raises is reported, and then it is switched off.

    `name` says whose it is; `report` takes the message, which is a warning of Python unless given.
    """

    def __init__(self, observer: AbstractObserver, name: str = "", report: Callable[[str], None] = _warn):
        self._observer: AbstractObserver | None = observer
        self._name = name or f"observer {type(observer).__qualname__}"
        self._report = report
        self.is_display = observer.is_display  # type: ignore[misc]  # of this one alone

    def start(self, info: RunInfo) -> None:
        self._notify("start", info)

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        self._notify("progress", update, dict(metrics))

    def validation(self, update: int, ledger: Ledger, diffusion: Diffusion) -> None:
        self._notify("validation", update, ledger, diffusion)

    def finish(self, update: int, reason: str) -> None:
        self._notify("finish", update, reason)

    def _notify(self, method: str, *news: Any) -> None:
        if self._observer is None:
            return
        try:
            getattr(self._observer, method)(*news)
        except (Exception, SystemExit) as error:
            self._observer = None
            after = "" if method == "finish" else ", training goes on"
            with contextlib.suppress(OSError):  # where the terminal is gone, there is no one to report to
                self._report(f"{self._name} raised {one_line(error)} in {method}; it is switched off{after}")


def guard(observer: AbstractObserver) -> GuardedObserver:
    """The observer, kept from stopping training if it is not yet."""
    return observer if isinstance(observer, GuardedObserver) else GuardedObserver(observer)
