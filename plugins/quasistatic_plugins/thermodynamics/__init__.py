"""The thermodynamic observatory: work, dissipation and entropy of a finished run, and chains with better steps."""

from __future__ import annotations

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    where = "quasistatic_plugins.thermodynamics.command"
    return [
        qs.Command("thermo", "Measure work, dissipation and entropy production of a run.", f"{where}:thermo"),
        qs.Command("schedule", "Place the steps of a run's chain where they dissipate least.", f"{where}:schedule"),
        qs.Command("landscape", "The energy of a run, its modes and how they merge.", f"{where}:landscape"),
    ]
