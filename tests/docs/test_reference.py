"""The reference says what the code has: hooks, names, commands, options, files, links."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import quasistatic as qs
from quasistatic import _hooks, _plugins
from quasistatic.cli._main import BUILT_IN

from .conftest import DOCS, PAGES, ROOT, blocks

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


def test_the_ways_to_build_are_those_of_the_component() -> None:
    for kind, call in re.findall(r"^- ([\w, ]+): (`build\(.*?\)`)", inspect.getdoc(qs.Component) or "", re.MULTILINE):
        for name in kind.split(", "):
            assert f"| {name} | {call} |" in text_of("reference/hooks.md")


@pytest.mark.parametrize("name", [*qs._HOME, *qs._SUBMODULES])
def test_every_public_name_is_in_the_reference(name: str) -> None:
    named = f"`{name}`" in text_of("reference/library.md")
    assert named or (name == "errors" and "Module `errors`" in text_of("reference/library.md"))


def test_the_reference_names_nothing_that_is_not_public() -> None:
    rows = re.findall(r"^\| (`.*?) \|", text_of("reference/library.md"), re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names <= {*qs._HOME, *qs._SUBMODULES}


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


def test_generated_parts_are_filled_in(conf: ModuleType) -> None:
    for page in PAGES[1:]:
        assert not re.search(rf"<!-- ({'|'.join(conf.GENERATED)})", conf.fill(page.read_text())), page
    commands = conf.fill(text_of("reference/commands.md"))
    assert all(f"Usage: quasistatic {name} " in commands for name in BUILT_IN)
    assert "first_step" in conf.fill(text_of("reference/recipes.md")).split("### [trajectory]")[1]


def test_every_json_key_of_an_evaluation_is_in_the_reference() -> None:
    from quasistatic._evaluate import Evaluation
    from quasistatic._summary import describe

    keys = re.findall(r'^ +"(\w+)":', inspect.getsource(Evaluation.to_dict) + inspect.getsource(describe), re.MULTILINE)
    page = text_of("reference/commands.md").split("## JSON")[1]
    assert len(keys) > 15 and {key for key in keys if f"`{key}`" not in page} == set()


def test_every_module_of_the_core_is_in_the_architecture() -> None:
    page = text_of("architecture.md")
    modules = {path.stem for path in Path(qs.__file__).parent.glob("*.py")} - {"__init__", "__main__"}
    assert {name for name in modules if f"`{name}`" not in page} == set()


def test_the_two_commands_are_those_that_are_run() -> None:
    (run, tests) = (block.commands[0] for block in blocks(ROOT / "README.md") if block.language == "sh")
    served = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if ".venv" in line]
    assert tests == " && ".join(served).replace("python3 ", "python ")
    assert run == tests.replace("data,test", "data").replace("python -m pytest", "quasistatic run swiss-roll")
    assert tests in text_of("contributing.md")


def test_the_contributing_guide_is_short() -> None:
    assert len(text_of("contributing.md").splitlines()) < 80


def test_pages_name_no_host() -> None:
    for page in PAGES:
        assert not re.search(r"https?://|\bwww\.", page.read_text()), page
