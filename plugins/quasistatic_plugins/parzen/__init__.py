"""A legacy measure of samples, for comparison with tables of old."""

from __future__ import annotations

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [
        qs.Command(
            "parzen", "Legacy: Parzen-window log-likelihood of pictures, as in 2014.", "quasistatic_plugins.parzen.command:parzen"
        )
    ]
