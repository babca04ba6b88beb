"""Whatever a user types: one clear message, exit code 2, never a traceback; what fails is exit code 1."""

from __future__ import annotations

import functools
import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import tomli_w
from click.testing import Result
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from quasistatic import load_recipe
from quasistatic._plugins.commands import BUILT_IN
from quasistatic._plugins.kind import KINDS
from quasistatic._recipes.sections import SECTIONS
from quasistatic._storage.folder import RunFolder

Cli = Callable[..., Result]

CHOICES = [name for name, kind in KINDS.items() if kind.section == "required"]
NAMES = st.text(string.ascii_lowercase, min_size=8, max_size=12)
MANY = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@functools.cache
def base() -> dict[str, Any]:
    return load_recipe("swiss-roll").to_dict()


def wrong_values(value: Any) -> st.SearchStrategy[Any]:
    """Values that the option, whose value may be `value`, cannot take."""
    common: list[Any] = [{"a": 1}, [[1]], [{"b": "c"}]]
    if isinstance(value, bool):
        return st.sampled_from([*common, 1, 0, 0.5, "true", [True]])
    if value == "none":  # a figure that may be absent
        return st.sampled_from([*common, -0.5, False, ["none"], "no such choice"])
    if isinstance(value, int):
        return st.sampled_from([*common, 3.7, 2.0, True, "3", "", 2**63, -(2**70), [3]])
    if isinstance(value, float):
        return st.sampled_from([*common, True, "0.1", "", float("nan"), float("inf"), -float("inf"), 10**400, [0.1]])
    if isinstance(value, list):
        return st.sampled_from([{"a": 1}, 7.5, True, "some text", [["x"]], [{"a": 1}], [True]])
    return st.sampled_from([*common, 1, 0.5, False, ["text"], "no such choice"])


@attrs.frozen
class Fault:
    """`path` is what the message must name; `apply` breaks a recipe."""

    path: str
    apply: Callable[[dict[str, Any]], None]


@st.composite
def faults(draw: st.DrawFn, section: str) -> Fault:
    """Something that is wrong in one section."""
    table = base()[section]
    kind = draw(st.sampled_from(["option", "value", "table", *(["use"] if section in CHOICES else [])]))
    if kind == "option":
        name = draw(NAMES)
        return Fault(f"{section}.{name}", lambda recipe: recipe[section].update({name: 1}))
    if kind == "table":
        value = draw(st.sampled_from([1, "text", False, [1], 2.5]))
        return Fault(section, lambda recipe: recipe.update({section: value}))
    if kind == "use":
        use = draw(st.one_of(NAMES, st.sampled_from([1, True, 0.5, ["x"], {"a": 1}])))
        return Fault(f"{section}.use", lambda recipe: recipe[section].update({"use": use}))
    option = draw(st.sampled_from([name for name in table if name != "use"] or [""]))
    if not option:
        return Fault(f"{section}.unknown", lambda recipe: recipe[section].update({"unknown": 1}))
    value = draw(wrong_values(table[option]))
    return Fault(f"{section}.{option}", lambda recipe: recipe[section].update({option: value}))


@st.composite
def bad_recipes(draw: st.DrawFn) -> tuple[list[str], str]:
    """The paths that must be named, and the recipe as TOML."""
    recipe = {key: dict(value) if isinstance(value, dict) else value for key, value in base().items()}
    sections = draw(st.lists(st.sampled_from([*CHOICES, *SECTIONS]), min_size=1, max_size=4, unique=True))
    found = [draw(faults(section)) for section in sections]
    if draw(st.booleans()):
        name = draw(NAMES.filter(lambda name: name not in base()))
        found.append(Fault(name, lambda recipe: recipe.update({name: {"a": 1}})))
    if draw(st.booleans()):
        seed = draw(st.sampled_from([-1, 2**32, 0.5, True, "one", [1]]))
        found.append(Fault("seed", lambda recipe: recipe.update({"seed": seed})))
    for fault in found:
        fault.apply(recipe)
    return [fault.path for fault in found], tomli_w.dumps(recipe)


def assert_refused(result: Result) -> None:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output and "this is a defect" not in result.output
    assert result.stderr.strip()


@MANY
@given(bad=bad_recipes(), command=st.sampled_from(["config", "train", "run"]))
def test_every_problem_of_a_bad_recipe_is_named(cli: Cli, tmp_path: Path, bad: tuple[list[str], str], command: str) -> None:
    paths, text = bad
    path = tmp_path / "bad.toml"
    path.write_text(text)
    result = cli(command, path)
    assert_refused(result)
    for problem in paths:
        assert f"{problem}: " in result.stderr or f"{problem}[" in result.stderr or f"{problem}." in result.stderr, problem
    assert [each.name for each in tmp_path.iterdir()] == ["bad.toml"]


@MANY
@given(section=st.sampled_from([*CHOICES, *SECTIONS]), data=st.data())
def test_a_bad_override_is_named(cli: Cli, section: str, data: st.DataObject) -> None:
    name = data.draw(NAMES)
    good = [f"training.updates={data.draw(st.integers(1, 9))}"] * data.draw(st.integers(0, 1))
    paths = (f"{section}.{name}=1", f"{section}.{name}.deeper=1", f"{name}={section}", name, f"={name}")
    bad = data.draw(st.sampled_from(paths))
    result = cli("config", "swiss-roll", *(part for pair in (*good, bad) for part in ("--set", pair)))
    assert_refused(result)
    assert name in result.stderr


@MANY
@given(
    command=st.sampled_from([*BUILT_IN, ""]),
    junk=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3),
    option=st.sampled_from(["", "--", "-p", "--no-plugin", "--set", "--seed", "--out", "-n", "--json", "--unknown"]),
)
def test_no_arguments_lead_to_a_traceback(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, junk: list[str], option: str
) -> None:
    assume(not {*junk} & {*BUILT_IN})  # hypothesis also tries words that it finds in the code
    monkeypatch.chdir(tmp_path)
    result = cli(*filter(None, (command, option)), *junk)
    assert isinstance(result.exception, SystemExit | None), result.exception
    asks_for_help = any(set(word) <= set("-h") or word.startswith(("-h", "--h")) for word in junk)
    assert result.exit_code == 2 or (result.exit_code == 0 and asks_for_help), (result.exit_code, result.output)
    assert "Traceback" not in result.output and "this is a defect" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[[", b"a = ", b"x" * 2_000_000, b"a=" + b"[" * 5000])
def test_a_file_that_is_no_recipe_is_named(cli: Cli, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    result = cli("config", path)
    assert_refused(result)
    assert ("my.toml" if content else "kernel.use: must be given") in result.stderr


@pytest.mark.parametrize("name", ["absent.toml", "folder/", "a\0b.toml", "./x"])
def test_a_recipe_that_is_not_there_is_named(cli: Cli, name: str) -> None:
    result = cli("config", name)
    assert_refused(result)


def test_several_problems_are_one_message(cli: Cli) -> None:
    result = cli(
        "config", "swiss-roll", "--set", "kernel.shedule=1", "--set", "training.updates=3.7", "--set", "model.use=dence",
        "--set", "training.ema=1", "--set", "trajectory.grid=learnt",
    )  # fmt: skip
    assert_refused(result)
    assert "Error: " in result.stderr
    for line in (
        "kernel.shedule: unknown option; did you mean 'schedule'?  (gaussian takes: schedule, ",
        "training.updates: expected a whole number, got 3.7\n",
        "model.use: no model is called 'dence'; did you mean 'dense'?  (known: convolutional, dense, ",
        "training.ema: expected a value < 1, got 1.0\n",
        "trajectory.grid: expected one of 'fixed', 'learned', got 'learnt'; did you mean 'learned'?\n",
    ):
        assert line in result.stderr


def test_an_unknown_command_is_answered_with_one_that_is_like_it(cli: Cli, install_plugin: Callable[..., str]) -> None:
    install_plugin("exits")
    result = cli("evalute")
    assert_refused(result)
    assert "no command is called 'evalute'; did you mean 'evaluate'?  (not loaded: exits; " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("absent",),
            2,
            "command 'absent' of plugin 'bad_commands' (bad-bad-commands 0.1) cannot be loaded: ModuleNotFound",
        ),
        (
            ("number",),
            2,
            "command 'number' of plugin 'bad_commands' (bad-bad-commands 0.1) is not a click command but 3",
        ),
        (
            ("fail", "value"),
            1,
            "Error: command 'fail' of plugin 'bad_commands' (bad-bad-commands 0.1) raised ValueError: the secret is out; "
            "set QUASISTATIC_DEBUG=1 for the traceback",
        ),
        (("fail", "disk"), 1, "/data/run: No space left on device"),
        (("fail", "recipe"), 2, "Error: kernel.a: wrong\n       kernel.b: wrong too"),
        (("fail", "interrupt"), 130, ""),
    ],
)
def test_what_a_command_raises_becomes_a_message_and_a_code(
    cli: Cli, install_plugin: Callable[..., str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    install_plugin("bad_commands")
    result = cli(*arguments)
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_a_developer_gets_the_traceback(cli: Cli, install_plugin: Callable[..., str]) -> None:
    install_plugin("bad_commands")
    result = cli("fail", "value", env={"QUASISTATIC_DEBUG": "1"})
    assert isinstance(result.exception, ValueError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("config", "array", "--set", "path=x.csv"), "path: unknown section; did you mean source.path?"),
        (("config", "swiss-roll", "--set", "updates=9"), "updates: unknown section; did you mean training.updates?"),
        (("config", "swiss-roll", "--set", "a" + ".a" * 2000 + "=1"), "a: expected at most 30 tables in one another"),
        (("config", "swiss-roll", "--set", "a=" + "[" * 200 + "]" * 200), "a: expected at most 30 tables in one another"),
        (("sample", "x", "-n", "1.5", "-o", "x.npz"), "Invalid value for '-n' / '--number': expected a whole number, got '1.5'"),
        (("config", "\x1b[31m.toml"), "\\u001b[31m.toml: cannot be read: No such file"),
    ],
)
def test_the_message_says_what_was_meant(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr and "\x1b" not in result.stderr and len(result.stderr) < 600


def test_what_is_wrong_with_a_file_is_said_before_jax_is_imported(python: Callable[..., str], tmp_path: Path) -> None:
    recipe = load_recipe("swiss-roll")
    folder = RunFolder.create(tmp_path / "run", recipe.to_toml(), {}).path
    changed = RunFolder.create(tmp_path / "changed", recipe.to_toml(), {}).path
    (changed / "recipe.toml").write_text(recipe.to_toml().replace("seed = 0", "seed = 1"))
    (tmp_path / "link.csv").symlink_to(tmp_path / "precious.csv")
    out = {"folder": tmp_path, "link": tmp_path / "link.csv", "absent": tmp_path / "absent" / "x.csv", "pipe": tmp_path / "p.csv"}
    os.mkfifo(out["pipe"])
    (tmp_path / "words.json").write_text("[]")
    (tmp_path / "words.fasta").write_text("a,b\n1,2\n")
    commands = {
        ("run", tmp_path / "words.json"): "words.json: no recipe opens it, expected a file that ends in .arrow, .csv, ",
        ("run", tmp_path / "words.fasta"): "words.fasta: recipe 'sequences' does not open it: it begins with 'a,b",
        ("resume", changed): "recipe.toml: was changed after the run was started",
        ("evaluate", changed): "recipe.toml: was changed after the run was started",
        ("sample", changed, "-o", tmp_path / "x.npz"): "recipe.toml: was changed after the run was started",
        ("evaluate", tmp_path / "none"): "holds no run",
        ("evaluate", folder, "--data", "absent.csv"): "absent.csv: there is no such file in",
        ("run", "array", "--set", "source.path=absent.csv"): "absent.csv: there is no such file in",
        ("run", "swiss-roll", "--out", folder): "holds a run",
        ("run", "swiss-roll", "--out", out["pipe"]): "is no folder",
        ("sample", folder, "-o", out["link"]): "expected the name of a file, but this is a link",
        ("sample", folder, "-o", out["absent"]): "cannot be written: No such file or directory",
        ("evaluate", folder, "--per-event", out["folder"]): "expected the name of a file, but this is a folder",
        ("evaluate", folder, "--per-event", out["pipe"]): "expected the name of a file, but this is a pipe",
        ("evaluate", folder, "--per-event", "/dev/null"): "expected the name of a file, but this is a device or a socket",
    }
    code = f"""
import sys
from click.testing import CliRunner
from quasistatic.cli import main
for command, said in {[(list(map(str, command)), said) for command, said in commands.items()]}:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and said in result.stderr, (command, result.output)
    assert "jax" not in sys.modules, command
"""
    python(code)
    assert not (tmp_path / "precious.csv").exists()
