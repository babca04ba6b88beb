"""A run remembers what it was made with; going on with something else is said in one line, and goes on where it can."""

from __future__ import annotations

import json
import shutil
from importlib import metadata

import pytest

import quasistatic as qs
from quasistatic._runs.provenance import about, kept_recipe
from quasistatic._storage.folder import RunFolder

TINY = {
    "training.updates": 4, "training.batch": 8, "training.fuse": 2, "training.validate_every": 2, "training.validation_events": 8,
    "training.checkpoint_every": 2, "model.width": 8, "model.depth": 1, "trajectory.steps": 3, "evaluation.events": 8,
    "evaluation.trajectory_steps": [3], "evaluation.samples": 4,
}  # fmt: skip
WITH = {"training.observers": ["jsonl", "raising"], "observer.raising.when": "build"}


def again(folder, values):
    """The same run, had it been started with these values in its run.json."""
    return RunFolder.create(folder.with_name("again"), RunFolder.open(folder).read_recipe().decode(), values).path


def kept(folder, manager=None):
    recipe, notes = kept_recipe(RunFolder.open(folder), manager or qs.PluginManager())
    return [choice.component.name for choice in recipe.observers], notes


@pytest.fixture
def folder(install_plugin, tmp_path):
    """A run that was begun with an observer of bad-raising-observer 0.1."""
    install_plugin("raising_observer")
    install_plugin("rival_one")
    manager = qs.PluginManager()
    recipe = qs.load_recipe("swiss-roll", {**TINY, **WITH}, manager)
    return RunFolder.create(tmp_path / "run", recipe.to_toml(), about(recipe, manager)).path


def test_the_folder_names_the_plugins_that_the_run_uses(folder):
    plugins = json.loads((folder / "run.json").read_text())["plugins"]
    assert plugins["raising_observer"] == {"distribution": "bad-raising-observer", "version": "0.1"}
    assert plugins["gaussian"] == {"distribution": "quasistatic", "version": qs.__version__}
    assert set(plugins) == {"raising_observer", "gaussian", "swiss-roll", "dense", "bound", "ancestral", "jsonl"}


def test_nothing_is_said_where_nothing_changed(folder, tmp_path):
    assert kept(folder) == (["jsonl", "raising"], ())
    shutil.rmtree(tmp_path / "site" / "bad_rival_one-0.1.dist-info")  # the run has no use for it
    assert kept(folder) == (["jsonl", "raising"], ())


def test_another_version_is_said_in_one_line(folder, tmp_path):
    described = tmp_path / "site" / "bad_raising_observer-0.1.dist-info" / "METADATA"
    described.write_text(described.read_text().replace("Version: 0.1", "Version: 0.2"))
    values = RunFolder.open(folder).read_about()
    values["packages"] |= {"jax": "0.0.1", "quasistatic": "0.0.2"}
    names, notes = kept(again(folder, values))
    now = metadata.version("jax")
    assert names == ["jsonl", "raising"]
    (note,) = notes
    assert note.startswith("the run was made with other versions: ") and "\n" not in note
    assert sorted(note.partition(": ")[2].split("; ")) == [
        f"jax: 0.0.1 then, {now} now",
        "plugin 'raising_observer': bad-raising-observer 0.1 then, bad-raising-observer 0.2 now",
        f"quasistatic: 0.0.2 then, {qs.__version__} now",
    ]


def test_an_observer_that_is_gone_is_left_out(folder, tmp_path):
    names, (note,) = kept(folder, qs.PluginManager(blocked=["raising_observer"]))
    assert names == ["jsonl"]
    assert note == (
        "the run was made with other versions: plugin 'raising_observer': bad-raising-observer 0.1 then, blocked now; "
        "observer 'raising' is not here and is left out"
    )
    shutil.rmtree(tmp_path / "site" / "bad_raising_observer-0.1.dist-info")
    assert "bad-raising-observer 0.1 then, gone now" in kept(folder)[1][0]


def test_a_kernel_that_is_gone_is_an_error_that_says_whose_it_was(folder):
    blocked = qs.PluginManager(blocked=["gaussian"])
    with pytest.raises(qs.errors.RecipeError) as caught:
        kept(folder, blocked)
    first, last = caught.value.problems
    assert first.startswith("kernel.use: kernel 'gaussian' is not available")
    assert f"plugin 'gaussian': quasistatic {qs.__version__} then, blocked now" in last


@pytest.mark.parametrize("plugins", [None, 3, [], {"raising_observer": 3}, {"gaussian": {"version": None}}])
def test_a_record_that_somebody_has_spoilt_is_no_reason_to_stop(folder, plugins):
    assert kept(again(folder, {"packages": plugins, "plugins": plugins}))[0] == ["jsonl", "raising"]


def test_resume_evaluate_and_sample_say_it_and_go_on(folder, tmp_path, cli):
    shutil.rmtree(tmp_path / "site" / "bad_raising_observer-0.1.dist-info")
    said = "note: the run was made with other versions: plugin 'raising_observer': bad-raising-observer 0.1 then, gone now"
    for arguments in (
        ("resume", folder, "--json"),
        ("evaluate", folder, "--json"),
        ("sample", folder, "-n", 2, "-o", tmp_path / "x.npz"),
    ):
        result = cli(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr.count(said) == 1
    assert any(said.removeprefix("note: ") in note for note in qs.open_run(folder, qs.PluginManager()).notes)


def test_plugins_of_one_name_are_kept_apart(install_plugin, tmp_path):
    install_plugin("raising_observer", distribution="aa", name="same")
    install_plugin("rival_two", distribution="zz", name="same")
    manager = qs.PluginManager()
    recipe = qs.load_recipe("swiss-roll", {**WITH, "sampler.use": "disputed"}, manager)
    plugins = about(recipe, manager)["plugins"]
    assert plugins["aa:same"]["distribution"] == "aa" and plugins["zz:same"]["distribution"] == "zz"
    folder = RunFolder.create(tmp_path / "run", recipe.to_toml(), about(recipe, manager)).path
    assert kept(folder) == (["jsonl", "raising"], ())
