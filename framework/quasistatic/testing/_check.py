"""Components, built in several ways and held against their laws."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from quasistatic._component import Component
from quasistatic.errors import InputError
from quasistatic.testing._law import Law, Verdict

Options = Mapping[tuple[str, str], Sequence[Any]]


@attrs.frozen
class Built:
    """One component as built in one way, which `label` names, and its laws."""

    label: str
    laws: list[Law]


def check(components: Iterable[Component], options: Options | None = None) -> list[Verdict]:
    """Every law for every component, built with its default options and with those given for its (kind, name).

    A kernel is built for small events of each support that it fits, a model for several ports, an observer with a folder and
    without. What cannot be built is a verdict that did not pass, with the message as its reason.
    """
    return [
        law.verdict(built.label)
        for component in components
        for chosen in _menu(component, options or {})
        for built in builds(component, chosen)
        for law in built.laws
    ]


def laws(kind: str, name: str, **options: Any) -> Callable[[Callable[[Law], None]], Any]:
    """A pytest decorator: one test for each law of a component that an installed plugin provides.

    The three lines of a plugin's test file are `@qs.testing.laws("kernel", "thinning")`, `def test_thinning(law):` and
    `law()`. `options` are those of the component, by default its own defaults.
    """
    import pytest

    from quasistatic._plugins import plugins

    component = plugins().component(kind, name)
    cases = [
        pytest.param(law, id=f"{built.label}: {law.name}")
        for built in builds(component, component.options(**options))
        for law in built.laws
    ]
    return pytest.mark.parametrize("law", cases)


def _menu(component: Component, options: Options) -> list[Any]:
    chosen = list(options.get((component.kind, component.name), ()))
    required = any(field.default is attrs.NOTHING and field.init for field in attrs.fields(component.options))
    return chosen if required and chosen else [None, *chosen]


def builds(component: Component, options: Any = None) -> Iterator[Built]:
    """The component as its laws want it; `options` None are its defaults."""
    name = f"{component.kind} {component.name}"
    try:
        options = component.options() if options is None else options
        if options != component.options():
            name += f" ({_changed(options)})"
        for setting, instance, extra in _instances(component, options):
            from quasistatic.testing._catalogue import laws_of

            yield Built(f"{name}{setting}", laws_of(component.kind, instance, **extra))
    except Exception as error:
        yield Built(name, [_unbuilt(component.kind, error)])


def _changed(options: Any) -> str:
    fields = [field for field in attrs.fields(type(options)) if getattr(options, field.name) != field.default]
    return ", ".join(f"{field.name}={getattr(options, field.name)}" for field in fields)


def _unbuilt(kind: str, error: Exception) -> Law:
    """The law that a component can be built, broken."""

    def raise_it() -> Any:
        raise error

    return Law("build", kind, "A component can be built with its options.", "the protocol", raise_it)


def _instances(component: Component, options: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """What was built, what is particular about it, and what its laws need to know."""
    build = component.load()
    if component.kind == "kernel":
        for event, kernel in _accepted(_events(component.fits), lambda event: build(options, event)):
            yield f" on {event.describe()}", kernel, {}
    elif component.kind == "model":
        import jax.random as jr

        for ports, model in _accepted(_ports(), lambda ports: build(options, ports, jr.key(0))):
            shape = "x".join(map(str, ports.shape)) or "1"
            yield f" on {shape}, {ports.given} given", model, {"ports": ports}
    elif component.kind == "observer":
        yield " without a folder", build(options, None), {}
        yield " with a folder", build(options, _scratch()), {}
    else:
        yield "", build(options), {}


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


def _events(fits: tuple[str, ...]) -> list[Any]:
    from quasistatic._event import Event

    shape = (2, 1)  # two axes, so that a slip in broadcasting changes a shape
    menu = {
        "real": [Event(shape), Event(shape, low=-1.0, high=1.0, levels=5)],
        "categorical": [Event(shape, "categorical", 3)],
    }
    supports = fits or ("real", "binary", "categorical")
    return [event for support in supports for event in menu.get(support, [Event(shape, support)])]


def _ports() -> list[Any]:
    from quasistatic._model import Ports

    return [Ports((3,), 1, 1), Ports((8, 8), 2, 3, given=2), Ports((), 1, 2)]


@functools.cache
def _scratch() -> Path:
    folder = tempfile.mkdtemp(prefix="quasistatic-laws-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


