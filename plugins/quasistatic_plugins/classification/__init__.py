"""Which class an event is of, and K of events of unknown class."""

from __future__ import annotations

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [
        qs.Command(
            "classify",
            "Classify events by K, and K without the class.",
            "quasistatic_plugins.classification.command:classify",
        )
    ]
