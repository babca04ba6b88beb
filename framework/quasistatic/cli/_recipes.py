"""quasistatic recipes"""

from __future__ import annotations

from typing import Any

import click

from quasistatic.cli._common import manager_of
from quasistatic.cli.parts import echo_json, echo_table, json_option


@click.command()
@json_option
@click.pass_context
def recipes(ctx: click.Context, as_json: bool) -> None:
    """List the recipes that can be run by name.

    Any recipe of yours is run by its path, which ends in .toml; `quasistatic config NAME` prints one to start from. The paths
    to data that a recipe opens are run with it: `quasistatic run my.csv`. Where several open one, the first that accepts it is
    taken, those that look inside before those that go by the ending.
    """
    manager = manager_of(ctx)
    found: list[dict[str, Any]] = [
        {
            "name": named.name,
            "plugin": manager.owner("recipe", named.name).name,
            "summary": named.summary,
            "opens": [*named.opens, *(["a folder"] if named.folder else [])],
        }
        for named in manager.recipes()
    ]
    if as_json:
        echo_json(found)
    else:
        rows = [[row["name"], row["plugin"], row["summary"], " ".join(_unpacked(row["opens"]))] for row in found]
        echo_table(["recipe", "plugin", "summary", "opens"], rows)


def _unpacked(endings: list[str]) -> list[str]:
    """Without those of packed files, of which the plain ones stand there too."""
    return [ending for ending in endings if ending.removesuffix(".gz") == ending or ending.removesuffix(".gz") not in endings]
