"""What is public, what is light, and who may import whom."""

from __future__ import annotations

import ast
import importlib
import itertools
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import quasistatic as qs
import quasistatic_plugins
from quasistatic import _component, _hooks, _plugins
from quasistatic.cli._main import BUILT_IN

ROOT = Path(__file__).parents[1]
CORE = Path(qs.__file__).parent
PLUGINS = Path(quasistatic_plugins.__file__).parent
HEAVY = ("jax", "equinox", "numpy", "cattrs", "rich", "optax", "matplotlib", "scipy", "tensorboardX", "PIL", "sklearn")


def sources(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        yield str(path.relative_to(root.parent)), ast.parse(path.read_text())


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Module and name of everything imported; the name is empty where the module itself is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def test_the_names_for_the_interpreter_are_those_for_the_type_checker() -> None:
    tree = ast.parse(Path(qs.__file__).read_text())
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {(module, name) for statement in guarded.body for module, name in imports(statement)}
    lazy = {(f"quasistatic.{module}", name) for name, module in qs._HOME.items()}
    assert typed == lazy | {("quasistatic", name) for name in qs._SUBMODULES}
    aliases = [alias for node in ast.walk(guarded) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.asname == alias.name for alias in aliases)


@pytest.mark.parametrize("name", [*qs._HOME, *qs._SUBMODULES, "__version__"])
def test_every_public_name_can_be_had_and_is_listed(name: str) -> None:
    assert getattr(qs, name) == getattr(qs, name)
    assert name in dir(qs)
    assert not private(name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'quasistatic' has no attribute 'difusion'"):
        _ = qs.difusion  # type: ignore[attr-defined]


def test_the_built_in_commands_are_reserved() -> None:
    assert _plugins.RESERVED_COMMANDS == tuple(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_command_can_be_loaded_under_its_name(name: str) -> None:
    target, summary = BUILT_IN[name]
    module, _, attribute = target.partition(":")
    command = getattr(importlib.import_module(f"quasistatic.cli.{module}"), attribute)
    assert command.name == name
    assert command.help and summary.endswith(".")


def test_every_hook_has_a_manual_and_a_checked_return() -> None:
    from quasistatic._loading import _RETURNS

    hooks = {name: value for name, value in vars(_hooks).items() if name.startswith("quasistatic_")}
    assert set(hooks) == set(_RETURNS)
    assert all("Return a list of" in (hook.__doc__ or "") for hook in hooks.values())


def test_plugins_import_public_names_alone() -> None:
    for path, tree in sources(PLUGINS):
        own = path.split(os.sep)[1].removesuffix(".py")
        for module, name in imports(tree):
            if module.split(".")[0] == "quasistatic":
                assert not private(f"{module}.{name}"), (path, module, name)
            elif module.split(".")[0] == "quasistatic_plugins":
                assert module.split(".")[1:2] == [own], (path, module, name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "qs":
                assert not private(node.attr), (path, node.attr)


def test_click_is_for_the_command_line() -> None:
    users = [path for path, tree in sources(CORE) for module, _ in imports(tree) if module.split(".")[0] == "click"]
    assert users and all(path.startswith(os.path.join("quasistatic", "cli", "")) for path in users)


def test_the_core_does_not_know_the_plugins() -> None:
    for path, tree in sources(CORE):
        assert all(module.split(".")[0] != "quasistatic_plugins" for module, _ in imports(tree)), path


LIGHT = {
    "import": "import quasistatic; dir(quasistatic); quasistatic.hookimpl, quasistatic.Component",
    "plugins": "import quasistatic; quasistatic.PluginManager().components()",
    "--help": "from quasistatic.cli import main; main(['--help'], standalone_mode=False)",
    "--version": "from quasistatic.cli import main; main(['--version'], standalone_mode=False)",
    "completion": "from quasistatic.cli import main; main(['show'], standalone_mode=False, complete_var='_X')",
    "plugins --json": "from quasistatic.cli import main; main(['plugins', '--json'], standalone_mode=False)",
    "recipes --json": "from quasistatic.cli import main; main(['recipes', '--json'], standalone_mode=False)",
}


@pytest.mark.parametrize("what", LIGHT)
def test_what_is_light_imports_nothing_heavy(what: str) -> None:
    code = f"{LIGHT[what]}\nimport sys; sys.stderr.write(' '.join(sys.modules))"
    env = {**os.environ, "_X": "bash_complete", "COMP_WORDS": "quasistatic sh", "COMP_CWORD": "1"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert found.returncode == 0, found.stderr
    assert not set(found.stderr.split()) & set(HEAVY)


def test_importing_configures_nothing() -> None:
    code = """
import logging, os, signal, sys, warnings
def state():
    jax = sys.modules.get("jax")
    flags = dict(jax.config.values) if jax else None
    return (dict(os.environ), logging.root.level, list(logging.root.handlers), list(warnings.filters),
            signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), flags)
import jax
import optax, equinox, numpy, tensorboardX, matplotlib
before = state()
import quasistatic
for name in dir(quasistatic):
    getattr(quasistatic, name)
after = state()
assert before == after, [pair for pair in zip(before, after) if pair[0] != pair[1]]
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


def test_kinds_are_those_of_a_recipe_and_the_observers() -> None:
    from quasistatic._recipe import CHOICES

    assert _component.KINDS == (*CHOICES, "observer")


def test_the_lowest_versions_that_are_tested_are_those_that_are_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    tox = (ROOT / "tox.ini").read_text()
    for requirement in declared:
        lowest = requirement.partition(",")[0].replace(">=", "==")
        assert f"    {lowest}\n" in tox, requirement


def test_constraints_name_no_host_and_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints = (ROOT / "tests" / "constraints.txt").read_text().lower()
    assert "://" not in constraints and "index" not in constraints
    extras = itertools.chain(*project["optional-dependencies"].values())
    for requirement in (*project["dependencies"], *extras):
        assert f"{requirement.split('>=')[0].lower()}==" in constraints, requirement
