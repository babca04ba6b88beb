"""quasistatic plugins, and the ways to choose among them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import quasistatic as qs

Cli = Callable[..., Result]
Install = Callable[..., str]
Shell = Callable[..., subprocess.CompletedProcess[str]]

HELLO = '''
import attrs, click
import quasistatic as qs

@attrs.frozen
class Stillness:
    """Nothing moves."""
    depth: int = attrs.field(default=3, metadata={"help": "how still"})

@click.command()
def hello():
    """Say hello."""
    click.echo("hello, world")

@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "stillness", Stillness, build="nowhere:Nothing")]

@qs.hookimpl
def quasistatic_commands():
    return [qs.Command("hello", "Say hello.", hello)]
'''


def listed(cli: Cli, *before: str) -> dict[str, dict]:
    result = cli(*before, "plugins", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return {each["name"]: each for each in json.loads(result.stdout)}


def test_json_has_every_plugin_and_all_that_is_known_of_it(cli: Cli) -> None:
    gaussian = listed(cli)["gaussian"]
    assert gaussian.pop("seconds") > 0
    assert gaussian == {
        "name": "gaussian",
        "module": "quasistatic_plugins.gaussian",
        "distribution": "quasistatic",
        "version": qs.__version__,
        "state": "loaded",
        "reason": "",
        "provides": ["kernel gaussian"],
    }


def test_the_table_has_every_plugin(cli: Cli) -> None:
    head, *rows = cli("plugins").stdout.splitlines()
    assert head.split() == ["plugin", "from", "state", "provides,", "or", "why", "not"]
    assert [row.split()[0] for row in rows] == list(listed(cli))
    (row,) = [row for row in rows if row.startswith("gaussian ")]
    assert row.split() == ["gaussian", "quasistatic", qs.__version__, "loaded", "kernel", "gaussian"]


def test_a_broken_plugin_is_listed_with_its_reason(cli: Cli, install_plugin: Install) -> None:
    install_plugin("import_error")
    result = cli("plugins")
    assert result.exit_code == 0
    assert "No module named 'a_module_that_nobody_has'" in result.stdout


def test_trace_shows_what_each_took(cli: Cli) -> None:
    head, *rows = cli("plugins", "--trace").stdout.splitlines()
    assert "took" in head and all(" ms" in row for row in rows)


def test_any_plugin_can_be_blocked(cli: Cli) -> None:
    assert listed(cli, "--no-plugin", "gaussian", "--no-plugin", "quasistatic:dense")["gaussian"]["state"] == "blocked"
    result = cli("plugins", "--json", env={"QUASISTATIC_DISABLE": "gaussian,dense"})
    states = {each["name"]: each["state"] for each in json.loads(result.stdout)}
    assert [name for name, state in states.items() if state != "loaded"] == ["dense", "gaussian"]


def test_what_a_blocked_plugin_provides_cannot_be_used(cli: Cli) -> None:
    result = cli("--no-plugin", "gaussian", "config", "swiss-roll")
    assert result.exit_code == 2
    assert "kernel.use: kernel 'gaussian' is not available: plugin 'gaussian' (quasistatic " in result.stderr
    assert "is blocked: by --no-plugin or QUASISTATIC_DISABLE" in result.stderr


def test_a_recipe_that_does_not_need_a_broken_plugin_is_not_held_up(cli: Cli, install_plugin: Install) -> None:
    for name in ("exits", "raising_hook", "wrong_signature"):
        install_plugin(name)
    assert cli("config", "swiss-roll").exit_code == 0


def test_no_plugin_wants_a_name_that_exists(cli: Cli) -> None:
    result = cli("--no-plugin", "gausian", "plugins")
    assert result.exit_code == 2
    assert "no plugin is called 'gausian'; did you mean 'gaussian'?" in result.stderr


def test_a_conflict_is_settled_by_blocking_one(cli: Cli, install_plugin: Install) -> None:
    install_plugin("shadows_gaussian")
    assert {listed(cli)[name]["state"] for name in ("gaussian", "shadows_gaussian")} == {"conflict"}
    result = cli("show", "kernel", "gaussian")
    assert result.exit_code == 2
    assert "kernel 'gaussian' is offered by both 'gaussian' (quasistatic " in result.stderr
    assert "block one with --no-plugin gaussian or --no-plugin shadows_gaussian" in result.stderr
    assert cli("--no-plugin", "shadows_gaussian", "show", "kernel", "gaussian").exit_code == 0


def test_hello_world_needs_no_packaging(shell: Shell, tmp_path: Path) -> None:
    safe = {"PYTHONSAFEPATH": "1"}  # the folder is searched because of -p, not because of python -m
    (tmp_path / "hello_world.py").write_text(HELLO)
    said = shell("-p", "hello_world", "hello", env=safe)
    assert (said.returncode, said.stdout) == (0, "hello, world\n"), said.stderr
    shown = shell("-p", "hello_world", "show", "sampler", "stillness", env=safe)
    assert "sampler stillness, of plugin 'hello_world' (module hello_world)" in shown.stdout
    assert "depth" in shown.stdout and "how still" in shown.stdout
    chosen = shell("-p", "hello_world", "config", "swiss-roll", "--set", "sampler.use=stillness", env=safe)
    assert '[sampler]\nuse = "stillness"\ndepth = 3\n' in chosen.stdout
    assert shell("hello", env=safe).returncode == 2


@pytest.mark.parametrize("module", ["no_such_module", "import_error", "not-a-module", "a..b", "a:b:c"])
def test_a_module_that_cannot_be_loaded_is_an_error(cli: Cli, install_plugin: Install, module: str) -> None:
    install_plugin("exits")
    result = cli("-p", module, "plugins")
    assert result.exit_code == 2
    assert f"plugin {module!r} (module {module}) is broken: " in result.stderr
