"""quasistatic doctor"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import click

from quasistatic.cli._common import _complete_recipe, manager_of, recipe_of, set_option
from quasistatic.cli.parts import echo_json, echo_table, json_option
from quasistatic.errors import ArithmeticFault

if TYPE_CHECKING:
    from quasistatic._recipes.recipe import Recipe


@click.command()
@click.argument("recipe", required=False, shell_complete=_complete_recipe)
@set_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, recipe: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say what this installation is: devices, versions, precision, compiled programs, plugins, and whether sums come out right.

    With a RECIPE, also the memory that its training takes on the device. Exit code 1 where compiled programs compute wrong sums.
    """
    if overrides and recipe is None:
        raise click.UsageError("--set needs a RECIPE")
    chosen = None if recipe is None else recipe_of(ctx, recipe, overrides)
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    from quasistatic._process.arithmetic import check_arithmetic

    fault = None
    try:
        check_arithmetic()
    except ArithmeticFault as error:
        fault = str(error)
    found = {**_installed(ctx), "sums of compiled programs": fault or "right", **_speed()}
    if chosen is not None:
        found |= _memory(ctx, chosen)
    if as_json:
        echo_json(found)
    else:
        echo_table(["", ""], [(name, "; ".join(value) if isinstance(value, list) else str(value)) for name, value in found.items()])
    ctx.exit(0 if fault is None else 1)


def _installed(ctx: click.Context) -> dict[str, Any]:
    """What is here, by what a person would ask for."""
    from importlib import metadata

    import jax
    import jax.numpy as jnp

    from quasistatic._runs.provenance import PACKAGES
    from quasistatic.cli._compiled import compiled_folder, programs

    statuses = manager_of(ctx).statuses()
    precision = getattr(jax.config, "jax_default_matmul_precision", None) or "the device's default precision"
    kept = list(programs(compiled_folder()))
    unusable = [f"{each.name}: {each.state}: {each.reason}" for each in statuses if not each.usable]
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "versions": [f"{name} {metadata.version(name)}" for name in PACKAGES],
        "devices": [_device(each) for each in jax.devices()],
        "processes": jax.process_count(),
        "numbers": f"{jnp.result_type(float).name}, products of matrices in {precision}",
        "compiled programs": f"{compiled_folder()}: {sum(size for _, size, _ in kept) / 1e6:.1f} MB",
        "plugins": f"{sum(each.usable for each in statuses)} of {len(statuses)} usable",
        **({"plugins that are not": unusable} if unusable else {}),
    }


def _device(device: Any) -> str:
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return f"{device.platform} {device.id}: {device.device_kind}" + (f", {limit / 2**30:.1f} GiB" if limit else "")


def _speed() -> dict[str, str]:
    from quasistatic._runs.speed import machine_speed

    found = machine_speed()
    return {
        "matrix product": f"{found['matmul'].median * 1e-9:,.4g} 10^9 operations a second, float32",
        "copy of memory": f"{found['copy'].median * 1e-9:,.4g} 10^9 bytes a second",
    }


def _memory(ctx: click.Context, recipe: Recipe) -> dict[str, str]:
    """Of a recipe: what it trains, and what XLA reserves for an update."""
    from quasistatic._recipes.wire import build_source, build_task
    from quasistatic._runs.speed import update_memory

    manager = manager_of(ctx)
    task = build_task(recipe, manager, build_source(recipe, manager))
    parameters, state = task.sizes()
    return {
        "recipe": f"{recipe.name}: {parameters} parameters, {state / 2**20:.1f} MiB of state",
        "memory of an update": f"{update_memory(task) / 2**20:.1f} MiB beside its state, for {task.options.batch} events",
    }
