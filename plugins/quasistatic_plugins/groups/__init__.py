"""Events as vectors, and groups of them that are learned without labels."""

from __future__ import annotations

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [
        qs.Command("features", "Write events as vectors for other tools.", "quasistatic_plugins.groups.command:features"),
        qs.Command("cluster", "Learn classes of events without labels.", "quasistatic_plugins.groups.command:cluster"),
    ]
