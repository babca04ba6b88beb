"""A trained run for programs that know nothing of quasistatic."""

from __future__ import annotations

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [
        qs.Command(
            "export", "Write a run's sampler and bound as StableHLO, for jax alone.", "quasistatic_plugins.export.command:export"
        )
    ]
