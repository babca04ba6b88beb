"""What is public, what is light, and who may import whom."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import quasistatic as qs
import quasistatic_plugins
from quasistatic._plugins import hooks as _hooks
from quasistatic._plugins import manager as _plugins
from quasistatic._plugins.commands import BUILT_IN
from quasistatic._plugins.kind import KINDS, RESERVED

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


def test_the_stub_exports_every_name_for_type_checkers() -> None:
    tree = ast.parse((CORE / "__init__.pyi").read_text())
    aliases = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert len(aliases) == len(qs._HOMES) > 60
    assert all(alias.asname == alias.name for alias in aliases)


def test_the_listing_is_short_and_every_wing_says_what_it_is() -> None:
    unlisted = ("__pycache__", "__init__.py", "__init__.pyi", "py.typed")
    listed = [path for path in CORE.iterdir() if path.name not in unlisted and not path.name.startswith(".")]
    assert len(listed) <= 17
    for wing in (path for path in listed if path.is_dir() and path.name != "_skeleton"):
        assert ast.get_docstring(ast.parse((wing / "__init__.py").read_text())), wing


def test_the_wings_are_layers_without_a_circle() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["quasistatic"]]
    height = {name.strip(): len(layers) - number for number, layer in enumerate(layers) for name in layer.split("|")}
    for path, tree in sources(CORE):
        own = Path(path).parts[1].removesuffix(".py")
        for module, _ in imports(tree):
            parts = module.split(".")
            if parts[0] == "quasistatic" and len(parts) > 1 and own in height and parts[1] != own:
                assert height[parts[1]] < height[own], (path, module)
    wings = {path.name.removesuffix(".py") for path in CORE.iterdir() if not path.name.startswith(("__", "."))}
    assert set(height) == wings - {"_skeleton", "py.typed"}


@pytest.mark.parametrize("name", [*qs._HOMES, "__version__"])
def test_every_public_name_can_be_had_and_is_listed(name: str) -> None:
    assert getattr(qs, name) == getattr(qs, name)
    assert name in dir(qs)
    assert not private(name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'quasistatic' has no attribute 'difusion'"):
        _ = qs.difusion  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_command_can_be_loaded_under_its_name(name: str) -> None:
    target, summary = BUILT_IN[name]
    module, _, attribute = target.partition(":")
    command = getattr(importlib.import_module(f"quasistatic.cli.{module}"), attribute)
    assert command.name == name
    assert command.help and summary.endswith(".")


def test_every_hook_has_a_manual_and_a_checked_return() -> None:
    from quasistatic._plugins.loading import _RETURNS

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
                assert module.split(".")[1] == own, (path, module, name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "qs":
                assert not private(node.attr), (path, node.attr)


def test_kits_use_public_names_alone() -> None:
    kits = list(sources(CORE / "kits"))
    assert len({Path(path).parts[1] for path, _ in kits}) > 5
    for path, tree in kits:
        for module, name in imports(tree):
            if module.split(".")[0] == "quasistatic":
                assert not private(f"{module}.{name}"), (path, module, name)
                assert module == "quasistatic" or module.startswith("quasistatic.kits"), (path, module)
            assert module.split(".")[0] != "quasistatic_plugins", (path, module)


@pytest.mark.parametrize("root", [CORE / "kits", PLUGINS, ROOT / "tests" / "third_party"], ids=lambda root: root.name)
def test_what_stands_on_the_core_uses_names_of_its_face(root: Path) -> None:
    for path, tree in sources(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "qs":
                assert node.attr in {*qs._HOMES, "__version__"}, (path, node.attr)


def test_the_core_does_not_know_the_kits() -> None:
    for path, tree in sources(CORE):
        if Path(path).parts[1] not in ("kits", "sklearn"):  # the estimators are the roof of everything
            assert all(module.split(".")[:2] != ["quasistatic", "kits"] for module, _ in imports(tree)), path


def test_click_is_for_the_command_line() -> None:
    users = [path for path, tree in sources(CORE) for module, _ in imports(tree) if module.split(".")[0] == "click"]
    assert users and all(path.startswith(os.path.join("quasistatic", "cli", "")) for path in users)


def test_the_core_does_not_know_the_plugins() -> None:
    for path, tree in sources(CORE):
        assert all(module.split(".")[0] != "quasistatic_plugins" for module, _ in imports(tree)), path


# ordinary words that the core needs, and that are names of components besides
ALLOWED = {
    "text": "a type of options",
    "table": "a type of options",
    "progress": "a method of observers, and what it writes",
    "bound": "K, in files of values and in measures of steps",
    "paper": "a value of `first_step`",
    "linear": "a schedule",
    "features": "events as vectors, in keys and messages of `Run.features`",
    "ancestral": "samples of the chain, as against those of the probability flow, in measures of steps",
}


def test_the_core_names_no_component_recipe_or_command_of_a_plugin() -> None:
    manager = _plugins.plugins()
    names = {each.name for each in (*manager.components(), *manager.recipes(), *manager.commands())}
    found, kinds = set(), "|".join((*KINDS, "recipe", "command"))
    for path, tree in sources(CORE):
        if Path(path).parts[1] in ("kits", "testing", "_skeleton", "sklearn"):
            continue
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        quoted = {word for text in texts for word in re.findall(rf"(?:{kinds}) '([\w-]+)'", text)}
        named = {*texts, *quoted} & names
        assert named <= {*ALLOWED}, path
        found |= named
    assert found == {*ALLOWED}  # no allowance that is not needed


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


SMALL = "updates=2", "validate_every=2", "validation_events=8", "batch=8", "checkpoint_every=2"
RUN = """
import sys
from quasistatic.cli import main
small = [f"--set=training.{option}" for option in sys.argv[2:]]
small += ["--set=trajectory.steps=2", "--set=evaluation.trajectory_steps=[2]", "--set=evaluation.events=8"]
main(["run", "heartbeat", "--out", sys.argv[1], "--quiet", "--set=model.width=4", *small], standalone_mode=False)
sys.stderr.write(' '.join(sys.modules))
"""


def test_a_run_imports_no_thermodynamics(tmp_path: Path) -> None:
    """Training, its validation, evaluation and report; TensorBoard measures it, so it is left out here."""
    arguments = [str(tmp_path / "run"), *SMALL, 'observers=["jsonl", "progress"]']
    found = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    modules = found.stderr.split()
    assert "quasistatic._report.run_report" in modules and (tmp_path / "run" / "report.html").exists()
    assert not [name for name in modules if name.startswith("quasistatic.thermodynamics")]


def test_importing_configures_nothing() -> None:
    code = """
import logging, os, signal, sys, warnings
def state():
    jax = sys.modules.get("jax")
    flags = dict(jax.config.values) if jax else None
    return (dict(os.environ), logging.root.level, list(logging.root.handlers), list(warnings.filters),
            signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), flags)
import jax
import optax, equinox, numpy, scipy.special, tensorboardX, matplotlib
before = state()
import quasistatic
for name in dir(quasistatic):
    getattr(quasistatic, name)
after = state()
assert before == after, [pair for pair in zip(before, after) if pair[0] != pair[1]]
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


def test_no_kind_has_the_name_of_something_else() -> None:
    from quasistatic._recipes.sections import SECTIONS

    assert {*SECTIONS, "name", "seed", "command", "recipe", "kind"} <= {*RESERVED} and not {*KINDS} & {*RESERVED}
    assert all(qs.Kind.load(kind).__name__.startswith("Abstract") and kind.summary for kind in KINDS.values())


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


# concrete classes that others inherit from, each with the reason
CONCRETE_BASES = {
    "ArrayChoices": "options: its fields are inherited",
    "ArrayReading": "options: its fields are inherited",
    "Shares": "options: its fields are inherited",
    "PictureChoices": "options: its fields are inherited",
    "CutChoices": "options: its fields are inherited",
    "SymbolChoices": "options: its fields are inherited",
    "SplitOptions": "options: its fields are inherited",
    "ReadingOptions": "options: its fields are inherited",
    "ColumnOptions": "options: its fields are inherited",
    "TrainingOptions": "options: its fields are inherited",
    "FadingOptions": "options: its fields are inherited",
    "ClassModel": "values: its fields are inherited",
    "PerEvent": "values: its fields are inherited",
    "Slope": "values: its fields are inherited",
    "FiniteKernel": "has everything but three matrices, which are abstract; its other methods are to be overridden",
}


def test_a_class_that_is_inherited_from_is_abstract_and_says_so() -> None:
    """Abstract or final (equinox): a method is written once, and what a class does can be read in one place."""
    trees = [tree for root in (CORE, PLUGINS) for _, tree in sources(root)]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    classes = {node.name for node in nodes}
    bases = [ast.unparse(base) for node in nodes for base in node.bases]
    own = re.compile(r"^(?:qs|arrays|networks|pictures|sequences|tables)\.")
    found = {own.sub("", base) for base in bases}  # with another dot: of another library
    errors = {name for name, value in vars(qs.errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    concrete = {name for name in found & classes if not name.startswith(("Abstract", "_Abstract"))}
    assert concrete - errors == set(CONCRETE_BASES)


def test_abstract_variables_are_declared_where_annotations_are_values() -> None:
    """With annotations as texts equinox takes an AbstractVar for a field."""
    for root in (CORE, PLUGINS):
        for path, tree in sources(root):
            late = any(module == "__future__" and name == "annotations" for module, name in imports(tree))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not (late and names & {"AbstractVar", "AbstractClassVar"}), path


def functions_of_the_public_api() -> Iterator[tuple[str, object]]:
    for name in qs._HOMES:
        value = getattr(qs, name)
        members = {name: value} if not inspect.ismodule(value) else {f"{name}.{each}": getattr(value, each) for each in dir(value)}
        for where, member in members.items():
            if inspect.isfunction(member):
                yield where, member
            elif inspect.isclass(member) and member.__module__.startswith("quasistatic"):
                for method, function in inspect.getmembers(member, inspect.isfunction):
                    if not private(method) and (function.__module__ or "").startswith("quasistatic"):
                        yield f"{where}.{method}", function


def test_a_key_is_keyword_only_wherever_it_has_company() -> None:
    seen = 0
    for where, function in functions_of_the_public_api():
        parameters = dict(inspect.signature(function).parameters)
        parameters.pop("self", None)
        key = parameters.pop("key", None)
        text = key is not None and key.annotation in ("str", "str | None", str, str | None)  # of an .npz file
        if key is None or not parameters or text:
            continue
        seen += 1
        assert key.kind is inspect.Parameter.KEYWORD_ONLY, where
    assert seen > 20


def test_what_is_listed_as_slow_is_a_test() -> None:
    for line in (ROOT / "tests" / "slow.txt").read_text().splitlines():
        path, _, name = line.partition("::")
        function = name.rpartition("::")[2].partition("[")[0]
        assert f"def {function}(" in (ROOT / path).read_text(), line
