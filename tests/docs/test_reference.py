"""The reference says what the code has: hooks, names, commands, options, files, links."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import itertools
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

import quasistatic as qs
import quasistatic.sklearn as estimators
from quasistatic._plugins import hooks as _hooks
from quasistatic._plugins import manager as _plugins
from quasistatic._plugins.commands import BUILT_IN
from quasistatic._plugins.kind import KINDS
from quasistatic.cli._new_plugin import project_files
from quasistatic.kits import arrays, classes, networks, pictures, sequences, tables
from quasistatic.testing._law import REGISTRY

from .conftest import DOCS, PAGES, ROOT, blocks

KITS = {"arrays": arrays, "classes": classes, "networks": networks, "pictures": pictures, "sequences": sequences, "tables": tables}
MODULES = ("answers", "distributions", "files", "grids", "numerics", "sources")
DOORS = ("work", "steps", "order", "landscape", "anomaly")  # of thermodynamics
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    """docs/conf.py, which needs no Sphinx."""
    spec = importlib.util.spec_from_file_location("docs_conf", DOCS / "conf.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_exist(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        assert "://" not in target and (page.parent / target).exists(), target


def test_every_page_is_in_the_contents() -> None:
    listed = set(re.findall(r"^([\w/-]+)$", text_of("index.md"), re.MULTILINE))
    assert listed == {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES[1:]} - {"index"}


def test_paths_that_are_named_exist() -> None:
    for page in PAGES:
        for path in re.findall(r"`((?:tests|plugins|framework|docs)/[\w./-]*)`", page.read_text()):
            assert (ROOT / path).exists(), (page, path)


def test_the_hooks_are_those_of_the_specification() -> None:
    hooks = {name: value for name, value in vars(_hooks).items() if name.startswith("quasistatic_")}
    headings = re.findall(r"^## (\w+)\((.*)\)$", text_of("reference/hooks.md"), re.MULTILINE)
    said = {name: [argument for argument in arguments.split(", ") if argument] for name, arguments in headings}
    assert said == {name: list(inspect.signature(value).parameters) for name, value in hooks.items()}
    for name, value in hooks.items():
        summary = (inspect.getdoc(value) or "").split(". ")[0].split(".\n")[0]
        assert summary in text_of("reference/hooks.md"), name


def test_the_kinds_are_those_of_the_reference(conf: ModuleType) -> None:
    page = conf.fill(text_of("reference/hooks.md"))
    assert "| kernel | `build(options, event)` | `AbstractKernel` |" in page
    assert all(f"| {name} | `build(options" in page for name in KINDS)


@pytest.mark.parametrize("name", qs._HOMES)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    named = f"`{name}`" in text_of("reference/library.md")
    assert named or (name == "errors" and "Module `errors`" in text_of("reference/library.md"))


def test_the_reference_names_nothing_that_is_not_public() -> None:
    rows = re.findall(r"^\| (`.*?) \|", text_of("reference/library.md"), re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names <= {
        *qs._HOMES,
        *(name for kit in KITS.values() for name in kit._HOMES),
        *itertools.chain(*map(names_of, MODULES)),
        *itertools.chain(*(door(name).__all__ for name in DOORS)),
        *dir(qs.errors),
        *estimators.__all__,
    }


def test_every_estimator_is_in_the_reference() -> None:
    assert set(rows_of(text_of("reference/library.md").split("## scikit-learn\n")[1].split("\n## ")[0])) == {*estimators.__all__}


def names_of(module: str) -> list[str]:
    """The public names of a module that gathers them: functions of its own, and what it imports under the same name."""
    tree = ast.parse(inspect.getsource(getattr(qs, module)))
    imported = [each.asname for node in tree.body if isinstance(node, ast.ImportFrom) for each in node.names if each.asname]
    return [*imported, *(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_")]


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_module_that_gathers_them_is_in_the_reference(module: str) -> None:
    page, names = text_of("reference/library.md"), names_of(module)
    assert names and set(names) <= set(rows_of(page.split(f"\n`qs.{module}`")[1].split("\n`qs.")[0].split("\n## ")[0]))


def door(name: str) -> ModuleType:
    """A public module of thermodynamics."""
    return importlib.import_module(f"quasistatic.thermodynamics.{name}")


@pytest.mark.parametrize("name", DOORS)
def test_every_name_of_thermodynamics_is_in_the_reference(name: str) -> None:
    section = text_of("reference/library.md").split("## Thermodynamics\n")[1].split("\n## ")[0]
    assert set(rows_of(section.split(f"\n`{name}`:")[1].split("`:")[0])) == {*door(name).__all__}


def test_thermodynamics_has_no_other_door() -> None:
    found = {path.stem for path in (Path(qs.__file__).parent / "thermodynamics").glob("*.py") if path.stem[0] != "_"}
    assert found == set(DOORS)


@pytest.mark.parametrize("name", KITS)
def test_every_public_name_of_a_kit_is_in_the_reference(name: str) -> None:
    kit, section = KITS[name], text_of("reference/library.md").split(f"## The kit of {name}\n")[1].split("\n## ")[0]
    assert set(rows_of(section)) == {*kit._HOMES}
    assert {*kit._HOMES} <= {*dir(kit)} and all(hasattr(kit, each) for each in kit._HOMES)


def test_every_kit_is_in_the_reference() -> None:
    modules = {name: {path.stem for path in Path(kit.__file__ or "").parent.glob("*.py")} for name, kit in KITS.items()}
    # a module that is imported would take the place of what has its name
    assert not any(modules[name] & {*kit._HOMES} for name, kit in KITS.items())
    assert set(KITS) == {path.parent.name for path in Path(qs.__file__).parent.glob("kits/*/__init__.py")}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_command_is_in_the_reference(name: str) -> None:
    assert f"| `quasistatic {name}" in text_of("reference/commands.md")


def test_every_recipe_is_in_the_reference() -> None:
    (ours,) = (s for s in _plugins.plugins().statuses() if s.name == "recipes" and s.distribution == "quasistatic")
    for name in (text.removeprefix("recipe ") for text in ours.provides):
        assert f"| `{name}` |" in text_of("reference/recipes.md")


def test_the_components_page_has_every_option(conf: ModuleType) -> None:
    page = conf.fill(text_of("reference/components.md"))
    manager = _plugins.plugins()
    for component in manager.components():
        if manager.owner(component.kind, component.name).distribution == "quasistatic":
            part = page.split(f"## {component.kind} {component.name}\n", 1)[1].split("\n## ")[0]
            assert all(f"| `{field.name}` |" in part for field in attrs.fields(component.options))
            assert component.summary in part


def test_every_reference_of_a_component_is_to_be_cited(conf: ModuleType) -> None:
    manager, page = _plugins.plugins(), conf.fill(text_of("citing.md"))
    ours = [each for each in manager.components() if manager.owner(each.kind, each.name).distribution == "quasistatic"]
    for component in ours:
        row = f"| {component.kind} `{component.name}` |"
        assert (row in page) == bool(component.references)
        assert all(conf.literal(each) in page for each in component.references)


@pytest.mark.parametrize("page", sorted((DOCS / "reference" / "api").glob("*.md")), ids=lambda page: page.stem)
def test_every_public_name_has_its_signature(conf: ModuleType, page: Path) -> None:
    text = conf.fill(page.read_text())
    modules = re.findall(r"^\.\. py:module:: (\S+)$", text, re.MULTILINE)
    assert modules
    for module in modules:
        names = set(re.findall(rf"^\.\. auto(?:class|function|data):: {module}\.(\w+)$", text, re.MULTILINE))
        assert names and names == set(conf.public(conf.module_of(module)))
        if homes := getattr(conf.module_of(module), "_HOMES", None):
            assert names == {name for name in homes if not inspect.ismodule(getattr(conf.module_of(module), name))}


def test_every_public_module_has_a_page(conf: ModuleType) -> None:
    pages = "\n".join(conf.fill(page.read_text()) for page in (DOCS / "reference" / "api").glob("*.md"))
    modules = {*(name for name in qs._HOMES if inspect.ismodule(getattr(qs, name))), *(f"thermodynamics.{name}" for name in DOORS)}
    assert {f"quasistatic.{name}" for name in modules} <= set(re.findall(r"^\.\. py:module:: (\S+)$", pages, re.MULTILINE))


def test_a_build_reaches_for_other_pages_where_that_is_switched_on(conf: ModuleType) -> None:
    assert conf.intersphinx_mapping == {}
    assert {"jax", "equinox", "numpy", "optax"} <= set(conf.OTHERS)
    assert {alias.split(".")[0] for alias in conf.ALIASES.values()} <= set(conf.OTHERS)


def test_defaults_of_attrs_fields_are_shown_as_they_are(conf: ModuleType) -> None:
    assert conf.shown(0.5) == "0.5" and conf.shown(attrs.Factory(dict)) == "..."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_formula_can_be_rendered(page: Path) -> None:
    math = pytest.importorskip("docutils.utils.math.latex2mathml", reason="it comes with the extra 'docs'")
    for block, line in re.findall(r"\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+?)\$", CODE.sub("", page.read_text()), re.DOTALL):
        assert "<math" in math.tex2mathml(block or line)


def test_docstrings_become_restructured_text(conf: ModuleType) -> None:
    assert conf.restructured(["Of `x` (*event), x_ too."]) == [r"Of \ ``x``\  (\*event), x\_ too."]
    assert conf.restructured(["Of ``x`` (*event)."]) == ["Of ``x`` (*event)."]


def test_generated_parts_are_filled_in(conf: ModuleType) -> None:
    for page in PAGES[1:]:
        assert not re.search(rf"<!-- ({'|'.join(conf.GENERATED)})", conf.fill(page.read_text())), page
    commands = conf.fill(text_of("reference/commands.md"))
    assert all(f"Usage: quasistatic {name} " in commands for name in BUILT_IN)
    assert "first_step" in conf.fill(text_of("reference/recipes.md")).split("### [trajectory]")[1]


PROTOCOLS = (
    "AbstractEvent", "AbstractField", "AbstractSource", "AbstractGeneratedSource", "sources.AbstractTruth",
    "sources.AbstractJudge", "sources.AbstractBaselines", "sources.AbstractSurprises", "sources.AbstractDrawing",
    "sources.AbstractPartDrawing",
    "sources.AbstractReading", "sources.AbstractOwnUnits", "sources.AbstractFramed", "sources.AbstractGapped",
    "sources.AbstractGaps", "sources.AbstractWriting",
    "sources.AbstractPictures", "pictures.AbstractReporting", "pictures.AbstractOverview", "sources.AbstractKept",
    "sources.AbstractRefitting", "kits.pictures.AbstractPictureReport", "kits.sequences.AbstractSymbolSource",
    "kits.tables.AbstractColumns", "AbstractKernel", "AbstractBridged", "AbstractGivenStates",
    "AbstractGaussianPath", "AbstractFlowing", "AbstractJumping", "FiniteKernel",
    "AbstractDistribution", "AbstractWithMean", "distributions.AbstractElementwiseDistribution",
    "distributions.AbstractIntegrable", "distributions.AbstractDiscrete", "AbstractModel", "AbstractFilters",
    "AbstractObjective", "AbstractSampler", "AbstractPotential", "AbstractElementwise", "AbstractObserver",
)  # fmt: skip


def arguments_of(function: Any) -> list[str]:
    """As a page writes them: 'features', 'side=None'."""
    found = [parameter for name, parameter in inspect.signature(function).parameters.items() if name not in ("self", "cls")]
    return [each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in found]


def methods_of(conf: ModuleType, name: str) -> dict[str, Any]:
    cls = conf.named(name)
    builder = {"__init__": cls.__init__} if conf.has_builder(cls) else {}
    return builder | {key: member for key, member in conf.own_methods(cls).items() if inspect.isfunction(member)}


def rows_of(text: str) -> list[str]:
    """The names in the first column of tables."""
    return [name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]


def undocumented(conf: ModuleType, name: str, page: str) -> set[str]:
    """What the page, filled in, does not say of a protocol: its members, and the arguments of its methods."""
    cls = conf.named(name)
    section = conf.fill(page).split(f"\n### {name.rpartition('.')[2]}\n", 1)[1].split("\n## ")[0].split("\n### ")[0]
    named = rows_of(page.split("## Arguments\n", 1)[1].split("\n## ")[0])
    lost = {field for field in conf.own_fields(cls) if field not in rows_of(section)}
    lost |= {key for key, member in conf.own_methods(cls).items() if not inspect.getdoc(member) or f"\n{key}" not in section}
    for method in methods_of(conf, name).values():
        lost |= {argument.partition("=")[0] for argument in arguments_of(method)} - set(named)
    return lost


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_member_of_a_protocol_is_in_the_reference(name: str, conf: ModuleType) -> None:
    assert undocumented(conf, name, text_of("reference/protocols.md")) == set()


def test_a_member_that_nobody_describes_is_noticed(conf: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wider(qs.AbstractSampler):
        depth: int = 0

        def turn(self, z: Any, angle: float) -> Any:
            return z

    monkeypatch.setattr(qs, "AbstractSampler", Wider)
    assert undocumented(conf, "AbstractSampler", text_of("reference/protocols.md")) == {"depth", "turn", "angle"}


def test_the_reference_describes_no_argument_or_attribute_that_is_gone(conf: ModuleType) -> None:
    page = text_of("reference/protocols.md").split("## Arguments\n")[1]
    members = {field for name in PROTOCOLS for field in conf.own_fields(conf.named(name))}
    methods = [method for name in PROTOCOLS for method in methods_of(conf, name).values()]
    arguments = {argument.partition("=")[0] for method in methods for argument in arguments_of(method)}
    assert set(rows_of(page)) - arguments - members == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_methods_have_the_arguments_that_a_page_writes(page: Path, conf: ModuleType) -> None:
    """`step(diffusion, state, s, t, key)` is what some protocol has under this name."""
    forms: dict[str, list[list[str]]] = {}
    for name in PROTOCOLS:
        for key, method in methods_of(conf, name).items():
            if key != "build":  # that of an event is no builder of a component
                forms.setdefault(key, []).append(arguments_of(method))
    for key, written in re.findall(r"`(\w+)\(([\w, =]*)\)`", page.read_text()):
        if key in forms:
            assert [each for each in written.split(", ") if each] in forms[key], f"{key}({written})"


def test_every_file_of_a_skeleton_is_named() -> None:
    (listed,) = (block.text for block in blocks(DOCS / "plugins" / "skeletons.md") if block.language == "text")
    assert {line.split()[0] for line in listed.splitlines()} == set(project_files("steady", "sampler", "0.1.0"))


@pytest.mark.parametrize("kind", [*KINDS, "command"])
def test_every_kind_has_a_skeleton_on_the_page(kind: str) -> None:
    assert re.search(rf"^\| {kind} \|", text_of("plugins/skeletons.md"), re.MULTILINE)
    assert project_files("steady", kind, "0.1.0")


def test_every_law_is_in_the_table(conf: ModuleType) -> None:
    page = conf.fill(text_of("plugins/laws.md"))
    assert set(REGISTRY) == {*KINDS}
    for kind, laws in REGISTRY.items():
        section = page.split(f"### Laws of {kind}s\n")[1].split("\n### ")[0]
        assert laws and set(laws) == set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE))
        assert not re.search(r"\| +\|", section), "a law has no statement, or no source"


def test_a_page_says_of_every_law_what_it_cannot_see(conf: ModuleType) -> None:
    page = conf.fill(text_of("plugins/how-a-check-thinks.md"))
    rows = dict(re.findall(r"^\| (`[\w-]+`) \| (.*) \|$", page, re.MULTILINE))
    assert {*rows} == {f"`{name}`" for laws in REGISTRY.values() for name in laws}
    assert page.count("| law | does not see |") == len(REGISTRY)
    for kind, laws in REGISTRY.items():
        for name, law in laws.items():
            assert law.unseen.endswith(".") and len(law.unseen) > 20, f"{kind} law {name!r} does not say what it cannot see"


def test_every_json_key_of_an_evaluation_is_in_the_reference() -> None:
    from quasistatic._report.summary import describe
    from quasistatic._runs.evaluation import Evaluation

    keys = re.findall(r'^ +"(\w+)":', inspect.getsource(Evaluation.to_dict) + inspect.getsource(describe), re.MULTILINE)
    page = text_of("reference/commands.md").split("## JSON")[1]
    assert len(keys) > 15 and {key for key in keys if f"`{key}`" not in page} == set()


def test_every_module_of_the_core_is_in_the_architecture(conf: ModuleType) -> None:
    page, core = conf.fill(text_of("architecture.md")), Path(qs.__file__).parent
    wings = {path.parent.name for path in core.glob("*/__init__.py")}
    assert wings | {"errors"} == set(conf.WINGS)
    for wing in wings:
        section = page.split(f"\n### {wing}\n")[1].split("\n## ")[0].split("\n### ")[0]
        modules = {path.stem for path in (core / wing).glob("*.py")} - {"__init__"}
        modules |= {f"{path.parent.name}/" for path in (core / wing).glob("*/__init__.py")}
        assert modules == set(re.findall(r"^\| `([\w/]+)` \|", section, re.MULTILINE)), wing
        assert not re.search(r"\| +\|", section) and section.strip()[0] != "|", f"{wing}: something has no docstring"


def test_the_drawing_shows_the_layers_of_the_import_contract() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    drawing = next(block.text for block in blocks(DOCS / "architecture.md") if block.language == "text")
    rows = [re.match(r"\s*(\w+)(?:  +(_?\w+)(?=  ))?(?:  +(_?\w+)(?=  ))?", line) for line in drawing.splitlines()]
    drawn = [{name for name in row.groups() if name and (name.startswith("_") or name in NAMED)} for row in rows if row]
    assert drawn == [set(layer.split(" | ")) for layer in contract["layers"]]


NAMED = {"sklearn", "cli", "kits", "testing", "thermodynamics", "oracles", "errors"}  # wings and modules that are public


def test_modules_that_the_drawings_name_exist() -> None:
    text = "\n".join(block.text for block in blocks(DOCS / "architecture.md") if block.language == "text")
    named = set(re.findall(r"(_[a-z]+)\.([a-z]+)\b", text))
    assert len(named) > 10
    for wing, module in named:
        assert (Path(qs.__file__).parent / wing / f"{module}.py").exists(), (wing, module)


def test_the_two_commands_are_those_that_are_run() -> None:
    (run, tests) = (block.commands[0] for block in blocks(ROOT / "README.md") if block.language == "sh")
    *served, slow = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if ".venv" in line]
    assert slow == f"{served[-1]} -m slow"
    assert tests == " && ".join(served).replace("python3 ", "python ")
    assert run == tests.replace("data,test", "data").replace("python -m pytest -n 2 --dist loadfile", "quasistatic run swiss-roll")
    assert tests in text_of("CONTRIBUTING.md")


def test_the_contributing_guide_is_short() -> None:
    assert len(text_of("CONTRIBUTING.md").splitlines()) < 80


def test_pages_name_no_host() -> None:
    for page in PAGES:
        assert not re.search(r"https?://|\bwww\.", page.read_text()), page
