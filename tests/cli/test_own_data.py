"""Own data, from a file to a run that stands alone: what it keeps, what it does without its file, what it refuses."""

import hashlib
import json
import shutil

import numpy as np
import pytest

TINY = [
    *("--set", "training.updates=4", "--set", "training.batch=8", "--set", "training.validate_every=4"),
    *("--set", "training.validation_events=8", "--set", "model.width=4", "--set", "model.depth=1"),
    *("--set", "evaluation.events=16", "--set", "evaluation.repeats=1", "--set", "trajectory.steps=3"),
    *("--set", "evaluation.samples=8", "--set", "training.observers=[]"),
]


def table(count, seed=0):
    rng = np.random.default_rng(seed)
    height = rng.normal(170, 10, count)
    return np.column_stack([height, 0.9 * (height - 100) + rng.normal(0, 8, count)])


def write(path, values, header="height,weight"):
    np.savetxt(path, values, delimiter=",", header=header, comments="", fmt="%.3f")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run on people.csv, which is named relative to where it was started."""
    from click.testing import CliRunner

    from quasistatic.cli import main

    folder = tmp_path_factory.mktemp("own")
    write(folder / "people.csv", table(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(main, ["train", "array", "--set", "source.path=people.csv", "--out", "run", *TINY])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def moved(trained, tmp_path, monkeypatch):
    """The run alone, on what might be another machine; its file is away meanwhile, and comes back."""
    shutil.copytree(trained / "run", tmp_path / "run")
    (trained / "people.csv").rename(trained / "away.csv")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    (trained / "away.csv").rename(trained / "people.csv")


def sample(cli, folder):
    result = cli("sample", folder, "-n", 5, "-o", folder.parent / "samples.npz")
    assert result.exit_code == 0, result.output
    return np.load(folder.parent / "samples.npz")["x"]


def test_a_run_keeps_what_it_needs_of_its_data(trained):
    data = json.loads((trained / "run" / "run.json").read_text())["data"]
    file = (trained / "people.csv").read_bytes()
    assert data["path"] == str(trained / "people.csv")
    assert (data["size"], data["sha256"]) == (len(file), hashlib.sha256(file).hexdigest())
    assert data["columns"] == ["height", "weight"] and data["splits"] == {"train": 42, "validation": 6, "test": 12}


def test_a_run_without_its_file_samples_and_evaluates_new_data(trained, moved, cli):
    np.testing.assert_array_equal(sample(cli, moved / "run"), sample(cli, trained / "run"))
    write(moved / "new.csv", table(9, seed=1))
    assert cli("evaluate", moved / "run", "--data", "new.csv").exit_code == 0


@pytest.mark.parametrize("command", [("evaluate",), ("evaluate", "--split", "train"), ("resume",)])
def test_what_needs_the_rows_of_a_file_that_is_gone_says_so(trained, moved, cli, command):
    name, *options = command
    result = cli(name, moved / "run", *options)
    assert result.exit_code == 2 and f"{trained / 'people.csv'}: the data file of the run is gone" in result.stderr
    assert result.stderr.count("Error") == 1 and "evaluate --data FILE" in result.stderr and result.stdout == ""


@pytest.mark.parametrize("change", [lambda x: x * [1, 1000], lambda x: np.concatenate([x, x[:1]]), lambda x: x[::-1]])
def test_a_file_that_was_changed_gives_the_same_samples_and_no_figures(trained, moved, cli, change):
    before = sample(cli, moved / "run")
    write(trained / "people.csv", change(table(60)))
    try:
        np.testing.assert_array_equal(sample(cli, moved / "run"), before)
        result = cli("evaluate", moved / "run")
        assert result.exit_code == 2 and "is not the file that the run was trained on" in result.stderr
        assert "the splits" not in result.stdout
    finally:
        (trained / "people.csv").unlink()


def test_the_same_bytes_elsewhere_will_do(trained, moved, cli):
    here = cli("evaluate", trained / "run")
    assert here.exit_code == 2
    shutil.copy(trained / "away.csv", moved / "people.csv")  # as the recipe names it, from the working directory
    found = cli("evaluate", moved / "run", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["bound"]["events"] == 12


@pytest.mark.parametrize(
    "spoil", [lambda d: d.pop("field"), lambda d: d.update(field={"kind": "odd"}), lambda d: d.update(notes=3)]
)
def test_a_record_of_another_version_is_one_message(trained, spoil):
    import quasistatic as qs
    from quasistatic._data.source import Kept
    from quasistatic._storage.folder import RunFolder

    folder = RunFolder.open(trained / "run")
    about = folder.read_about()["data"]
    spoil(about)
    with pytest.raises(qs.DataError, match=r"run\.json"):
        qs.ArraySource.restored(qs.ArrayChoices(), Kept(about, folder.read_arrays()))
