"""Metrics as lines of JSON."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class JsonlOptions:
    """One JSON object a line in metrics.jsonl: losses and K over training, in nats."""

    every: int = qs.option(100, "least number of updates between lines of progress", attrs.validators.ge(1))


@qs.hookimpl
def quasistatic_observers() -> list[qs.Component]:
    return [qs.Component("observer", "jsonl", JsonlOptions, build="quasistatic_plugins.jsonl.observer:JsonLines", is_default=True)]
