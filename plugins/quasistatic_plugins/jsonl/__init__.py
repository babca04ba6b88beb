"""Metrics as lines of JSON."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class JsonlOptions:
    """One JSON object a line in metrics.jsonl: losses and K over training, in nats."""

    every: int = attrs.field(
        default=100,
        validator=attrs.validators.ge(1),
        metadata={"help": "least number of updates between lines of progress"},
    )


@qs.hookimpl
def quasistatic_observers() -> list[qs.Component]:
    return [qs.Component("observer", "jsonl", JsonlOptions, build="quasistatic_plugins.jsonl.observer:JsonLines", is_default=True)]
