"""quasistatic sample --compare"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quasistatic.cli.parts import echo, echo_table

if TYPE_CHECKING:
    from quasistatic._plugins.manager import PluginManager
    from quasistatic._process.grid import Steps
    from quasistatic._runs.comparison import Quality
    from quasistatic._runs.run import Run


def compare(run: Run, manager: PluginManager, number: int, seed: int, out: Path | None, steps: Steps = None) -> None:
    """Print the quality of every sampler that fits by its calls, and which to use; with `out` also draw it."""
    from quasistatic._recipes.samplers import fitting_samplers
    from quasistatic._runs.comparison import CALLS, compare_samplers
    from quasistatic._storage.files import write_durably

    fitting = {name: each for name, each in fitting_samplers(run.diffusion, manager).items() if each.states == 1}
    found = compare_samplers(run, fitting, number, CALLS, seed=seed, steps=steps)
    headers = ["sampler", "calls", "distance to data", "+-", "log p, nats", "events per second"]
    echo_table(headers, [_cells(row) for row in (*found.rows, found.reference)])
    echo(f"data to data: {found.floor:.4f}")
    best = found.recommended
    if best is found.reference:
        echo(f"none is as near to the data as the run's own {best.calls} calls")
    else:
        echo(f"use: --sampler {best.sampler} --calls {best.calls}")
    if out is not None:
        from quasistatic._report.comparison import drawn
        from quasistatic._report.figure import encode

        write_durably(out, encode(drawn(found), out.suffix[1:].lower()))


def _cells(row: Quality) -> list[str]:
    log_prob = "" if row.log_prob is None else f"{row.log_prob:.3f}"
    return [row.sampler, str(row.calls), f"{row.distance:.4f}", f"{row.error:.4f}", log_prob, f"{row.events_per_second:.3g}"]
