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
        "imports": [],
        "is_built_in": True,
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
    assert "took" in head and "imported" in head and all(" ms" in row for row in rows)


def test_any_plugin_can_be_blocked(cli: Cli) -> None:
    assert listed(cli, "--no-plugin", "gaussian", "--no-plugin", "quasistatic:dense")["gaussian"]["state"] == "blocked"
    result = cli("plugins", "--json", env={"QUASISTATIC_DISABLE": "gaussian,dense"})
    states = {each["name"]: each["state"] for each in json.loads(result.stdout)}
    assert [name for name, state in states.items() if state != "loaded"] == ["dense", "gaussian"]


def test_only_the_plugins_of_others_that_are_named_are_loaded(cli: Cli, install_plugin: Install) -> None:
    for name in ("rival_one", "prints", "exits"):
        install_plugin(name)
    reason = "not among those of --only-plugin or QUASISTATIC_ONLY"
    for listed_ones in (
        listed(cli, "--only-plugin", "rival_one"),
        {each["name"]: each for each in json.loads(cli("plugins", "--json", env={"QUASISTATIC_ONLY": " rival_one,"}).stdout)},
    ):
        assert {name for name, each in listed_ones.items() if each["state"] != "loaded"} == {"prints", "exits"}
        assert {listed_ones[name]["reason"] for name in ("prints", "exits")} == {reason}
        assert listed_ones["exits"]["state"] == "blocked" and listed_ones["exits"]["seconds"] == 0
    result = cli("--only-plugin", "bad-prints:prints", "plugins", "--json", env={"QUASISTATIC_ONLY": "rival_one"})
    states = {each["name"]: each["state"] for each in json.loads(result.stdout)}
    assert states["prints"] == "loaded" and states["rival_one"] == states["exits"] == "blocked"


def test_only_plugin_leaves_what_was_asked_for_by_hand_and_gives_way_to_no_plugin(cli: Cli, install_plugin: Install) -> None:
    for name in ("rival_one", "rival_two"):
        install_plugin(name)
    result = cli("-p", "rival_two", "--only-plugin", "rival_one", "--no-plugin", "rival_one", "plugins", "--json")
    states = {each["name"]: (each["state"], each["reason"]) for each in json.loads(result.stdout)}
    assert states["rival_two"] == ("loaded", "")
    assert states["rival_one"] == ("blocked", "by --no-plugin or QUASISTATIC_DISABLE")


def test_only_plugin_wants_a_name_that_exists(cli: Cli) -> None:
    result = cli("--only-plugin", "gausian", "plugins")
    assert result.exit_code == 2
    assert "no plugin is called 'gausian'; did you mean 'gaussian'?" in result.stderr


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


def test_a_developer_gets_the_traceback_of_a_plugin_that_cannot_be_used(cli: Cli, install_plugin: Install) -> None:
    install_plugin("bad_commands")
    result = cli("absent", env={"QUASISTATIC_DEBUG": "1"})
    assert isinstance(result.exception, qs.errors.PluginError) and isinstance(result.exception.__cause__, ModuleNotFoundError)


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
