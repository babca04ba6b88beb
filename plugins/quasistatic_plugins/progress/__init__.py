"""A progress bar."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class ProgressOptions:
    """A bar on stderr with the loss and the time left, and every K; in a notebook too. Lines now and then elsewhere."""


@qs.hookimpl
def quasistatic_observers() -> list[qs.Component]:
    return [
        qs.Component(
            "observer",
            "progress",
            ProgressOptions,
            build="quasistatic_plugins.progress.observer:ProgressBar",
            is_default=True,
        )
    ]
