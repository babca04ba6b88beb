"""quasistatic recipes"""

from __future__ import annotations

import click

from quasistatic.cli._common import echo_json, echo_table, json_option, manager_of


@click.command()
@json_option
@click.pass_context
def recipes(ctx: click.Context, as_json: bool) -> None:
    """List the recipes that can be run by name.

    Any recipe of yours is run by its path, which ends in .toml; `quasistatic config NAME` prints one to start from.
    """
    manager = manager_of(ctx)
    found = [
        {"name": named.name, "plugin": manager.owner("recipe", named.name).name, "summary": named.summary}
        for named in manager.recipes()
    ]
    if as_json:
        echo_json(found)
    else:
        echo_table(["recipe", "plugin", "summary"], [list(row.values()) for row in found])
