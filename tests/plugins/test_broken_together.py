"""More than twenty broken plugins installed at once: whatever does not need them works, and each is listed with why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import quasistatic as qs

TINY = [
    *("training.updates=4", "training.batch=8", "training.validation_events=8", "training.observers=['jsonl']"),
    *("model.width=8", "model.depth=1", "trajectory.steps=3"),
    *("evaluation.events=8", "evaluation.trajectory_steps=[3]", "evaluation.samples=4"),
]
BROKEN = {
    "import_error": ("broken", "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
    "exits": ("broken", "it tried to end the program (SystemExit: 3)"),
    "skips": ("broken", "Outcome"),
    "raises_warning": ("broken", "DeprecationWarning: this module is getting old"),
    "wrong_signature": ("broken", "Argument(s) {'registry'} are declared in the hookimpl"),
    "raising_hook": ("broken", "RuntimeError: no commands today"),
    "exiting_hook": ("broken", "it tried to end the program (SystemExit: enough)"),
    "misspelt_hook": ("broken", "there is no hook quasistatic_componets; did you mean quasistatic_components?"),
    "unmarked_hook": ("broken", "quasistatic_components is not marked with @quasistatic.hookimpl"),
    "no_hook": ("broken", "it implements no hook of quasistatic"),
    "wrong_type": ("broken", "quasistatic_components must return a list of quasistatic.Component, it returned {"),
    "wrong_kind": ("broken", "no plugin brings the kind 'engine' of its component 'warp'"),
    "twice": ("broken", "it offers sampler 'twin' twice"),
    "plain_options": ("broken", "TypeError: Component.options: expected an attrs class, got <class"),
    "bad_names": ("broken", "ValueError: Command.name: expected a word such as 'my-own', got '--help me'"),
    "moves": ("broken", "it changed the working folder of the whole program"),
    "no_exit": ("broken", "it changed sys.exit of the whole program"),
    "takes_signals": ("broken", "it changed what Ctrl-C does of the whole program"),
    "interrupts": ("broken", "KeyboardInterrupt"),
    "unspeakable": ("broken", "Unspeakable"),
    "raising_text": ("broken", "RuntimeError: no text today"),
    "later_hook": ("incompatible", "this version of quasistatic has no hook quasistatic_launch_everything"),
    "for_the_future": ("incompatible", f"it needs quasistatic >=2, this is {qs.__version__}"),
    "reserved_command": ("conflict", "command 'run' is built in"),
    "shadows_rbf": ("conflict", f"model 'rbf' is also offered by 'rbf' (quasistatic {qs.__version__})"),
    "rival_one": ("conflict", "sampler 'disputed' is also offered by 'rival_two' (bad-rival-two 0.1)"),
    "rival_two": ("conflict", "sampler 'disputed' is also offered by 'rival_one' (bad-rival-one 0.1)"),
    "bad_options": ("loaded", ""),  # reported when it is used
    "prints": ("loaded", ""),
    "strict_warnings": ("loaded", ""),
}


@pytest.fixture
def all_broken(install_plugin, tmp_path: Path) -> Path:
    """All of them, and three distributions that are damaged themselves."""
    site = tmp_path / "site"
    for name in BROKEN:
        install_plugin(name)
    with (site / "bad_for_the_future-0.1.dist-info" / "METADATA").open("a") as file:
        file.write("Requires-Dist: quasistatic>=2\n")
    for name, metadata, points in (
        ("no-points", b"Metadata-Version: 2.1\nName: no-points\nVersion: 2.0\n", b"[quasistatic]\nno-points = ::: no module\n"),
        ("no-metadata", b"Name: \xff\xfe\n", b"[quasistatic]\nno-metadata = no_hook\n"),
        ("no-version", b"Metadata-Version: 2.1\nName: no-version\n", b"[quasistatic]\nno-version = import_error\n"),
    ):
        info = site / f"{name.replace('-', '_')}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_bytes(metadata)
        (info / "entry_points.txt").write_bytes(points)
    return site


def test_whatever_does_not_need_them_works_and_each_is_listed(all_broken, shell, tmp_path):
    said = {}
    for name, arguments in {
        "help": ["--help"],
        "table": ["plugins"],
        "json": ["plugins", "--json"],
        "recipes": ["recipes"],
        "show": ["show"],
        "kernel": ["show", "kernel", "gaussian"],
        "config": ["config", "swiss-roll"],
        "run": [*("run", "swiss-roll", "--out", "runs/mine", "--json"), *(word for each in TINY for word in ("--set", each))],
    }.items():
        found = shell(*arguments)
        assert found.returncode == 0, (arguments, found.stderr)
        assert "Traceback" not in found.stderr
        assert "a banner" not in found.stdout and "a banner" in found.stderr
        said[name] = found.stdout
    listed = {each["name"]: each for each in json.loads(said["json"])}
    rows = {line.split()[0]: line for line in said["table"].splitlines()}
    for name, (state, reason) in BROKEN.items():
        owner = f"bad-{name.replace('_', '-')}"
        assert (listed[name]["state"], listed[name]["distribution"], listed[name]["version"]) == (state, owner, "0.1")
        assert reason in listed[name]["reason"]
        assert f"{owner} 0.1" in rows[name] and reason in rows[name]
    damaged = {name: (listed[name]["state"], listed[name]["reason"]) for name in ("no-points", "no-metadata", "no-version")}
    assert damaged == {
        "no-points": ("broken", "'::: no module' names no module"),
        "no-metadata": ("broken", "its METADATA cannot be read"),
        "no-version": ("broken", BROKEN["import_error"][1]),
    }
    healthy = [each for each in listed.values() if each["distribution"] == "quasistatic" and each["name"] not in ("rbf", "recipes")]
    assert healthy and all(each["state"] == "loaded" for each in healthy)
    assert json.loads(said["run"])["updates_done"] == 4
    assert (tmp_path / "runs" / "mine" / "report.html").exists()  # where it was asked for, though a plugin moved away
    assert "harmless" in said["help"] and "swiss-roll" in said["recipes"]


def test_a_file_that_jax_cannot_read_either_is_named_where_jax_fails(all_broken, shell):
    (all_broken / "no_points-2.0.dist-info" / "entry_points.txt").write_text("[quasistatic]\nno equals sign\n")
    for arguments in (["--help"], ["plugins", "--json"], ["recipes"], ["show"], ["config", "swiss-roll"]):
        assert shell(*arguments).returncode == 0
    found = shell("train", "swiss-roll")
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert "plugin 'no-points' (no-points 2.0) is broken: its entry_points.txt cannot be read" in found.stderr


def test_what_needs_one_of_them_says_whose_fault_it_is(all_broken, shell):
    for arguments, reason in (
        (["config", "swiss-roll", "--set", "model.use=rbf"], "'shadows_rbf' (bad-shadows-rbf 0.1)"),
        (["show", "sampler", "for_the_future"], "is incompatible: it needs quasistatic >=2, this is "),
        (["show", "sampler", "half"], "plugin 'raising_hook' (bad-raising-hook 0.1) is broken"),
        (["quarrel"], "command 'quarrel' is offered by both"),
    ):
        found = shell(*arguments)
        assert found.returncode == 2 and "Traceback" not in found.stderr
        assert reason in found.stderr
