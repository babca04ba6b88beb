"""quasistatic show"""

from __future__ import annotations

import json

import click
from click.shell_completion import CompletionItem

from quasistatic._plugins.component import KINDS
from quasistatic._recipes.sections import SECTIONS
from quasistatic.cli._common import completer, echo_table, manager_of
from quasistatic.errors import did_you_mean


def _complete_kind(_ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in (*KINDS, *SECTIONS) if name.startswith(start)]


@completer
def _complete_name(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    found = manager_of(ctx).components(ctx.params["kind"])
    return [CompletionItem(each.name, help=each.summary) for each in found if each.name.startswith(start)]


@click.command()
@click.argument("kind", required=False, shell_complete=_complete_kind)
@click.argument("name", required=False, shell_complete=_complete_name)
@click.pass_context
def show(ctx: click.Context, kind: str | None, name: str | None) -> None:
    """Say what a component is and which options it takes.

    KIND is source, kernel, model, objective, sampler or observer, or one of the sections trajectory, training and
    evaluation. Without NAME all of a kind are listed, without KIND all there are.
    """
    if kind in SECTIONS:
        if name:
            raise click.UsageError(f"section {kind!r} takes no name")
        click.echo(f"[{kind}]\n{(SECTIONS[kind].__doc__ or '').strip()}\n")
        _echo_options(SECTIONS[kind])
    elif kind is not None and kind not in KINDS:
        raise click.UsageError(_unknown_kind(ctx, kind))
    elif kind is None or name is None:
        _echo_list(ctx, kind)
    else:
        _echo_component(ctx, kind, name)


def _unknown_kind(ctx: click.Context, kind: str) -> str:
    known = (*KINDS, *SECTIONS)
    named = [component.kind for component in manager_of(ctx).components() if component.name == kind]
    hint = f"; did you mean quasistatic show {named[0]} {kind}?" if named else did_you_mean(kind, known)
    return f"there is no kind {kind!r}{hint}  (known: {', '.join(known)})"


def _echo_list(ctx: click.Context, kind: str | None) -> None:
    manager = manager_of(ctx)
    rows = [
        [component.kind, component.name, manager.owner(component.kind, component.name).name, component.summary]
        for component in manager.components(kind)
    ]
    if kind is None:
        rows += [["section", name, "", (cls.__doc__ or "").strip()] for name, cls in SECTIONS.items()]
    echo_table(["kind", "name", "plugin", "summary"], rows)


def _echo_component(ctx: click.Context, kind: str, name: str) -> None:
    manager = manager_of(ctx)
    component = manager.component(kind, name)
    click.echo(f"{kind} {name}, of plugin {manager.owner(kind, name).owner}")
    click.echo(component.description)
    if component.supports:
        click.echo(f"\nFits data that are: {', '.join(kind.kind for kind in component.supports)}")
    if component.joins:
        click.echo("\nTakes events of several parts; [kernel.parts.NAME] chooses the kernel of a part, by default one that fits.")
    click.echo("")
    _echo_options(component.options)
    if component.references:
        click.echo("\nReferences:")
        for reference in component.references:
            click.echo(f"  {reference}")


def _echo_options(options: type) -> None:
    from quasistatic._recipes.options import describe

    fields = describe(options)
    if not fields:
        click.echo("It takes no options.")
        return
    rows = [
        # JSON of text, numbers and lists is TOML
        [field.name, field.type, "must be given" if field.required else json.dumps(field.default), field.help]
        for field in fields
    ]
    echo_table(["option", "type", "default", "help"], rows)
