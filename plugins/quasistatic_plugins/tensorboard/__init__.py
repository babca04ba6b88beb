"""Metrics for TensorBoard."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class TensorboardOptions:
    """Event files for TensorBoard: losses, K, weights, samples, and the ledger step by step."""


@qs.hookimpl
def quasistatic_observers() -> list[qs.Component]:
    return [
        qs.Component(
            "observer",
            "tensorboard",
            TensorboardOptions,
            build="quasistatic_plugins.tensorboard.observer:TensorBoard",
            is_default=True,
        )
    ]
