"""What a plugin offers, built in several ways and held against its laws."""

from __future__ import annotations

import atexit
import functools
import inspect
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from quasistatic._plugins.component import Command, Component, NamedRecipe
from quasistatic._plugins.kind import KINDS, Kind
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._process.event import FIELDS, AbstractEvent, Categorical, Real
from quasistatic._process.fields import Fields
from quasistatic.errors import InputError
from quasistatic.testing._law import PROTOCOL, Law, Verdict
from quasistatic.testing._reading import Reading, faults

# elements of a larger event, on which a kernel is built once more, and the laws that are read there: these enumerate nothing
LARGER = 7
AT_ANY_SIZE = ("shapes", "averaging", "zero-params", "ledger")
Options = Mapping[tuple[str, str], Sequence[Any]]
Offer = Component | Command | NamedRecipe | Kind
Events = Sequence[AbstractEvent]


@attrs.frozen
class Built:
    """One component as built in one way, which `label` names, and its laws."""

    label: str
    laws: list[Law]


def check(offers: Iterable[Offer], options: Options | None = None, manager: PluginManager | None = None) -> list[Verdict]:
    """Every law for all that is offered, with default options and with those given for a component's (kind, name).

    A kernel is built for its `examples`, or else for small events of each field that it supports, or, if it joins others, for
    an event of three parts; a model for several ports, an observer with a folder and without. What cannot be built is a verdict
    that did not pass, with the message as its reason. `manager` knows the other plugins that a recipe names, by default all
    that are installed.
    """
    return [law.verdict(built.label) for built in build_all(offers, options, manager) for law in built.laws]


def build_all(
    offers: Iterable[Offer],
    options: Options | None = None,
    manager: PluginManager | None = None,
    events: Events = (),
    *,
    once: bool = False,
) -> Iterator[Built]:
    """All that is offered, built, in order; kernels and potentials for these `events`, by default as `check` says.

    `once` builds a kernel or a potential for the first event that it takes alone, and what joins others for two parts.
    """
    for offer in offers:
        if isinstance(offer, Command):
            yield _command(offer)
        elif isinstance(offer, NamedRecipe):
            yield _recipe(offer, manager or plugins())
        elif isinstance(offer, Kind):
            yield _kind(offer)
        else:
            for chosen in _menu(offer, options or {}):
                yield from builds(offer, chosen, events, once=once)


def laws(kind: str, name: str, **options: Any) -> Callable[[Callable[[Law], None]], Any]:
    """A pytest decorator: one test for each law of a component that an installed plugin provides.

    The three lines of a plugin's test file are `@qs.testing.laws("kernel", "thinning")`, `def test_thinning(law):` and
    `law()`. `options` are those of the component, by default its own defaults. A law that the component may break is an
    expected failure, with its reason.
    """
    import pytest

    component = plugins().component(kind, name)
    cases = [
        pytest.param(law, id=f"{built.label}: {law.name}", marks=_marks(law))
        for built in builds(component, component.options(**options))
        for law in built.laws
    ]
    return pytest.mark.parametrize("law", cases)


def _marks(law: Law) -> list[Any]:
    import pytest

    return [pytest.mark.xfail(reason=law.expected_failure, strict=False)] if law.expected_failure else []


def _menu(component: Component, options: Options) -> list[Any]:
    chosen = list(options.get((component.kind, component.name), ()))
    required = any(field.default is attrs.NOTHING and field.init for field in attrs.fields(component.options))
    return chosen if required and chosen else [None, *chosen]


def builds(component: Component, options: Any = None, events: Events = (), *, once: bool = False) -> Iterator[Built]:
    """The component as its laws want it; `options` None are its defaults. Kernels and potentials are built for `events`.

    `once` builds them for the first event that they take alone, and what joins others for two parts.

    Raises InputError without hypothesis, ArithmeticFault where jax computes wrong sums: no law could be trusted.
    """
    from quasistatic._process.arithmetic import check_arithmetic
    from quasistatic.testing import _examples as _examples  # says so if it cannot be imported, before anything is built
    from quasistatic.testing._catalogue import laws_of

    if component.kind not in KINDS:
        yield _of_own_kind(component)
        return
    check_arithmetic()
    name, seen = f"{component.kind} {component.name}", set()
    try:
        options = component.options() if options is None else options
        if changed := _changed(options):
            name += f" ({changed})"
        for setting, instance, extra in _instances(component, options, events, once):
            laws = laws_of(component.kind, instance, expected_failures=component.expected_failures, **extra)
            seen |= {law.name for law in laws}
            yield Built(f"{name}{setting}", laws)
    except Exception as error:
        yield Built(name, [_unbuilt(component.kind, error)])
    else:
        yield from _larger(component, options, events, once, name)
        if unknown := sorted(set(component.expected_failures) - seen):
            yield Built(name, [_unknown(component.kind, unknown, seen)])


def _changed(options: Any) -> str:
    """The options that are not their defaults, in words."""
    changed = [field.name for field in attrs.fields(type(options)) if getattr(options, field.name) != _default(field)]
    return ", ".join(f"{name}={getattr(options, name)}" for name in changed)


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _unbuilt(kind: str, error: Exception) -> Law:
    """The law that a component can be built, broken."""

    def raise_it(_setting: Any) -> Reading:
        raise error

    return Law("build", kind, "A component can be built with its options.", PROTOCOL, raise_it)


def _unknown(kind: str, names: list[str], seen: set[str]) -> Law:
    """The law that expected failures name laws of the component, broken."""
    reading = faults(f"no law is called {name!r}, there are {', '.join(sorted(seen))}" for name in names)
    return Law("expected-failures", kind, "Expected failures name laws of the component.", PROTOCOL, lambda _setting: reading)


def _command(command: Command) -> Built:
    def loads(_setting: Any) -> Reading:
        loaded = command.load()
        # recognised by its bases, as click is for the command line alone
        if not any((base.__module__, base.__name__) == ("click.core", "Command") for base in type(loaded).__mro__):
            return faults([f"not a click command but {loaded!r:.80}"])
        return faults([] if loaded.get_short_help_str() else ["it has no help"])

    why, unseen = "A command can be imported, is one of click and says what it does.", "Whether it does what it says."
    law = Law("loads", "command", why, PROTOCOL, loads, unseen=unseen)
    return Built(f"command {command.name}", [law])


def _recipe(named: NamedRecipe, manager: PluginManager) -> Built:
    def resolves(_setting: Any) -> Reading:
        from quasistatic._recipes.recipe import load_recipe

        load_recipe(named.name, {named.path_option: "data"} if named.opens or named.folder else (), manager)
        functions = {"accepts": named.load_accepts(), "inspects": named.load_inspects()}
        return faults(f"{name} is no function: {found!r:.80}" for name, found in functions.items() if not callable(found or print))

    why = "A recipe ships with its package; every name and option in it is known, and so is what opens and inspects data for it."
    law = Law("resolves", "recipe", why, PROTOCOL, resolves, unseen="Whether what it trains is any good.")
    return Built(f"recipe {named.name}", [law])


def _kind(kind: Kind) -> Built:
    def loads(_setting: Any) -> Reading:
        return faults([] if inspect.getdoc(kind.load()) else [f"{kind.base} has no docstring"])

    law = Law("loads", "kind", "The class of a kind can be imported and says what it is.", PROTOCOL, loads)
    return Built(f"kind {kind.name}", [law])


def _of_own_kind(component: Component) -> Built:
    """A component of a kind that a plugin brings, of which no law is known but that its builder can be imported."""

    def loads(_setting: Any) -> Reading:
        return faults([] if callable(component.load()) else [f"{component.build} cannot be called"])

    law = Law("loads", component.kind, "The builder of a component can be imported.", PROTOCOL, loads)
    return Built(f"{component.kind} {component.name}", [law])


def _instances(component: Component, options: Any, events: Events, once: bool) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """What was built, what is particular about it, and what its laws need to know."""
    build = component.load()
    if component.kind == "kernel" and component.joins:
        from quasistatic.testing._tools.bench import three_parts

        parts = dict([*three_parts().items()][1 if once else 0 :])
        fields: Any = {name: part.event for name, part in parts.items()}
        kernel = build(options, Fields(fields), parts)
        yield f" on {kernel.event.describe()}", kernel, {}
    elif component.kind in ("kernel", "potential"):
        # two axes, so that a slip in broadcasting changes a shape
        small = [field.example((2, 1)) for field in component.supports or FIELDS]
        taken = _accepted(events or component.examples or small, lambda event: build(options, event))
        for event, built in itertools.islice(taken, 1) if once else taken:
            yield f" on {event.describe()}", built, {"event": event} if component.kind == "potential" else {}
    elif component.kind == "model":
        import jax.random as jr

        for (name, ports), model in _accepted(_ports(), lambda item: build(options, item[1], key=jr.key(0))):
            yield f" on {name}", model, {"ports": ports}
    elif component.kind == "observer":
        yield " without a folder", build(options, None), {}
        yield " with a folder", build(options, _scratch()), {}
    else:
        yield "", build(options), {}


def _larger(component: Component, options: Any, events: Events, once: bool, name: str) -> Iterator[Built]:
    """A kernel on an event of more elements than the small ones, where it takes one: a fault may begin at the sixth."""
    from quasistatic.testing._catalogue import laws_of

    if component.kind != "kernel" or component.joins or events or once:
        return
    for small in component.examples or [field.example((2, 1)) for field in component.supports or FIELDS]:
        try:
            event = attrs.evolve(small, shape=(LARGER,))
            kernel = component.load()(options, event)
        except (ValueError, TypeError, InputError):
            continue  # its size is a part of it
        laws = laws_of("kernel", kernel, expected_failures=component.expected_failures)
        found = [attrs.evolve(law, examples=1) for law in laws if law.name in AT_ANY_SIZE]
        yield Built(f"{name} on {event.describe()}", found)
        return


def _accepted(menu: Sequence[Any], build: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """What can be built of a menu; a refusal is a ValueError or an InputError, and not all may be refused."""
    refusals: list[Exception] = []
    for item in menu:
        try:
            built = build(item)
        except (ValueError, InputError) as error:
            refusals.append(error)
        else:
            yield item, built
    if len(refusals) == len(menu):
        raise refusals[0]


def _ports() -> list[tuple[str, Any]]:
    """Ports of several kinds, by name."""
    import jax
    import jax.numpy as jnp

    from quasistatic._process.model import Ports

    def numbers(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    side = Fields({"code": Real((2,)), "label": Categorical((), 3)})
    features = {"kind": numbers(5), "place": numbers(2, 1)}
    params = {"kind": numbers(5), "place": numbers(2, 2)}
    return [
        ("3", Ports(numbers(3, 1), numbers(3, 1))),
        ("4x4 with a label", Ports(numbers(4, 4, 2), numbers(4, 4, 3), Categorical((), 3))),
        ("two parts with two of side information", Ports(features, params, side)),
        ("a single number", Ports(numbers(), numbers(2))),
        ("4 symbols", Ports(jax.ShapeDtypeStruct((4, 1), jnp.int32), numbers(4, 3))),
    ]


@functools.cache
def _scratch() -> Path:
    folder = tempfile.mkdtemp(prefix="quasistatic-laws-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
