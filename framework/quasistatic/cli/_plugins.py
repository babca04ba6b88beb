"""quasistatic plugins"""

from __future__ import annotations

import attrs
import click

from quasistatic.cli._common import echo_json, echo_table, json_option, manager_of


@click.command()
@json_option
@click.option("--trace", is_flag=True, help="Show what loading each plugin took.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool, trace: bool) -> None:
    """List all plugins and what became of them.

    A plugin is loaded, blocked (by --no-plugin or QUASISTATIC_DISABLE), broken, in conflict with another over a name,
    or incompatible (it uses a hook that this version does not have).
    """
    statuses = manager_of(ctx).statuses()
    if as_json:
        echo_json([attrs.asdict(status) for status in statuses])
        return
    rows = [
        [
            status.name,
            f"{status.distribution} {status.version}".strip() or f"module {status.module}",
            status.state,
            *([f"{status.seconds * 1e3:.1f} ms"] if trace else []),
            "; ".join(filter(None, (", ".join(status.provides), status.reason))),
        ]
        for status in statuses
    ]
    echo_table(["plugin", "from", "state", *(["took"] if trace else []), "provides, or why not"], rows)
