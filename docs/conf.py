"""Sphinx: MyST pages, furo, and the parts of the reference that are read off the code."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import click

import quasistatic as qs
from quasistatic._component import KINDS
from quasistatic._options import describe
from quasistatic._sections import SECTIONS
from quasistatic.cli._main import BUILT_IN, main

project = "quasistatic"
author = "The quasistatic authors"
release = version = metadata.version("quasistatic")
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "quasistatic"
html_copy_source = False


def option_table(options: type) -> Iterator[str]:
    """The options of an attrs class as a Markdown table."""
    fields = describe(options)
    if not fields:
        yield "It takes no options."
        return
    yield "| option | type | default | |\n|---|---|---|---|"
    for field in fields:
        default = "must be given" if field.required else f"`{field.default!r}`"
        yield f"| `{field.name}` | {cell(field.type)} | {default} | {cell(field.help)} |"


def cell(text: str) -> str:
    return text.replace("|", r"\|")


def components() -> Iterator[str]:
    """Every component of the plugins that come with quasistatic."""
    manager = qs.PluginManager()
    for kind in KINDS:
        for component in manager.components(kind):
            if manager.owner(kind, component.name).distribution != "quasistatic":
                continue
            yield f"## {kind} {component.name}\n\n{component.description}\n"
            if component.fits:
                yield f"Fits data that are: {', '.join(component.fits)}.\n"
            yield from option_table(component.options)
            yield ""
            if component.references:
                yield f"Sources: {'; '.join(component.references)}.\n"


def sections() -> Iterator[str]:
    """The sections of a recipe that belong to the core."""
    for name, options in SECTIONS.items():
        yield f"### [{name}]\n\n{inspect.getdoc(options)}\n"
        yield from option_table(options)
        yield ""


def commands() -> Iterator[str]:
    """The help of every built-in command."""
    with click.Context(main, info_name="quasistatic") as parent:
        for name in BUILT_IN:
            command = main.get_command(parent, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=parent) as context:
                yield f"### quasistatic {name}\n\n```text\n{command.get_help(context)}\n```\n"


def manual(names: str) -> Iterator[str]:
    """Signature and docstring of public names, with the public methods of classes."""
    for name in names.split():
        value = getattr(qs, name)
        yield f"### {name}\n\n{signature(name, value)}\n{prose(value)}\n"
        if not inspect.isclass(value):
            continue
        for key, member in vars(value).items():
            if key.startswith("_") or not inspect.getdoc(member):
                continue
            member = getattr(member, "__func__", member)
            if inspect.isfunction(member):
                yield f"{signature(f'{name}.{key}', member)}\n{prose(member)}\n"
            elif isinstance(member, property):
                yield f"`{name}.{key}`\n: {prose(member)}\n"


def protocol(name: str) -> Iterator[str]:
    """A class that plugins derive from: what it is, then every method that is its own, those that must be written first."""
    cls = getattr(qs, name)
    yield f"{prose(cls)}\n"
    if has_builder(cls):
        yield signature(name, cls)
    members = sorted(own_methods(cls).items(), key=lambda item: not is_abstract(item[1]))
    for key, member in members:
        said = "must be written" if is_abstract(member) else "has a default"
        if isinstance(member, property):
            yield f"```text\n{key}\n```\n"
        else:
            yield signature(key, member)
        yield f"{prose(member)} *{said.capitalize()}.*\n"


def has_builder(cls: type) -> bool:
    """Whether a class says itself how it is built."""
    return "__init__" in vars(cls) and not dataclasses.is_dataclass(cls)


def own_methods(cls: type) -> dict[str, Any]:
    """The public methods and properties that a class declares."""
    public = {key: member for key, member in vars(cls).items() if not key.startswith("_") or key == "__call__"}
    return {key: member for key, member in public.items() if inspect.isfunction(member) or isinstance(member, property)}


def own_fields(cls: type) -> list[str]:
    """The public attributes that a class declares, with or without a value."""
    declared = {**inspect.get_annotations(cls), **vars(cls)}
    return [key for key in declared if not key.startswith("_") and key not in own_methods(cls)]


def is_abstract(member: Any) -> bool:
    return getattr(member, "__isabstractmethod__", False)


class AnySource(qs.GeneratedSource):
    """Declares all that a source can, so that all laws of sources apply; none is read here."""

    event = qs.Event((1,))

    def __init__(self) -> None:
        super().__init__(0, 1, 1)

    def draw(self, row: Any, key: Any) -> tuple[Any, None]:
        import jax

        return jax.numpy.zeros(1), None

    def stored(self) -> Any:
        return [0.0]

    def log_prob(self, x: Any) -> Any:
        return x[:, 0]


def laws_by_kind() -> dict[str, list[qs.testing.Law]]:
    """Every law that there is, from components that declare all that their kind can."""
    import jax

    def build(kind: str, name: str, *inputs: Any) -> Any:
        component = qs.plugins().component(kind, name)
        return component.load()(component.options(), *inputs)

    ports = qs.Ports((1,), 1, 1)
    # between them a finite kernel with a structure of its own and one of real states are held against all laws of kernels
    kernels = {
        law.name: law
        for name, support in (("gaussian", "real"), ("binomial", "binary"))
        for law in qs.testing.laws_of("kernel", build("kernel", name, qs.Event((1,), support)))
    }
    found = {
        "source": qs.testing.laws_of("source", AnySource()),
        "kernel": list(kernels.values()),
        "model": qs.testing.laws_of("model", build("model", "dense", ports, jax.random.key(0)), ports=ports),
        "objective": qs.testing.laws_of("objective", build("objective", "bound")),
        "sampler": qs.testing.laws_of("sampler", build("sampler", "ancestral")),
        "observer": qs.testing.laws_of("observer", qs.AbstractObserver()),
    }
    offers = [qs.Command("any", "", print), qs.NamedRecipe("any", "", "")]
    for kind, built in zip(("command", "recipe"), qs.testing.build_all(offers), strict=True):
        found[kind] = built.laws
    return found


def laws() -> Iterator[str]:
    """Tables of all laws of all kinds."""
    for kind, found in laws_by_kind().items():
        yield f"### Laws of {kind}s\n\n| law | what it states | source |\n|---|---|---|"
        for law in found:
            yield f"| `{law.name}` | {cell(literal(law.why))} | {cell(literal(law.reference))} |"
        yield ""


def signature(name: str, value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        text = ""
    text = re.sub(r"(?:\w+\.)+(?=[A-Z])", "", text)  # jax.Array -> Array
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)  # annotations that are strings
    text = re.sub(r"^\(self(, )?", "(", text)
    return f"```text\n{name}{text}\n```\n"


def prose(value: Any) -> str:
    """A docstring as Markdown."""
    return literal(inspect.getdoc(value) or "")


def literal(text: str) -> str:
    """Text as Markdown: what looks like mark-up outside of backticks is meant literally."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*<\[\]|])", r"\\\1", part) for part in parts)


GENERATED: dict[str, Callable[..., Iterator[str]]] = {
    "components": components,
    "sections": sections,
    "commands": commands,
    "manual": manual,
    "protocol": protocol,
    "laws": laws,
}


def fill(text: str) -> str:
    """A page with its markers, such as `<!-- manual: Diffusion -->`, replaced by what they name."""

    def generated(found: re.Match[str]) -> str:
        arguments = [found.group(2)] if found.group(2) else []
        return "\n".join(GENERATED[found.group(1)](*arguments))

    return re.sub(rf"<!-- ({'|'.join(GENERATED)})(?:: (.*?))? -->", generated, text, flags=re.DOTALL)


def setup(app: Any) -> None:
    def read(_app: Any, _name: str, source: list[str]) -> None:
        source[0] = fill(source[0])

    app.connect("source-read", read)
