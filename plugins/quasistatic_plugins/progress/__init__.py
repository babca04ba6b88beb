"""A progress bar."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class ProgressOptions:
    """A bar on the terminal with the loss, the last K and the time left; a line now and then where there is no terminal."""


@qs.hookimpl
def quasistatic_observers() -> list[qs.Component]:
    return [qs.Component("observer", "progress", ProgressOptions, build="quasistatic_plugins.progress.observer:ProgressBar")]
