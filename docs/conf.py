"""Sphinx: MyST pages, furo, and the parts of the reference that are read off the code."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import click

import quasistatic as qs
from quasistatic._plugins.commands import BUILT_IN
from quasistatic._plugins.kind import KINDS
from quasistatic._recipes.options import describe
from quasistatic._recipes.sections import SECTIONS
from quasistatic.cli._main import main

project = "quasistatic"
author = copyright = "The quasistatic authors"
release = version = metadata.version("quasistatic")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "quasistatic"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["dark.css"]
html_math_renderer = "mathml"  # browsers render it themselves: no page needs a script of another host
# names of other projects are links where their pages can be reached: a build needs no network
OTHERS = {
    "equinox": "https://docs.kidger.site/equinox/",
    "jax": "https://docs.jax.dev/en/latest/",
    "numpy": "https://numpy.org/doc/stable/",
    "optax": "https://optax.readthedocs.io/en/latest/",
    "python": "https://docs.python.org/3/",
}
intersphinx_mapping = {name: (place, None) for name, place in OTHERS.items()} if os.environ.get("QUASISTATIC_DOCS_ONLINE") else {}
# what a name in a signature is called on the page that has it
ALIASES = {
    "Array": "jax.Array",
    "jax.jaxlib._jax.Array": "jax.Array",
    "jaxlib._jax.Array": "jax.Array",
    "np.ndarray": "numpy.ndarray",
    "np.random.Generator": "numpy.random.Generator",
    "numpy.random._generator.Generator": "numpy.random.Generator",
}


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
            if component.supports:
                yield f"Takes: {', '.join(field.__name__ for field in component.supports)}.\n"
            if component.is_default:
                yield "It is the default where a recipe names none.\n"
            yield from option_table(component.options)
            yield ""
            if component.references:
                yield f"Sources: {'; '.join(component.references)}.\n"


def kinds() -> Iterator[str]:
    """How the builders of each kind are called, and what they give."""
    yield "| kind | is called as | gives |\n|---|---|---|"
    for kind in KINDS.values():
        inputs = "".join(f", {name}=key" if name == "key" else f", {name}" for name in kind.inputs)
        yield f"| {kind.name} | `build(options{inputs})` | `{kind.load().__name__}` |"


def references() -> Iterator[str]:
    """The sources of every component that comes with quasistatic, as a table."""
    manager = qs.PluginManager()
    yield "| component | sources |\n|---|---|"
    for kind in KINDS:
        for component in manager.components(kind):
            if component.references and manager.owner(kind, component.name).distribution == "quasistatic":
                yield f"| {kind} `{component.name}` | {cell(literal('; '.join(component.references)))} |"


def sections() -> Iterator[str]:
    """The sections of a recipe that belong to the core."""
    for name, options in SECTIONS.items():
        yield f"### [{name}]\n\n{inspect.getdoc(options)}\n"
        yield from option_table(options)
        yield ""


def commands() -> Iterator[str]:
    """The help of every built-in command."""
    with click.Context(main, info_name="quasistatic", **main.context_settings) as parent:
        for name in BUILT_IN:
            command = main.get_command(parent, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=parent) as context:
                yield f"### quasistatic {name}\n\n```text\n{command.get_help(context)}\n```\n"


def manual(names: str) -> Iterator[str]:
    """Signature and docstring of public names, with the public methods of classes; those of kits as `kits.KIT.NAME`."""
    for name in names.split():
        value = named(name)
        name = name.removeprefix("kits.")
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


def named(name: str) -> Any:
    """What a public name means."""
    return pkgutil.resolve_name(f"quasistatic.{name}")


def api(names: str) -> Iterator[str]:
    """Directives for all public names of modules, such as 'quasistatic quasistatic.files': signature, docstring and members."""
    for name in names.split():
        module = module_of(name)
        yield f"## {name}\n\n```{{eval-rst}}\n.. py:module:: {name}\n"
        for key, value in public(module).items():
            directive = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
            members = "\n   :members:" if directive == "class" else ""
            yield f".. auto{directive}:: {name}.{key}{members}\n"
        yield "```\n"


def module_of(name: str) -> Any:
    """A public module, also one that is an attribute of another; under this name autodoc finds it too."""
    if name not in sys.modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            sys.modules[name] = functools.reduce(getattr, name.split(".")[1:], qs)
    return sys.modules[name]


def public(module: Any) -> dict[str, Any]:
    """The public names of a module: those of its stub, of its list, or what it defines and imports under the same name."""
    if hasattr(module, "_HOMES"):
        names = module._HOMES
    elif hasattr(module, "__all__"):
        names = module.__all__
    else:
        tree = ast.parse(inspect.getsource(module))
        imported = [each.asname for node in tree.body if isinstance(node, ast.ImportFrom) for each in node.names if each.asname]
        defined = (node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
        names = [*imported, *(name for name in defined if name[0] != "_")]
    found = {name: getattr(module, name) for name in names}
    return {name: value for name, value in found.items() if not inspect.ismodule(value)}


def shown(default: Any) -> str:
    """A default of an attrs field, in a signature."""
    return "..." if isinstance(default, attrs.Factory) else repr(default)


def mathml(writer: Any, node: Any) -> None:
    """A formula, in a line or on its own, in the mark-up that browsers have for it. Raises MathError for a command it lacks."""
    from docutils.nodes import SkipNode
    from docutils.utils.math.latex2mathml import tex2mathml

    writer.body.append(tex2mathml(node.astext(), as_block=node.tagname == "math_block"))
    raise SkipNode


def restructured(lines: list[str]) -> list[str]:
    """A docstring in Markdown as reStructuredText, which those that are inherited from other libraries are already."""
    if any("``" in line for line in lines):
        return lines
    parts = re.split(r"(`[^`]*`)", "\n".join(lines))
    return "".join(rf"\ `{part}`\ " if part.startswith("`") else RAW.sub(r"\\\1", part) for part in parts).split("\n")


RAW = re.compile(r"([*|]|(?<=\w)_(?=\W|$))")  # what would be mark-up


def protocol(name: str) -> Iterator[str]:
    """A class that plugins derive from: what it is, then every method that is its own, those that must be written first."""
    cls = named(name)
    yield f"{prose(cls)}\n"
    if has_builder(cls):
        yield signature(name, cls)
    members = sorted(own_methods(cls).items(), key=lambda item: not is_abstract(item[1]))
    for key, member in members:
        duty = "must be written" if is_abstract(member) else "has a default"
        if isinstance(member, property):
            yield f"```text\n{key}\n```\n"
        else:
            yield signature(key, member)
        yield f"{prose(member)} *{duty.capitalize()}.*\n"


def has_builder(cls: type) -> bool:
    """Whether a class says itself how it is built."""
    return "__init__" in vars(cls) and not dataclasses.is_dataclass(cls)


def own_methods(cls: type) -> dict[str, Any]:
    """The public methods and properties that a class declares."""
    public = {
        key: getattr(member, "__func__", member)
        for key, member in vars(cls).items()
        if not key.startswith("_") or key == "__call__"
    }
    return {key: member for key, member in public.items() if inspect.isfunction(member) or isinstance(member, property)}


def own_fields(cls: type) -> list[str]:
    """The public attributes that a class declares, with or without a value."""
    declared = {**inspect.get_annotations(cls), **vars(cls)}
    return [key for key in declared if not key.startswith("_") and key not in own_methods(cls)]


def is_abstract(member: Any) -> bool:
    return getattr(member, "__isabstractmethod__", False)


def wings() -> Iterator[str]:
    """What each part of the core is for, and each of its modules: the first lines of their docstrings, in layers from the top."""
    core = Path(qs.__file__).parent
    for wing in WINGS:
        if wing == "errors":
            yield f"### errors\n\n{first_line(core / 'errors.py')}\n"
            continue
        yield f"### {wing}\n\n{first_line(core / wing / '__init__.py')}\n\n| module | what |\n|---|---|"
        for path in sorted((core / wing).glob("*.py")):
            if path.stem != "__init__":
                yield f"| `{path.stem}` | {cell(first_line(path))} |"
        for folder in sorted(path.parent for path in (core / wing).glob("*/__init__.py")):
            yield f"| `{folder.name}/` | {cell(first_line(folder / '__init__.py'))} |"
        yield ""


# the layers of pyproject.toml, from the top
WINGS = (
    "sklearn", "cli", "kits", "testing", "thermodynamics", "_report", "_runs", "_recipes", "_training", "_data", "oracles",
    "_plugins", "_process", "_storage", "errors",
)  # fmt: skip


def first_line(path: Path) -> str:
    """The first line of a module's docstring, as Markdown."""
    return literal((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n", 1)[0])


def all_laws() -> dict[str, list[qs.testing.Law]]:
    """Every law, by kind; of what is not built, as it is in the registry."""
    from quasistatic.testing._law import REGISTRY

    found = {kind: [entry.of(None) for entry in laws.values()] for kind, laws in REGISTRY.items()}
    offers = [qs.Command("any", "", print), qs.NamedRecipe("any", "", "")]
    for kind, built in zip(("command", "recipe"), qs.testing.build_all(offers), strict=True):
        found[kind] = built.laws
    return found


def laws() -> Iterator[str]:
    """Tables of all laws of all kinds."""
    for kind, found in all_laws().items():
        yield f"### Laws of {kind}s\n\n| law | what it states | source |\n|---|---|---|"
        for law in found:
            yield f"| `{law.name}` | {cell(literal(law.why))} | {cell(literal(law.reference))} |"
        yield ""


def unseen(kind: str) -> Iterator[str]:
    """What the laws of a kind cannot see."""
    yield "| law | does not see |\n|---|---|"
    for law in all_laws()[kind]:
        yield f"| `{law.name}` | {cell(literal(law.unseen))} |"
    yield ""


def signature(name: str, value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        text = ""
    text = re.sub(r"(?:\w+\.)+(?=[A-Z])", "", text)  # jax.Array -> Array
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)  # annotations that are strings
    text = re.sub(r"^\((self|cls)(, )?", "(", text)
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
    "kinds": kinds,
    "references": references,
    "sections": sections,
    "commands": commands,
    "manual": manual,
    "api": api,
    "protocol": protocol,
    "laws": laws,
    "unseen": unseen,
    "wings": wings,
}
# such as `<!-- manual: Diffusion -->`
MARKER = re.compile(rf"<!-- ({'|'.join(GENERATED)})(?:: (.*?))? -->", re.DOTALL)


def fill(text: str) -> str:
    """A page with its markers replaced by what they name."""
    return MARKER.sub(lambda found: "\n".join(GENERATED[found[1]](*([found[2]] if found[2] else []))), text)


def setup(app: Any) -> None:
    def read(_app: Any, _name: str, source: list[str]) -> None:
        source[0] = fill(source[0])

    def convert(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
        lines[:] = restructured(lines)

    def rename(_app: Any, _env: Any, node: Any, _shown: Any) -> None:
        """Ahead of intersphinx, which then looks for the new name."""
        node["reftarget"] = ALIASES.get(node["reftarget"], node["reftarget"])

    def defaults(_app: Any, what: str, _name: str, value: Any, _options: Any, arguments: str | None, result: str | None) -> Any:
        """Defaults of attrs fields themselves, where their builder has a name for each."""
        if what != "class" or not attrs.has(value) or arguments is None:
            return None
        fields = attrs.fields_dict(value)
        return re.sub(r"attr_dict\['(\w+)'\]\.default", lambda found: shown(fields[found[1]].default), arguments), result

    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    app.connect("autodoc-process-signature", defaults)
    app.connect("missing-reference", rename, priority=400)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", convert)
