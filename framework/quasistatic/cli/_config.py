"""quasistatic config"""

from __future__ import annotations

import click

from quasistatic.cli._common import recipe_argument, recipe_of, set_option
from quasistatic.cli.parts import echo, echo_json, json_option


@click.command()
@recipe_argument
@set_option
@json_option
@click.pass_context
def config(ctx: click.Context, recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print a recipe with every option, given or default.

    RECIPE is a name that `quasistatic recipes` lists, a path to a TOML file, or a path to your own data. What is printed is a
    recipe again.
    """
    resolved = recipe_of(ctx, recipe, overrides)
    if as_json:
        echo_json(resolved.to_dict())
    else:
        echo(resolved.to_toml(), nl=False)
