"""quasistatic new-plugin: what it writes works, for every kind, and what it cannot write is refused."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

import quasistatic as qs
from quasistatic._plugins.kind import KINDS
from quasistatic.cli import main
from quasistatic.cli._new_plugin import SKELETON, version_range

Cli = Callable[..., Result]
ALL = (*KINDS, "command")
CHOICES = [name for name, kind in KINDS.items() if kind.section == "required"]
ROOT = Path(__file__).parents[2]
SHORT = {
    "training.updates": 2,
    "training.batch": 8,
    "training.validate_every": 1,
    "training.validation_events": 8,
    "trajectory.steps": 3,
    "evaluation.events": 8,
    "evaluation.samples": 4,
}
# laws that compile for long
SLOW = {"agreement", "batches", "rare-states"}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a new project of every kind, my-KIND, each importable."""
    folder = tmp_path_factory.mktemp("projects")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ALL:
            project = folder / kind
            arguments = ["new-plugin", f"my-{kind}", "--kind", kind, "--into", str(project)]
            assert CliRunner().invoke(main, arguments).exit_code == 0
            patch.syspath_prepend(project)
        patch.setattr(sys, "dont_write_bytecode", True)
        yield folder
    for name in [name for name in sys.modules if name.startswith("quasistatic_my_")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def manager(projects: Path) -> qs.PluginManager:
    return qs.PluginManager(modules=[f"quasistatic_my_{kind}" for kind in ALL])


def short(name: str, manager: qs.PluginManager) -> qs.Recipe:
    return qs.load_recipe(name, SHORT, manager)


@pytest.mark.parametrize("kind", ALL)
def test_a_project_is_whole_and_nothing_is_left_open(projects: Path, kind: str) -> None:
    package, recipe = f"quasistatic_my_{kind}", set() if kind == "command" else {f"quasistatic_my_{kind}/recipe.toml"}
    texts = {
        path.relative_to(projects / kind).as_posix(): path.read_text()
        for path in (projects / kind).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert set(texts) == recipe | {
        *("pyproject.toml", "README.md", "tox.ini", ".gitignore", ".github/workflows/test.yml"),
        *(f"{package}/__init__.py", f"{package}/{kind}.py", f"{package}/py.typed", f"tests/test_my_{kind}.py"),
    }
    for path, text in texts.items():
        assert "MODULE" not in text and "NAME" not in text, path
        assert "$" not in text.replace("${{ matrix.python }}", "").replace("$ quasistatic", "").replace("$ p", ""), path
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["entry-points"] == {"quasistatic": {f"my-{kind}": package}}
    assert project["dependencies"] == [f"quasistatic{version_range(qs.__version__)}"]
    assert project["optional-dependencies"] == {"test": ["quasistatic[test]"]}


def test_the_next_commands_are_printed_and_in_the_readme(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = cli("new-plugin", "mine", "--kind", "kernel").stdout
    wanted = ['pip install -e "./quasistatic-mine[test]"', "quasistatic check mine", "quasistatic run mine"]
    assert [line.strip() for line in told.splitlines() if line.startswith("  ")] == wanted
    readme = (tmp_path / "quasistatic-mine" / "README.md").read_text()
    assert all(f"$ {line}" in readme for line in wanted[1:])
    assert "quasistatic mine runs/mine" in cli("new-plugin", "mine", "--kind", "command", "--into", tmp_path / "c").stdout


def test_all_eight_load_beside_each_other_and_none_loads_jax(projects: Path, python: Callable[..., str]) -> None:
    modules = [f"quasistatic_my_{kind}" for kind in ALL]
    code = (
        f"import sys; sys.dont_write_bytecode = True; sys.path[:0] = {[str(projects / kind) for kind in ALL]}\n"
        f"import quasistatic as qs; found = qs.PluginManager(modules={modules}).statuses()\n"
        "print([s.state for s in found if s.name.startswith('quasistatic_my_')])\n"
        "print({'jax', 'equinox', 'numpy', 'click'} & set(sys.modules))"
    )
    assert python(code).splitlines() == [str(["loaded"] * 8), "set()"]


@pytest.mark.parametrize("kind", KINDS)
def test_its_laws_hold(manager: qs.PluginManager, kind: str) -> None:
    """As it is first built, and in one setting; `quasistatic check` takes longer over it."""
    built = next(iter(qs.testing.builds(manager.component(kind, f"my-{kind}"))))
    laws = [attrs.evolve(law, examples=1) for law in built.laws if law.name not in SLOW]
    verdicts = [law.verdict(built.label) for law in laws]
    assert verdicts and {verdict.outcome for verdict in verdicts} <= {"holds", "not measured"}, verdicts


@pytest.mark.parametrize("kind", CHOICES)
def test_its_recipe_trains(manager: qs.PluginManager, kind: str) -> None:
    run = qs.train(short(f"my-{kind}", manager), manager=manager)
    chosen = run.recipe.choices[kind]
    assert (chosen.component.name, run.updates_done) == (f"my-{kind}", 2)
    assert run.best is not None
    if kind == "sampler":
        assert run.sample(3).shape == (3, 20)


@pytest.fixture(scope="module")
def run_folder(projects: Path, manager: qs.PluginManager, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with the new observer."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = [part for key, value in SHORT.items() for part in ("--set", f"{key}={value}")]
    arguments = ["-p", "quasistatic_my_observer", "train", "my-observer", "--out", str(folder), "--quiet", *settings]
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    return folder


def test_the_observer_writes_its_table_and_keeps_it_over_a_resume(run_folder: Path, manager: qs.PluginManager) -> None:
    path = run_folder / "my-observer.csv"
    head, *rows = path.read_text().splitlines()
    assert head == "update,bound_nats,standard_error_nats"
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    measured = [(line["update"], line["bound_nats"]) for line in lines if line["kind"] == "validation"]
    assert [update for update, _ in measured] == [0, 1, 2]
    assert [tuple(map(float, row.split(",")[:2])) for row in rows] == [pytest.approx(pair, rel=1e-4) for pair in measured]
    component = manager.component("observer", "my-observer")
    observer = component.load()(component.options(), run_folder)
    run = qs.open_run(run_folder, manager)
    observer.start(qs.RunInfo({}, "", 0, 0, 1, 2, run.source, run.sampler))
    observer.validation(2, run.evaluate("validation").ledger, run.diffusion)
    assert [row.split(",")[0] for row in path.read_text().splitlines()[1:]] == ["0", "1", "2"]


def test_the_command_prints_terms_that_add_up(run_folder: Path, manager: qs.PluginManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("quasistatic._runs.job"), "plugins", lambda: manager)
    found = CliRunner().invoke(manager.command("my-command").load(), [str(run_folder), "-n", "8"], catch_exceptions=False)
    head, *rows = found.output.splitlines()
    assert (found.exit_code, len(rows)) == (0, 4)
    assert sum(float(row.split()[-1]) for row in rows) == pytest.approx(-float(head.split()[2]), abs=1e-3)


def test_a_project_installs_and_passes_its_own_tests(projects: Path, tmp_path: Path) -> None:
    project, site = shutil.copytree(projects / "observer", tmp_path / "project"), tmp_path / "site"
    install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", *install, str(project)], check=True, capture_output=True)
    (metadata,) = site.glob("*.dist-info/METADATA")
    assert "Requires-Dist: quasistatic<" in metadata.read_text()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=project, env=env)
    assert found.returncode == 0 and " passed" in found.stdout, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["My Kernel", "--kind", "kernel"], "a letter first, got 'My Kernel'; for example 'my-kernel'"),
        (["quasistatic-mine", "--kind", "kernel"], "got 'quasistatic-mine'; for example 'mine'"),
        (["3d", "--kind", "model"], "got '3d'; for example 'my-model'"),
        (["", "--kind", "model"], "got ''; for example 'my-model'"),
        (["a--b", "--kind", "source"], "got 'a--b'; for example 'a-b'"),
        (["größe", "--kind", "source"], "for example 'gr-e'"),
        (["gaussian", "--kind", "kernel"], "'gaussian' is taken: plugin 'gaussian' (quasistatic 0.1.0) has a kernel of this name"),
        (["gaussian", "--kind", "model"], "'gaussian' is taken: there is a plugin 'gaussian' (quasistatic 0.1.0)"),
        (["heartbeat-2015", "--kind", "source"], "plugin 'recipes' (quasistatic 0.1.0) has a recipe of this name"),
        (["run", "--kind", "command"], "'run' is taken: command 'run' is built in"),
        (["plugins", "--kind", "model"], "'plugins' is taken: there is a package quasistatic_plugins"),
        (["mine", "--kind", "kernle"], "'kernle' is not one of 'source', 'kernel', "),
        (["mine"], "Missing option '--kind'"),
        (["mine", "--kind", "kernel", "--into", "full"], "expected a new or empty folder, but full is a folder that is not empty"),
        (["mine", "--kind", "kernel", "--into", "file"], "expected a new or empty folder, but file is not a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    (tmp_path / "file").write_text("kept")
    result = cli("new-plugin", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr and "Traceback" not in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]


def test_an_empty_folder_will_do(cli: Cli, tmp_path: Path) -> None:
    assert cli("new-plugin", "mine", "--kind", "sampler", "--into", tmp_path).exit_code == 0
    assert (tmp_path / "pyproject.toml").exists()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.12.3+local", ">=0.12,<0.13"),
        ("0.2.0rc1", ">=0.2.0rc1,<0.3"),
        ("2.1.5", ">=2.1,<3"),
    ],
)
def test_the_range_of_versions_is_that_of_compatible_ones(version: str, expected: str) -> None:
    assert version_range(version) == expected


def test_the_wheel_holds_the_templates(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("quasistatic/_skeleton/")}
    wanted = {f"quasistatic/_skeleton/{path.relative_to(SKELETON).as_posix()}" for path in SKELETON.rglob("*") if path.is_file()}
    assert shipped == wanted and "quasistatic/_skeleton/project/.gitignore.in" in shipped


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")])
def test_what_is_written_is_clean_by_the_defaults_of_ruff(projects: Path, arguments: tuple[str, ...]) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is in the extra lint")
    found = subprocess.run([ruff, *arguments, "--isolated", "--no-cache", str(projects)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
