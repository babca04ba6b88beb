"""quasistatic config"""

from __future__ import annotations

import click

from quasistatic.cli._common import recipe_argument, recipe_of, set_option


@click.command()
@recipe_argument
@set_option
@click.pass_context
def config(ctx: click.Context, recipe: str, overrides: tuple[str, ...]) -> None:
    """Print a recipe with every option, given or default.

    RECIPE is a name that `quasistatic recipes` lists, or a path to a TOML file. What is printed is a recipe again.
    """
    click.echo(recipe_of(ctx, recipe, overrides).to_toml(), nl=False)
