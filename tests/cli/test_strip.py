"""A stripped run: the same samples, and nothing private in any byte of it."""

import io
import json
import os
import shutil
import socket

import numpy as np
import pytest
from PIL import Image

import quasistatic as qs
from quasistatic._storage.files import PARTIAL

TINY = {
    "training.updates": 4,
    "training.batch": 8,
    "training.validate_every": 2,
    "training.validation_events": 8,
    "training.checkpoint_every": 2,
    "model.use": "dense",
    "model.width": 4,
    "model.depth": 1,
    "evaluation.events": 16,
    "evaluation.samples": 4,
    "trajectory.steps": 3,
}
SECRET = "Zq7-Vandermeer"  # the name of a folder, which is in every path
SONG = "every verse of this song is a secret of its own and goes on\n" * 60


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place, random = tmp_path_factory.mktemp("home") / SECRET, np.random.default_rng(0)
    place.mkdir()
    rows = [f"{a:.4f},{b:.4f},{'left' if a > b else 'right'}" for a, b in random.normal(0, 1, (60, 2))]
    (place / "patients.csv").write_text("\n".join(["size,weight,side", *rows]) + "\n")
    (place / "more.csv").write_text("\n".join(["size,weight,side", *rows[:9]]) + "\n")
    np.save(place / "patients.npy", random.normal(0, 1, (60, 2)))
    (place / "song.txt").write_text(SONG)
    (place / "faces").mkdir()
    for number in range(40):
        Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).save(place / "faces" / f"Vandermeer-{number}.png")
    return place


RUNS = {
    "table": ("patients.csv", {"source.labels": "none"}),
    "two files": ("patients.csv", {"source.test_path": "HOME/more.csv"}),
    "refit": ("patients.csv", {"training.refit": True}),
    "array": ("patients.npy", {}),
    "text": ("song.txt", {"source.length": 6}),
    "pictures": ("faces", {}),
}


def samples(run, tmp_path, cli):
    result = cli("sample", run, "-n", 5, "--seed", 3, "-o", tmp_path / "x.npz")
    assert result.exit_code == 0, result.output
    return dict(np.load(io.BytesIO((tmp_path / "x.npz").read_bytes()), allow_pickle=False))


def everything(folder):
    """Every byte, and what is in the metadata of pictures."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["table", *(pytest.param(kind, marks=pytest.mark.slow) for kind in list(RUNS)[1:])])
def test_samples_are_the_same_and_nothing_private_remains(home, cli, tmp_path, kind):
    name, settings = RUNS[kind]
    settings = {key: value.replace("HOME", str(home)) if isinstance(value, str) else value for key, value in settings.items()}
    recipe = qs.load_recipe(home / name, {**TINY, **settings, "training.observers": ["jsonl", "tensorboard"]})
    run = qs.train(recipe, out=tmp_path / "run")
    assert cli("resume", run.folder, "-q").exit_code == 0  # with its report
    whole = b"".join(everything(run.folder).values())
    private = [SECRET, str(home), socket.gethostname(), os.path.expanduser("~/"), "Vandermeer-3", name if "." in name else SECRET]
    assert SECRET.encode() in whole and socket.gethostname().encode() in whole
    out = tmp_path / "stripped"
    result = cli("strip", run.folder, "-o", out)
    assert result.exit_code == 0, result.output
    found = everything(out)
    assert sorted({path.parts[0] for path in found}) == ["checkpoints", "data.safetensors", "recipe.toml", "run.json", "seal.json"]
    assert len([path for path in found if path.name == "state.safetensors"]) == 1
    for path, data in found.items():
        assert not [each for each in private if each.encode() in data], path
        assert run.source.kept().about.get("sha256", "no digest").encode() not in data
    here, there = samples(run.folder, tmp_path, cli), samples(out, tmp_path, cli)
    assert here.keys() == there.keys()
    for each, values in here.items():
        np.testing.assert_array_equal(values, there[each])
    refused = cli("evaluate", out)
    assert refused.exit_code == 2 and "you have not named the data" in refused.stderr
    assert cli("evaluate", out, "--data", home / name).exit_code == 0


@pytest.mark.slow
def test_rows_and_what_was_typed_stay_behind(home, cli, tmp_path):
    told = cli("train", "text", *(f"--set={key}={json.dumps(value)}" for key, value in {**TINY, "source.length": 6}.items()),
               "--set", "source.path=-", "--out", tmp_path / "run", input=SONG)  # fmt: skip
    assert told.exit_code == 0, told.output
    assert b"a secret of its own" in b"".join(everything(tmp_path / "run").values())
    assert cli("strip", tmp_path / "run", "-o", tmp_path / "out").exit_code == 0
    assert b"a secret of its own" not in b"".join(everything(tmp_path / "out").values())
    np.testing.assert_array_equal(samples(tmp_path / "run", tmp_path, cli)["x"], samples(tmp_path / "out", tmp_path, cli)["x"])


@pytest.mark.slow
def test_the_weights_are_the_kept_ones_and_no_state_of_training_remains(home, tmp_path, cli):
    run = qs.train(qs.load_recipe(home / "patients.csv", TINY), out=tmp_path / "run")
    assert cli("strip", run.folder, "-o", tmp_path / "out").exit_code == 0
    again = qs.open_run(tmp_path / "out")
    assert again.kept_update == run.kept_update and again.progress.history == () and again.progress.risen is None
    assert len(again.source._numbers["train"]) == 1 and again.source.notes == ()


@pytest.mark.slow
def test_a_run_of_built_in_data_is_stripped_too(tmp_path, cli):
    run = qs.train(qs.load_recipe("swiss-roll", TINY), out=tmp_path / "run")
    assert cli("strip", run.folder, "-o", tmp_path / "out").exit_code == 0
    assert cli("evaluate", tmp_path / "out").exit_code == 0


def test_where_it_cannot_go_it_says_so(home, tmp_path, cli):
    run = qs.train(qs.load_recipe("swiss-roll", TINY), out=tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for out, why in ((run.folder, "holds a run"), (tmp_path / "full", "is not empty"), (tmp_path / "full" / "x", "is no folder")):
        result = cli("strip", run.folder, "-o", out)
        assert result.exit_code == 2 and why in result.stderr
    shutil.rmtree(run.folder / "checkpoints")
    result = cli("strip", run.folder, "-o", tmp_path / "out")
    assert result.exit_code == 2 and not (tmp_path / "out").exists() and not list(tmp_path.glob(f"{PARTIAL}*"))
