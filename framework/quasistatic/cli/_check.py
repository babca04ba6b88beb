"""quasistatic check"""

from __future__ import annotations

from typing import Any

import attrs
import click

from quasistatic._component import KINDS, Component
from quasistatic.cli._common import echo_json, echo_table, json_option, manager_of
from quasistatic.errors import PluginError


@click.command()
@click.argument("target", nargs=-1, required=True, metavar="PLUGIN | KIND NAME")
@json_option
@click.pass_context
def check(ctx: click.Context, target: tuple[str, ...], as_json: bool) -> None:
    """Hold a plugin's components against the laws.

    Everything that PLUGIN provides is checked, or the one component KIND NAME. The exit code is 1 if a law fails.
    """
    components = _components(ctx, target)
    from quasistatic import testing

    verdicts = [attrs.asdict(verdict) for verdict in testing.check(components)]
    if as_json:
        echo_json(verdicts)
    else:
        echo_table(
            ["component", "law", "", "figure", "at most", "unit", "reason"], [_row(verdict) for verdict in verdicts]
        )
    if not all(verdict["passed"] for verdict in verdicts):
        ctx.exit(1)


def _components(ctx: click.Context, target: tuple[str, ...]) -> tuple[Component, ...]:
    manager = manager_of(ctx)
    if len(target) == 2 and target[0] in KINDS:
        return (manager.component(*target),)
    if len(target) != 1:
        raise click.UsageError(f"expected a plugin, or one of {', '.join(KINDS)} and a name")
    found = manager.provided_by(target[0])
    if not found:
        raise PluginError(f"plugin {target[0]!r} provides no component: there is nothing to check")
    return found


def _row(verdict: dict[str, Any]) -> list[str]:
    figures = [f"{verdict[key]:.3g}" for key in ("figure", "tolerance")]
    said = "passed" if verdict["passed"] else "FAILED"
    return [verdict["component"], verdict["law"], said, *figures, verdict["unit"], verdict["reason"]]
