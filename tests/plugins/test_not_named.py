"""Code that nobody has named: it does not run because it lies in the working folder, or calls itself by our name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import quasistatic as qs

PLUGIN = """
import os, pathlib
import attrs
import quasistatic as qs
pathlib.Path(os.environ["CANARY"]).touch()

@qs.hookimpl
def quasistatic_recipes():
    return []
"""
QUIET = PLUGIN.replace('pathlib.Path(os.environ["CANARY"]).touch()', "import helper_of_named")


def install(folder: Path, module: str, distribution: str, point: str, group: str = "quasistatic", metadata_name: str = "") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(PLUGIN)
    info = folder / f"{distribution}-9.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {metadata_name or distribution}\nVersion: 9.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{point} = {module}\n")


@pytest.mark.parametrize("group", ["quasistatic", "jax_plugins"])
@pytest.mark.parametrize("how", ["-m", "-c", "named"])
def test_a_distribution_in_the_working_folder_does_not_run(tmp_path: Path, group: str, how: str) -> None:
    install(tmp_path, "lying_here", "lying", "lying", group)
    (tmp_path / "named.py").write_text(QUIET)
    (tmp_path / "helper_of_named.py").touch()
    code = "import sys; from quasistatic.cli import main; main()"
    if how == "-c":
        code = "import quasistatic as qs; print(qs.plugins().statuses())"
    begin = [sys.executable, "-m", "quasistatic"] if how == "-m" else [sys.executable, "-c", code]
    if how != "-c":
        begin += ["-p", "named"] if how == "named" else []
        begin += ["check", "sampler", "ancestral", "--quick"] if group == "jax_plugins" and how == "-m" else ["plugins"]
    environment = {**os.environ, "CANARY": str(tmp_path / "canary")}
    if how == "named":  # as the installed program, for which Python adds no folder
        begin[1:2] = ["-P", "-c"]
    done = subprocess.run(begin, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "canary").exists() and "lying" not in done.stdout


def test_a_named_module_is_found_in_the_working_folder_and_the_path_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_by_test.py").write_text(QUIET)
    (tmp_path / "helper_of_named.py").touch()
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    manager = qs.PluginManager(["named_by_test"])
    assert next(each for each in manager.statuses() if each.name == "named_by_test").state == "loaded"
    assert sys.path == before
    with pytest.raises(qs.errors.PluginError):
        qs.PluginManager(["not_there_at_all"])
    assert sys.path == before


@pytest.mark.parametrize("name", ["quasistatic", "Quasistatic", "QUASISTATIC"])
def test_nobody_is_believed_to_be_quasistatic_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install(tmp_path / "site", "somebody_else", "other", "gaussian", metadata_name=name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("CANARY", str(tmp_path / "canary"))
    manager = qs.PluginManager(only=["recipes"])  # third-party plugins: none
    assert not (tmp_path / "canary").exists()
    found = [each for each in manager.statuses() if each.name == "gaussian"]
    assert {(each.is_built_in, each.state) for each in found} == {(True, "loaded"), (False, "blocked")}
    (other,) = [each for each in found if not each.is_built_in]
    assert str(tmp_path / "site") in other.distribution
    assert manager.component("kernel", "gaussian").name == "gaussian"


@pytest.mark.parametrize("variable", ["QUASISTATIC_DISABLE", "QUASISTATIC_ONLY"])
def test_an_unknown_name_in_a_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, variable: str, cli) -> None:
    monkeypatch.setenv(variable, "gaussian, gausian")
    with pytest.raises(qs.errors.PluginError, match=f"^{variable}: no plugin is called 'gausian'; did you mean 'gaussian'"):
        qs.PluginManager()
    result = cli("plugins")
    assert result.exit_code == 2 and result.stderr.startswith(f"Error: {variable}: no plugin is called 'gausian'")
    monkeypatch.setenv(variable, " ,gaussian,")
    assert cli("plugins", "--json").exit_code == 0


def test_built_in_plugins_are_known_by_where_they_lie(cli) -> None:
    listed = json.loads(cli("plugins", "--json").stdout)
    assert all(each["is_built_in"] for each in listed if each["distribution"] == "quasistatic")
