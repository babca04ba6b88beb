"""quasistatic plugins"""

from __future__ import annotations

import attrs
import click

from quasistatic.cli._common import manager_of
from quasistatic.cli.parts import echo_json, echo_table, json_option


@click.command()
@json_option
@click.option("--trace", is_flag=True, help="Show what loading each plugin took, and what it was the first to import.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool, trace: bool) -> None:
    """List all plugins and their status.

    A plugin is loaded, blocked (by --no-plugin or QUASISTATIC_DISABLE, or because it is not among those of --only-plugin
    or QUASISTATIC_ONLY), broken, in conflict with another over a name, or incompatible (its distribution needs another
    version of quasistatic, or it uses a hook that this version does not have).
    """
    statuses = manager_of(ctx).statuses()
    if as_json:
        echo_json([attrs.asdict(status) for status in statuses])
        return
    columns = {
        "plugin": [status.name for status in statuses],
        "from": [status.source for status in statuses],
        "state": [status.state for status in statuses],
    }
    if trace:
        columns["took"] = [f"{status.seconds * 1e3:.1f} ms" for status in statuses]
        columns["imported"] = [", ".join(status.imports) for status in statuses]
    columns["provides, or why not"] = ["; ".join(filter(None, (", ".join(status.provides), status.reason))) for status in statuses]
    echo_table(list(columns), list(zip(*columns.values(), strict=True)))
