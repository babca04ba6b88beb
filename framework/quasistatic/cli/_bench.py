"""quasistatic bench"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from quasistatic.cli._common import manager_of, recipe_argument, recipe_of, set_option
from quasistatic.cli.parts import echo, echo_json, echo_table, json_option

if TYPE_CHECKING:
    from quasistatic._runs.speed import Speed


@click.command()
@recipe_argument
@set_option
@click.option(
    "--seconds", type=click.FloatRange(0.01, 600.0), default=1.0, show_default=True, help="Length of each of five rounds."
)
@json_option
@click.pass_context
def bench(ctx: click.Context, recipe: str, overrides: tuple[str, ...], seconds: float, as_json: bool) -> None:
    """Time this machine, and a RECIPE on it: updates, samples and values of K a second.

    Nothing is trained for good and nothing is written. The loop is training as `quasistatic train` does it, without measuring K and
    without observers; beside it stands its compiled update alone, timed in turns. Utilisation is the operations of the network
    (three calls for each event of an update: forwards, and twice that backwards) as a share of those of a product of matrices.
    """
    chosen = recipe_of(ctx, recipe, overrides)
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    import jax

    from quasistatic._recipes.wire import build_source, build_task
    from quasistatic._runs import speed

    manager = manager_of(ctx)
    task = build_task(chosen, manager, build_source(chosen, manager))
    machine, training = speed.machine_speed(), speed.training_speed(task, seconds)
    samples, bound = speed.sampling_speed(task, seconds), speed.ledger_speed(task, seconds)
    work = 3.0 * task.options.batch * speed.forward_flops(task)
    utilisation = training["loop"].times(work / machine["matmul"].median)
    steps = len(task.diffusion.times())
    rows = [
        ("matrix product", machine["matmul"].times(1e-9), "10^9 operations a second"),
        ("copy of memory", machine["copy"].times(1e-9), "10^9 bytes a second"),
        ("compiled update", training["update"], f"updates a second, of {task.options.batch} events"),
        ("training loop", training["loop"], "updates a second"),
        ("loop / compiled update", training["ratio"], ""),
        ("utilisation in training", utilisation, "of a matrix product"),
        ("samples", samples, f"events a second, T = {steps}"),
        ("K", bound, f"events a second, T = {steps}"),
    ]
    device = jax.devices()[0]
    if as_json:
        values = {name: attrs.asdict(value) | {"unit": unit} for name, value, unit in rows}
        echo_json({"recipe": chosen.name, "device": device.device_kind, "devices": jax.device_count(), "speeds": values})
        return
    echo(f"{chosen.name} on {jax.device_count()} x {device.device_kind}, the median of five rounds [the slowest, the fastest]")
    echo_table(["", "", "", ""], [(name, *_shown(value), unit) for name, value, unit in rows])


def _shown(value: Speed) -> tuple[str, str]:
    return f"{value.median:,.4g}", f"[{value.low:,.3g}, {value.high:,.3g}]"
