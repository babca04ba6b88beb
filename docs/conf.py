"""Sphinx: MyST pages, furo, and the parts of the reference that are read off the code."""

from __future__ import annotations

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


def signature(name: str, value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        text = ""
    text = re.sub(r"(?:\w+\.)+(?=[A-Z])", "", text)  # jax.Array -> Array
    return f"```text\n{name}{text}\n```\n"


def prose(value: Any) -> str:
    """A docstring as Markdown: what looks like mark-up outside of backticks is meant literally."""
    parts = re.split(r"(`[^`]*`)", inspect.getdoc(value) or "")
    return "".join(part if part.startswith("`") else re.sub(r"([*<\[\]|])", r"\\\1", part) for part in parts)


GENERATED: dict[str, Callable[..., Iterator[str]]] = {
    "components": components,
    "sections": sections,
    "commands": commands,
    "manual": manual,
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
