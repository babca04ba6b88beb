"""quasistatic check"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs
import click

from quasistatic._plugins.component import KINDS
from quasistatic.cli._common import echo, echo_json, echo_table, json_option, manager_of
from quasistatic.errors import PluginError

if TYPE_CHECKING:
    from quasistatic.testing import Verdict

COLUMNS = ("law", "verdict", "value", "at most", "what it states", "source")


@click.command()
@click.argument("target", nargs=-1, required=True, metavar="PLUGIN | KIND NAME")
@json_option
@click.pass_context
def check(ctx: click.Context, target: tuple[str, ...], as_json: bool) -> None:
    """Hold what a plugin offers against its laws.

    Everything that PLUGIN offers is checked, or the one component KIND NAME. Each law is read in several settings: other
    keys, times and params. A law holds, is BROKEN, is broken as expected, for a reason that the plugin states, or was not
    measured, for a reason that the law states. In a pipe the table is Markdown, ready for a README. The exit code is 1 if
    a law is broken.
    """
    offers = _offers(ctx, target)
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")  # some laws spread a batch over all devices
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    verdicts = _verdicts(ctx, offers, quiet=as_json)
    if as_json:
        echo_json([{**attrs.asdict(verdict), "passed": verdict.passed} for verdict in verdicts])
    else:
        _echo(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        ctx.exit(1)


def _offers(ctx: click.Context, target: tuple[str, ...]) -> tuple[Any, ...]:
    manager = manager_of(ctx)
    if len(target) == 2 and target[0] in KINDS:
        return (manager.component(*target),)
    if len(target) != 1:
        raise click.UsageError(f"expected a plugin, or one of {', '.join(KINDS)} and a name")
    found = manager.provided_by(target[0])
    if not found:
        raise PluginError(f"plugin {target[0]!r} offers nothing that could be checked")
    return found


def _verdicts(ctx: click.Context, offers: tuple[Any, ...], quiet: bool) -> list[Verdict]:
    from rich.console import Console
    from rich.progress import track

    from quasistatic.testing import build_all

    laws = [(built.label, law) for built in build_all(offers, manager=manager_of(ctx)) for law in built.laws]
    console = Console(stderr=True)
    bar = track(laws, "laws", console=console, transient=True, disable=quiet or not console.is_terminal)
    return [law.verdict(label) for label, law in bar]


def _echo(verdicts: Iterable[Verdict]) -> None:
    """One table for each component as it was built, and in the end what is broken and how many laws hold."""
    by_component: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_component.setdefault(verdict.component, []).append(verdict)
    for component, found in by_component.items():
        echo(f"### {component}\n")
        (echo_table if sys.stdout.isatty() else _echo_markdown)(COLUMNS, [_row(verdict) for verdict in found])
        echo("")
    everything = [verdict for found in by_component.values() for verdict in found]
    for verdict in everything:
        if verdict.outcome == "not measured":
            echo(f"{verdict.component}: {verdict.law}: not measured: {verdict.reason}\n")
            continue
        if verdict.reason:
            echo(f"{verdict.component}: {verdict.law}: {verdict.reason}\n")
        if verdict.unmeasured:
            echo(f"{verdict.component}: {verdict.law}: in part not measured: {verdict.unmeasured}\n")
    counts = Counter(verdict.outcome for verdict in everything)
    missing = f", {counts['not measured']} were not measured" if counts["not measured"] else ""
    echo(f"{counts['holds']} laws hold, {counts['expected']} are broken as expected, {counts['broken']} are broken{missing}")


def _row(verdict: Verdict) -> list[str]:
    said = {"broken": "BROKEN", "expected": "expected failure"}.get(verdict.outcome, verdict.outcome)
    if verdict.outcome == "holds" and verdict.unmeasured:
        said = "holds in part"
    values = [f"{verdict.value:.2g} {verdict.unit}".strip(), f"{verdict.tolerance:.2g}"]
    return [verdict.law, said, *(["", ""] if verdict.outcome == "not measured" else values), verdict.why, verdict.reference]


def _echo_markdown(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    lines = [list(headers)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    for line in lines:
        echo("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |")
