"""How unusual events are: scores with p-values, alarms at a rate that is certified, and the columns that make an event unusual."""

from __future__ import annotations

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [
        qs.Command(
            "score",
            "Score how unusual events are, with alarms at a rate.",
            "quasistatic_plugins.scoring.command:score",
        )
    ]
