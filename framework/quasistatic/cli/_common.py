"""What the built-in commands share beyond `parts`: the plugins of a call, and recipes with their options."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from quasistatic._plugins.manager import PluginManager
from quasistatic.cli.parts import echo
from quasistatic.errors import QuasistaticError

if TYPE_CHECKING:
    from quasistatic._recipes.recipe import Recipe


def manager_of(ctx: click.Context) -> PluginManager:
    """The plugins of this call, as its -p, --no-plugin and --only-plugin want them; loaded at their first use."""
    root = ctx.find_root()
    if root.obj is None:
        modules = root.params.get("modules") or ()
        root.obj = PluginManager(modules, root.params.get("blocked") or (), root.params.get("only") or ())
    return root.obj


def completer(function: Callable[..., list[CompletionItem]]) -> Callable[..., list[CompletionItem]]:
    """What completes a word; where that fails nothing is offered, as a shell has no place for a message."""

    @functools.wraps(function)
    def complete(*args: Any, **kwargs: Any) -> list[CompletionItem]:
        try:
            return function(*args, **kwargs)
        except QuasistaticError:
            return []

    return complete


@completer
def _complete_recipe(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    found = [CompletionItem(named.name, help=named.summary) for named in manager_of(ctx).recipes()]
    return [item for item in found if item.value.startswith(start)] or [CompletionItem(start, type="file")]


@completer
def _complete_override(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from quasistatic._recipes.recipe import load_recipe

    # click has not come to the arguments when the last option still lacks its value
    names = [name for name in (ctx.params.get("recipe"), *ctx.args) if name]
    recipe = load_recipe(names[0], (), manager_of(ctx)).to_dict() if names else {}
    paths = dict.fromkeys(["seed", *_paths(recipe)])
    return [CompletionItem(f"{path}=") for path in paths if path.startswith(start)]


def _paths(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted paths of all values in nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield prefix + key


recipe_argument = click.argument("recipe", shell_complete=_complete_recipe)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override an option of the recipe, such as training.updates=3000. May be repeated.",
    shell_complete=_complete_override,
)


def shape_of(text: str) -> tuple[int, ...] | None:
    """(8, 8, 3) of '8x8x3'; None of what is not a shape."""
    return tuple(map(int, text.split("x"))) if re.fullmatch(r"\d{1,5}(x\d{1,5})*", text) else None


def recipe_of(ctx: click.Context, name: str, overrides: Sequence[str] = ()) -> Recipe:
    """The resolved recipe that RECIPE and --set name; of data, how they were opened is printed on stderr, but not with --quiet."""
    from quasistatic._recipes.opening import opening_of
    from quasistatic._recipes.recipe import load_opened, load_recipe

    manager = manager_of(ctx)
    opening = opening_of(name, manager)
    if opening is None:
        return load_recipe(name, overrides, manager)
    if (note := opening.note()) and not ctx.params.get("quiet"):
        echo(note, err=True)
    return load_opened(opening, overrides, manager)
