"""quasistatic show"""

from __future__ import annotations

import json
from typing import Any

import click
from click.shell_completion import CompletionItem

from quasistatic._recipes.sections import SECTIONS
from quasistatic.cli._common import completer, manager_of, shape_of
from quasistatic.cli.parts import echo, echo_json, echo_table, json_option
from quasistatic.errors import did_you_mean


@completer
def _complete_kind(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in (*manager_of(ctx).kinds, *SECTIONS) if name.startswith(start)]


@completer
def _complete_name(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    found = manager_of(ctx).components(ctx.params["kind"])
    return [CompletionItem(each.name, help=each.summary) for each in found if each.name.startswith(start)]


@click.command()
@click.argument("kind", required=False, shell_complete=_complete_kind)
@click.argument("name", required=False, shell_complete=_complete_name)
@click.option("--shape", metavar="HxW", help="Also count what a network trains for real events of this shape, such as 28x28.")
@click.option(
    "--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="With --shape: an option of the network. May be repeated."
)
@json_option
@click.pass_context
def show(
    ctx: click.Context, kind: str | None, name: str | None, shape: str | None, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Say what a component is and which options it takes.

    KIND is source, kernel, model, objective, sampler, observer or potential, or a kind that a plugin brings, or one of the
    sections trajectory, training and evaluation. Without NAME all of a kind are listed, without KIND all there are.
    """
    if (shape or overrides) and not (shape and kind == "model" and name):
        raise click.UsageError("--shape counts what a network trains: it needs KIND model and a NAME, and --set needs --shape")
    if kind in SECTIONS:
        if name:
            raise click.UsageError(f"section {kind!r} takes no name")
        described = {"kind": "section", "name": kind, "description": (SECTIONS[kind].__doc__ or "").strip()}
        (echo_json if as_json else _echo_section)({**described, "options": _options(SECTIONS[kind])})
    elif kind is not None and kind not in manager_of(ctx).kinds:
        raise click.UsageError(_unknown_kind(ctx, kind))
    elif kind is None or name is None:
        found = _list(ctx, kind)
        columns = ["kind", "name", "plugin", "summary"]
        echo_json([dict(zip(columns, row, strict=True)) for row in found]) if as_json else echo_table(columns, found)
    else:
        trained = {"trained": _trained(ctx, name, shape, overrides)} if shape else {}
        (echo_json if as_json else _echo_component)({**_component(ctx, kind, name), **trained})


def _unknown_kind(ctx: click.Context, kind: str) -> str:
    known = (*manager_of(ctx).kinds, *SECTIONS)
    named = [component.kind for component in manager_of(ctx).components() if component.name == kind]
    hint = f"; did you mean quasistatic show {named[0]} {kind}?" if named else did_you_mean(kind, known)
    return f"there is no kind {kind!r}{hint}  (known: {', '.join(known)})"


def _list(ctx: click.Context, kind: str | None) -> list[list[str]]:
    manager = manager_of(ctx)
    rows = [
        [component.kind, component.name, manager.owner(component.kind, component.name).name, component.summary]
        for component in manager.components(kind)
    ]
    if kind is None:
        rows += [["section", name, "", (cls.__doc__ or "").strip()] for name, cls in SECTIONS.items()]
    return rows


def _component(ctx: click.Context, kind: str, name: str) -> dict[str, Any]:
    manager = manager_of(ctx)
    component = manager.component(kind, name)
    return {
        "kind": kind,
        "name": name,
        "plugin": manager.owner(kind, name).owner,
        "description": component.description,
        "fits": [supported.kind for supported in component.supports],
        "joins": component.joins,
        "options": _options(component.options),
        "references": list(component.references),
    }


def _trained(ctx: click.Context, name: str, shape: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    """How many numbers a network trains for real events of this shape."""
    sizes = shape_of(shape)
    if sizes is None:
        raise click.UsageError(f"--shape: expected whole numbers such as 28x28 or 32x32x3, got {shape!r:.80}")
    from quasistatic._process.event import Real
    from quasistatic._recipes.overrides import override_pairs
    from quasistatic._recipes.recipe import choose
    from quasistatic._recipes.wire import count_parameters
    from quasistatic.cli._jax import configure_jax

    manager = manager_of(ctx)
    chosen = choose("model", {"use": name, **dict(override_pairs(overrides))}, manager)
    configure_jax()
    event = Real(sizes)
    parameters, kernel = count_parameters(chosen, event, manager)
    return {"parameters": parameters, "event": event.describe(), "kernel": kernel}


def _options(cls: type) -> list[dict[str, Any]]:
    from quasistatic._recipes.options import describe

    return [
        {
            "option": field.name,
            "type": field.type,
            "must_be_given": field.required,
            "default": None if field.required else field.default,
            "help": field.help,
        }
        for field in describe(cls)
    ]


def _echo_section(described: dict[str, Any]) -> None:
    echo(f"[{described['name']}]\n{described['description']}\n")
    _echo_options(described["options"])


def _echo_component(described: dict[str, Any]) -> None:
    echo("{kind} {name}, of plugin {plugin}\n{description}".format(**described))
    if described["fits"]:
        echo(f"\nFits data that are: {', '.join(described['fits'])}")
    if described["joins"]:
        echo("\nTakes events of several parts; [kernel.parts.NAME] chooses the kernel of a part, by default one that fits.")
    echo("")
    _echo_options(described["options"])
    if "trained" in described:
        echo("\nIt trains {parameters:,} numbers for events of {event}, under the kernel {kernel}.".format(**described["trained"]))
    if described["references"]:
        echo("\nReferences:")
        for reference in described["references"]:
            echo(f"  {reference}")


def _echo_options(options: list[dict[str, Any]]) -> None:
    if not options:
        echo("It takes no options.")
        return
    rows = [
        # JSON of text, numbers and lists is TOML
        [each["option"], each["type"], "must be given" if each["must_be_given"] else json.dumps(each["default"]), each["help"]]
        for each in options
    ]
    echo_table(["option", "type", "default", "help"], rows)
