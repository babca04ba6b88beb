"""quasistatic check"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import attrs
import click

from quasistatic._plugins.kind import KINDS
from quasistatic.cli._common import manager_of, shape_of
from quasistatic.cli.parts import echo, echo_json, echo_table, json_option
from quasistatic.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    from quasistatic._process.event import AbstractEvent
    from quasistatic.testing import Law, Verdict

# seconds after which a law says what it waits for, and again after as many
LONG_S = 20.0
# laws read at a time, where there are so many cores: more would wait for Python, and take memory
AT_A_TIME = 4
COLUMNS = ("law", "verdict", "value", "at most", "what it states", "source")


@click.command()
@click.argument("target", nargs=-1, metavar="PLUGIN | KIND NAME")
@click.option("--law", "names", multiple=True, metavar="NAME", help="Read this law alone. May be repeated.")
@click.option(
    "--quick",
    is_flag=True,
    help="Read laws in one setting and on one event instead of several, and leave out what costs most: not measured.",
)
@click.option("--event", "events", multiple=True, metavar="FIELD:SHAPE",
              help="Check a kernel or a potential on these events, such as real:8x8 or binary:5. May be repeated.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="An option of the component. May be repeated.")
@click.option("--laws", "listed", type=click.Choice(sorted(KINDS)), help="List the laws of a kind and check nothing.")
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    target: tuple[str, ...],
    names: tuple[str, ...],
    quick: bool,
    events: tuple[str, ...],
    overrides: tuple[str, ...],
    listed: str | None,
    as_json: bool,
) -> None:
    """Test what a plugin offers against its laws.

    Everything that PLUGIN offers is checked, or the one component KIND NAME. Each law is read in several settings: other
    keys, times and params; as many laws at a time as there are cores, at most four. When one ends a line on stderr says
    so, with the seconds that it took. A law holds, is BROKEN, is broken as expected, for a reason that the plugin states,
    or was not measured, for a reason that the law states. In a pipe the table is Markdown, ready for a README. The exit
    code is 1 if a law is broken.
    """
    if listed:
        _list(listed, as_json)
        return
    offers = _offers(ctx, target)
    options = _options(offers, overrides)
    fields = [_event(text, offers) for text in events]
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")  # some laws spread a batch over all devices
    from quasistatic.cli._jax import configure_jax, set_xla_flags

    set_xla_flags(brief=True)
    configure_jax()
    from quasistatic.testing import build_all, builds

    once = quick and not fields
    if options is None:
        every = build_all(offers, manager=manager_of(ctx), events=fields, once=once)
    else:
        every = builds(offers[0], options, fields, once=once)
    laws = _chosen([(built.label, law) for built in every for law in built.laws], names, quick)
    verdicts = _read(laws, quiet=as_json)
    if as_json:
        echo_json([{**attrs.asdict(verdict), "passed": verdict.passed} for verdict in verdicts])
    else:
        _echo(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        ctx.exit(1)


def _list(kind: str, as_json: bool) -> None:
    """The laws of a kind, one a line: what each states and, as JSON, its source and what it cannot see."""
    import quasistatic.testing._catalogue  # noqa: F401  its import fills the registry
    from quasistatic.testing._law import REGISTRY

    laws = REGISTRY[kind].values()
    if as_json:
        echo_json([{"law": law.name, "states": law.statement, "source": law.source, "unseen": law.unseen} for law in laws])
        return
    width = max(len(law.name) for law in laws)
    for law in laws:
        echo(f"{law.name:{width}}  {law.statement}")


def _offers(ctx: click.Context, target: tuple[str, ...]) -> tuple[Any, ...]:
    manager = manager_of(ctx)
    if len(target) == 2 and target[0] in manager.kinds:
        return (manager.component(*target),)
    if len(target) != 1:
        raise click.UsageError(f"expected a plugin, or one of {', '.join(manager.kinds)} and a name")
    found = manager.provided_by(target[0])
    if not found:
        raise PluginError(f"plugin {target[0]!r} offers nothing that could be checked")
    return found


def _options(offers: tuple[Any, ...], overrides: tuple[str, ...]) -> Any:
    """The options of the one component that --set is about; None without it."""
    from quasistatic._plugins.component import Component
    from quasistatic._recipes.options import structure
    from quasistatic._recipes.overrides import override_pairs

    if not overrides:
        return None
    if len(offers) > 1 or not isinstance(offers[0], Component):
        raise click.UsageError("--set: needs the one component that it is about, as KIND NAME")
    (offer,) = offers
    return structure(offer.options, dict(override_pairs(overrides)), f"{offer.kind} {offer.name}", owner=offer.name)


def _event(text: str, offers: tuple[Any, ...]) -> AbstractEvent:
    """An event such as 'real:8x8', of a field that one of the kernels or potentials takes."""
    from quasistatic._process.event import FIELDS

    takers = [offer for offer in offers if getattr(offer, "kind", "") in ("kernel", "potential")]
    if not takers:
        raise click.UsageError("--event: only kernels and potentials are checked on events")
    ready = {field.kind: field.example for taker in takers for field in taker.supports or FIELDS}
    # an example has what a kernel may need beside the shape, such as a bound
    ready |= {event.kind: partial(attrs.evolve, event) for taker in takers for event in taker.examples}
    kind, _, sizes = text.partition(":")
    shape = shape_of(sizes) if sizes else ()
    if kind not in ready or shape is None:
        raise click.UsageError(f"--event: expected one of {', '.join(ready)} and a shape, such as real:8x8, got {text!r:.80}")
    return ready[kind](shape=shape)


def _chosen(found: list[tuple[str, Law]], names: tuple[str, ...], quick: bool) -> list[tuple[str, Law]]:
    known = sorted({law.name for _, law in found})
    for name in names:
        if name not in known:
            raise click.UsageError(
                f"--law: no law here is called {name!r}{did_you_mean(name, known)}  (there are {', '.join(known)})"
            )
    laws = [(label, law) for label, law in found if not names or law.name in names]
    return [(label, _quicker(law, law.name in names)) for label, law in laws] if quick else laws


def _quicker(law: Law, is_named: bool) -> Law:
    """The law in one setting; what a quick check does not read is left out, unless it was named."""
    from quasistatic.testing._reading import not_measured

    if law.quick or is_named:
        return attrs.evolve(law, examples=1)
    return attrs.evolve(law, check=lambda _setting: not_measured("left out by --quick"), examples=1)


def _read(laws: list[tuple[str, Law]], quiet: bool) -> list[Verdict]:
    """The verdicts, in order. What runs long waits for the others: it alone is compiled with all optimisations."""
    found: dict[int, Verdict] = {}
    for is_long in (False, True):
        tasks = {number: partial(_verdict, *each, quiet) for number, each in enumerate(laws) if each[1].long is is_long}
        found |= _side_by_side(tasks)
    return [found[number] for number in range(len(laws))]


def _side_by_side(tasks: Mapping[int, Callable[[], Verdict]]) -> dict[int, Verdict]:
    """What the tasks give, as many at a time as there are cores: compiling leaves Python to others, tracing does not.

    The threads are daemons, so that an interrupt ends a law that never does.
    """
    waiting, found, failed = deque(tasks.items()), {}, []

    def work() -> None:
        with contextlib.suppress(IndexError):  # none is left
            while True:
                number, task = waiting.popleft()
                try:
                    found[number] = task()
                except BaseException as error:
                    failed.append(error)
                    waiting.clear()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_A_TIME, os.cpu_count() or 1, len(tasks)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found


def _verdict(label: str, law: Law, quiet: bool) -> Verdict:
    """The verdict, and a line that says so."""
    if quiet:
        return law.verdict(label)
    begin = time.perf_counter()
    with _watched(f"{label}: {law.name} ...", threading.get_ident(), _package(law), begin):
        verdict = law.verdict(label)
    click.echo(f"{label}: {law.name} ... {_outcome(verdict)}  {time.perf_counter() - begin:.1f} s", err=True)
    return verdict


@contextlib.contextmanager
def _watched(name: str, thread: int, package: str, begin: float) -> Iterator[None]:
    """Says every LONG_S seconds which call this thread waits for."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LONG_S):
            waits = _waits_for(sys._current_frames().get(thread), package)
            click.echo(f"{name} {time.perf_counter() - begin:.0f} s, waits for {waits}", err=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _package(law: Law) -> str:
    """The package that the component of a law comes from."""
    subject = getattr(law.check, "args", ())
    return type(subject[0]).__module__.partition(".")[0] if subject else ""


def _waits_for(frame: FrameType | None, package: str) -> str:
    """The innermost call into a component's package; where there is none, what the law compiles or runs."""
    calls = [(each.f_globals.get("__name__", ""), each.f_code, line) for each, line in traceback.walk_stack(frame)]
    for name, code, line in calls:
        if name.partition(".")[0] == package and not name.startswith(("quasistatic.testing", "quasistatic.cli")):
            return f"{code.co_qualname} ({Path(code.co_filename).name}:{line})"
    names = [code.co_name for name, code, _ in calls if name.startswith("quasistatic.testing._laws")]
    return f"programs of {names[0]} to be compiled and run" if names else "the law to begin"


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
    values = [f"{verdict.value:.2g} {verdict.unit}".strip(), f"{verdict.tolerance:.2g}"]
    shown = ["", ""] if verdict.outcome == "not measured" else values
    return [verdict.law, _outcome(verdict), *shown, verdict.why, verdict.reference]


def _outcome(verdict: Verdict) -> str:
    if verdict.outcome == "holds" and verdict.unmeasured:
        return "holds in part"
    return {"broken": "BROKEN", "expected": "expected failure"}.get(verdict.outcome, verdict.outcome)


def _echo_markdown(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    lines = [list(headers)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    for line in lines:
        echo("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |")
