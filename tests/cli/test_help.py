"""Help, version and completion: what a user meets first, and what it costs."""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

import quasistatic as qs
from quasistatic._plugins.commands import BUILT_IN
from quasistatic.cli import main

# built-in plugins that bring commands
OURS = {"classification", "conditioning", "export", "groups", "parzen", "scoring", "thermodynamics"}

Cli = Callable[..., Result]
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_lists_every_command(cli: Cli, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    for name, (_, summary) in BUILT_IN.items():
        assert f"  {name} " in result.stdout and summary.split()[0] in result.stdout
    assert set(re.findall("Commands of plugin (.*):", result.stdout)) == OURS


@pytest.mark.parametrize("command", BUILT_IN)
def test_every_command_explains_itself_and_each_of_its_options(cli: Cli, command: str) -> None:
    result = cli(command, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: quasistatic {command} ")
    found = main.get_command(click.Context(main, **main.context_settings), command)
    assert found is not None
    assert all(option.help for option in found.params if isinstance(option, click.Option))


def test_no_command_at_all_prints_help_and_is_a_usage_error(cli: Cli) -> None:
    assert cli().exit_code == 2


def test_version(cli: Cli) -> None:
    result = cli("--version")
    assert (result.exit_code, result.stdout) == (0, f"quasistatic {qs.__version__}\n")


def test_the_commands_of_plugins_are_listed_under_their_name(cli: Cli, install_plugin: Callable[..., str]) -> None:
    install_plugin("bad_commands")
    section = cli("--help").stdout.partition("Commands of plugin bad_commands:\n")[2]
    assert [line.split()[0] for line in section.partition("\n\n")[0].splitlines()] == ["absent", "fail", "number"]
    assert "Commands of plugin bad_commands" not in cli("--no-plugin", "bad_commands", "--help").stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("quasistatic ev", {"evaluate"}),
        ("quasistatic run swiss", {"swiss-roll", "swiss-roll-2015"}),
        ("quasistatic show ker", {"kernel"}),
        ("quasistatic show kernel ga", {"gaussian"}),
        ("quasistatic config heartbeat --set training.up", {"training.updates="}),
        ("quasistatic config no-such-recipe --set training.up", set()),
        ("quasistatic no-such-command x", set()),
        ("quasistatic -p no_such_module ev", set()),
        ("quasistatic -p no_such_module show kernel ga", set()),
    ],
)
def test_completion(shell: Shell, words: str, expected: set[str]) -> None:
    asked = {"_QUASISTATIC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    found = shell(env=asked)
    assert found.returncode == 0, found.stderr
    assert {line.partition(",")[2] for line in found.stdout.splitlines() if line} == expected


def test_the_installed_program_is_the_module(shell: Shell) -> None:
    program = Path(sysconfig.get_path("scripts")) / "quasistatic"
    installed = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60)
    assert (installed.returncode, installed.stdout) == (0, shell("--help").stdout)


def _processor_seconds(command: list[str], folder: Path) -> float:
    """Median over 15 calls, the bytecode of everything compiled by a call before."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, timeout=60)
    seconds = []
    for _ in range(15):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(seconds)


@pytest.mark.benchmark
def test_help_costs_at_most_four_times_the_import_of_click(tmp_path: Path) -> None:
    imported = _processor_seconds([sys.executable, "-c", "import click"], tmp_path)
    shown = _processor_seconds([sys.executable, "-m", "quasistatic", "--help"], tmp_path)
    print(f"import click {imported * 1e3:.0f} ms, quasistatic --help {shown * 1e3:.0f} ms: {shown / imported:.2f} times")
    assert shown <= 4 * imported


def test_the_seed_of_a_measurement_is_its_own(cli: Callable[..., Result]) -> None:
    said = " ".join(cli("evaluate", "--help").stdout.split())
    assert "Seed of all noise. [default: 0;" in said
