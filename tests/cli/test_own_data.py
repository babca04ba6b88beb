"""Own data, from a file to a run that stands alone: what it keeps, what it does without its file, what it refuses."""

import csv
import hashlib
import json
import shlex
import shutil

import numpy as np
import pytest

import quasistatic as qs
from quasistatic._storage.folder import RunFolder
from quasistatic.kits import arrays
from quasistatic.kits.tables import TableOptions, TableSource

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
        result = CliRunner().invoke(main, ["train", "people.csv", "--out", "run", *TINY])
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


def arrays_of(path):
    with np.load(path) as arrays:
        return dict(arrays)


def sample(cli, folder):
    result = cli("sample", folder, "-n", 5, "-o", folder.parent / "samples.npz")
    assert result.exit_code == 0, result.output
    return arrays_of(folder.parent / "samples.npz")["numbers"]


def test_a_run_keeps_what_it_needs_of_its_data(trained):
    data = json.loads((trained / "run" / "run.json").read_text())["data"]
    file = (trained / "people.csv").read_bytes()
    sha256 = hashlib.sha256(file).hexdigest()
    assert data["origins"] == {"": {"path": str(trained / "people.csv"), "size": len(file), "sha256": sha256}}
    assert [column["name"] for column in data["columns"]] == ["height", "weight"]
    assert "splits: 42 train, 6 validation, 12 test" in data["notes"]


def test_events_that_have_no_value_are_outside(trained, moved, cli):
    (moved / "far.csv").write_text("height,weight\n170,60\n1e30,60\n180,70\n")
    result = cli("evaluate", moved / "run", "--data", "far.csv", "--per-event", "k.csv")
    far = "too far from the training data for K to be a finite number"
    assert result.exit_code == 0 and "nan" not in result.stdout
    assert "1 of 3 records is outside of the model's support: log-probability minus infinity" in result.stdout
    assert f"; first: line 3, {far}; K is the mean over the 2 inside" in result.stdout
    rows = rows_of(moved / "k.csv")
    assert [(row["line"], row["status"], row["reason"]) for row in rows] == [
        ("2", "inside", ""),
        ("3", "outside", far),
        ("4", "inside", ""),
    ]
    assert rows[1]["bound_nats_in_model_units"] == rows[1]["standard_error_nats"] == ""
    (moved / "near.csv").write_text("height,weight\n170,60\n")
    alone = json.loads(cli("evaluate", moved / "run", "--data", "near.csv", "--repeats", 4, "--json").stdout)
    assert float(rows[0]["bound_nats_in_model_units"]) == pytest.approx(alone["bound"]["value"], abs=1e-5)
    refused = cli("evaluate", moved / "run", "--data", "far.csv", "--strict", "--per-event", "s.csv")
    assert refused.exit_code == 2 and f"far.csv: line 3, {far}" in refused.stderr and not (moved / "s.csv").exists()
    (moved / "far.csv").write_text("height,weight\n1e30,60\n")
    none = cli("evaluate", moved / "run", "--data", "far.csv", "--per-event", "k.csv", "--json")
    told = json.loads(none.stdout)
    assert none.exit_code == 0 and told["records"] == 1 and told["bound"]["value"] is None and told["bound"]["events"] == 0
    assert told["outside"] == [{"number": 0, "tags": {"line": 2}, "reason": far}]
    assert list(rows_of(moved / "k.csv")[0]) == list(rows[0])
    plain = cli("evaluate", moved / "run", "--data", "far.csv")
    assert plain.exit_code == 0 and plain.stdout.startswith("1 of 1 records is outside") and "K is the mean" not in plain.stdout
    (moved / "far.csv").write_text("height,weight\n")
    assert cli("evaluate", moved / "run", "--data", "far.csv").exit_code == 2
    assert cli("evaluate", moved / "run", "--strict").exit_code == 2


def test_a_run_without_its_file_samples_and_evaluates_new_data(trained, moved, cli):
    np.testing.assert_array_equal(sample(cli, moved / "run"), sample(cli, trained / "run"))
    write(moved / "new.csv", table(9, seed=1))
    assert cli("evaluate", moved / "run", "--data", "new.csv").exit_code == 0


@pytest.mark.parametrize("command", [("evaluate",), ("evaluate", "--split", "train"), ("resume",)])
def test_what_needs_the_rows_of_a_file_that_is_gone_says_so(trained, moved, cli, command):
    name, *options = command
    result = cli(name, moved / "run", *options)
    assert result.exit_code == 2 and f"{trained / 'people.csv'}: the data of the run are gone" in result.stderr
    assert result.stderr.count("Error") == 1 and "evaluate --data FILE" in result.stderr and result.stdout == ""


@pytest.mark.parametrize("change", [lambda x: x * [1, 1000], lambda x: np.concatenate([x, x[:1]]), lambda x: x[::-1]])
def test_a_file_that_was_changed_gives_the_same_samples_and_no_figures(trained, moved, cli, change):
    before = sample(cli, moved / "run")
    write(trained / "people.csv", change(table(60)))
    try:
        np.testing.assert_array_equal(sample(cli, moved / "run"), before)
        result = cli("evaluate", moved / "run")
        assert result.exit_code == 2 and "these are not the data of the run" in result.stderr
        assert "the splits" not in result.stdout
    finally:
        (trained / "people.csv").unlink()


def test_the_same_bytes_elsewhere_will_do(trained, moved, cli):
    here = cli("evaluate", trained / "run")
    assert here.exit_code == 2
    shutil.copy(trained / "away.csv", moved / "people.csv")
    named = cli("resume", moved / "run", "--data", "people.csv", "-q")
    assert named.exit_code == 0, named.output
    found = cli("evaluate", moved / "run", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["bound"]["events"] == 12


@pytest.mark.parametrize(
    "spoil",
    [
        lambda about, arrays: about.pop("field"),
        lambda about, arrays: about.update(field={"kind": "odd"}),
        lambda about, arrays: about.update(field={"kind": "real", "shape": [2], "low": "x"}),
        lambda about, arrays: about.update(notes=3),
        lambda about, arrays: about.update(size=None),
        lambda about, arrays: about.update(columns=["a"]),
        lambda about, arrays: arrays.pop("test"),
        lambda about, arrays: arrays.update(test=np.array([-1])),
        lambda about, arrays: arrays.update(test=np.array([0.5])),
        lambda about, arrays: arrays.update(scale=np.array([1.0, 0.0])),
        lambda about, arrays: arrays.update(shift=np.zeros(3)),
        lambda about, arrays: arrays.update(mixing=np.zeros((3, 3))),
    ],
)
def test_a_record_of_an_array_that_is_none_is_one_message(tmp_path, spoil):
    np.save(tmp_path / "people.npy", table(60))
    kept = qs.make("source", "array", path=str(tmp_path / "people.npy")).kept()
    about, values = json.loads(json.dumps(kept.about)), dict(kept.arrays)
    spoil(about, values)
    with pytest.raises(qs.DataError, match=r"run\.json"):
        arrays.restored_array(arrays.ArrayChoices(), qs.sources.Kept(about, values))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda about, arrays: about.pop("columns"),
        lambda about, arrays: about["columns"][0].pop("form"),
        lambda about, arrays: about["columns"][0].update(form={"form": "odd"}),
        lambda about, arrays: about["columns"][0].update(states=3),
        lambda about, arrays: about["columns"][0]["bend"].update(low="x"),
        lambda about, arrays: about["columns"][0].update(atoms=["x"]),
        lambda about, arrays: about["columns"][0].update(step="x"),
        lambda about, arrays: about["columns"][0].update(name=3),
        lambda about, arrays: about.update(columns=[]),
        lambda about, arrays: about.update(notes=3),
        lambda about, arrays: about.update(origins={}),
        lambda about, arrays: about.update(written={}),
        lambda about, arrays: arrays.pop("test"),
        lambda about, arrays: arrays.update(test=np.array([-1])),
        lambda about, arrays: arrays.update(test=np.array(["a"])),
        lambda about, arrays: arrays.update(scale=np.array([1.0, 0.0])),
        lambda about, arrays: arrays.update(scale=np.array([1.0, np.nan])),
        lambda about, arrays: arrays.update(shift=np.zeros(3)),
    ],
)
def test_a_record_of_a_table_that_is_none_is_one_message(trained, spoil):
    folder = RunFolder.open(trained / "run")
    about, arrays = folder.read_about()["data"], folder.read_arrays()
    TableSource.restored(TableOptions(), qs.sources.Kept(about, arrays))
    spoil(about, arrays)
    with pytest.raises(qs.DataError, match=r"run\.json"):
        TableSource.restored(TableOptions(), qs.sources.Kept(about, arrays))


def test_a_path_to_data_is_a_run_of_it(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my table.v2.csv", table(60))
    result = cli("train", "my table.v2.csv", *TINY)
    assert result.exit_code == 0, result.output
    recipe = qs.load_recipe(tmp_path / "runs" / "my-table-001" / "recipe.toml")
    assert (recipe.name, recipe.choices["source"].options.path) == ("my-table", "my table.v2.csv")
    assert qs.load_recipe(tmp_path / "my table.v2.csv", {"source.decimal": ","}).choices["source"].options.decimal == ","


@pytest.mark.parametrize("command", ["run", "train", "inspect"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.csv", "gone.csv: there is no such file in "), ("my.json", "make one of it: python -c ")],
)
def test_data_that_cannot_be_read_are_one_message(cli, tmp_path, monkeypatch, command, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.json").write_text("[]")
    result = cli(command, name)
    assert result.exit_code == 2 and said in result.stderr and result.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.json"]


ODD = "id,height,weight,year,kind,note\n" + "".join(
    f"{i},{150 + 3 * (i % 7) + 0.31 * i},{40 + 0.5 * i if i != 3 else ''},2020,{'red' if i % 2 else 'blue'},text {i}\n"
    for i in range(60)
)


def test_inspect_says_what_would_be_read_and_the_command_that_reads_it(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.csv").write_text(ODD)
    result = cli("inspect", "odd.csv", "-o", "odd.png")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.csv", "odd.png"]  # nothing is trained
    told = json.loads(cli("inspect", "odd.csv", "--json").stdout)
    kinds = {each["column"]: each["kind"] for each in told["columns"]}
    assert list(kinds) == ["id", "height", "weight", "year", "kind"] and kinds["year"] == "constant 2020"
    assert kinds["kind"] == "binary blue, red" and kinds["weight"].startswith("real")
    assert told["rows"] == 60 and told["problem"] is None and told["options"] == {}
    assert any("1 of 300 cells are missing" in note for note in told["notes"])
    assert any("column 'note' is left out: it is text with 60 different values" in note for note in told["notes"])
    for name in kinds:
        assert name in result.stdout
    # the command that it prints reads the file
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("next: quasistatic run ")]
    assert cli("config", *shlex.split(line)[3:]).exit_code == 0


@pytest.mark.parametrize(("low", "high", "kernel"), [(0, 2, "binomial"), (0, 4, "uniform")])
def test_inspect_names_a_kernel_where_the_usual_one_does_not_fit(cli, tmp_path, low, high, kernel):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).integers(low, high, (60, 5)))
    told = json.loads(cli("inspect", tmp_path / "mine.npy", "--json").stdout)
    assert told["problem"] is None and told["command"].endswith(f"--set kernel.use={kernel}")
    words = shlex.split(told["command"].removeprefix("quasistatic "))
    options = ("training.updates=1", "training.validation_events=4", "trajectory.steps=2", "model.width=2")
    trained = cli("train", *words[1:], *(part for each in options for part in ("--set", each)), "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output


def test_inspect_of_a_single_row_suggests_nothing(cli, tmp_path):
    (tmp_path / "one.csv").write_text("a,b\n1.5,2.5\n")
    told = json.loads(cli("inspect", tmp_path / "one.csv", "--json").stdout)
    assert told["options"] == {} and told["command"] is None and "no column is left" in told["problem"]


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n" + "".join(f"{i},5;{i * i},25\n" for i in range(20)),
        "1.5,2.5\n" * 3 + "".join(f"{i}.5,{i * i}.5\n" for i in range(20)),
    ],
)
def test_inspect_reads_what_is_recognised_without_an_option(cli, tmp_path, text):
    (tmp_path / "my.csv").write_text(text)
    told = json.loads(cli("inspect", tmp_path / "my.csv", "--json").stdout)
    assert told["options"] == {} and told["problem"] is None and "numbers: 2" in told["event"]


def test_inspect_of_a_source_that_takes_no_path_is_one_message(cli, tmp_path):
    write(tmp_path / "my.csv", table(20))
    result = cli("inspect", tmp_path / "my.csv", "--set", "source.use=digits")
    assert result.exit_code == 2 and "source.path: unknown option  (digits takes: view" in result.stderr


def test_inspect_of_arrays_and_of_what_cannot_be_mended(cli, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (30, 4, 4)).astype(np.uint8))
    told = json.loads(cli("inspect", tmp_path / "x.npy", "--json", "-o", tmp_path / "x.png").stdout)
    assert told["event"] == "4x4 real in 256 levels" and (tmp_path / "x.png").exists()
    write(tmp_path / "few.csv", table(5))
    result = cli("inspect", tmp_path / "few.csv")
    assert result.exit_code == 2 and "this cannot be used yet" in result.stdout and "holds 5 rows" in result.stdout
    assert cli("inspect", tmp_path / "few.csv", "--json").exit_code == 2
    (tmp_path / "empty.csv").write_text("")
    assert cli("inspect", tmp_path / "empty.csv").exit_code == 2


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_outputs_are_in_the_terms_of_the_file(trained, cli, tmp_path):
    for name in ("s.csv", "s.npz"):
        assert cli("sample", trained / "run", "-n", 7, "-o", tmp_path / name).exit_code == 0
    samples, arrays = rows_of(tmp_path / "s.csv"), arrays_of(tmp_path / "s.npz")
    assert list(samples[0]) == arrays["columns"].tolist() == ["height", "weight"] and len(samples) == 7
    np.testing.assert_allclose([float(row["weight"]) for row in samples], arrays["numbers"][:, 1], atol=1e-3)
    assert 100 < arrays["numbers"][:, 0].mean() < 240
    (tmp_path / "new.csv").write_text("# two people\nheight,weight\n\n170,60\n185,90.5\n")
    result = cli("evaluate", trained / "run", "--data", tmp_path / "new.csv", "--per-event", tmp_path / "k.csv", "--json")
    assert result.exit_code == 0, result.output
    told, rows = json.loads(result.stdout), rows_of(tmp_path / "k.csv")
    assert [row["line"] for row in rows] == ["4", "5"]
    user = [float(row["bound_nats_in_user_units"]) for row in rows]
    assert np.mean(user) == pytest.approx(told["bound_in_user_units"]["value"])
    assert np.mean([float(row["bound_nats_in_model_units"]) for row in rows]) == pytest.approx(told["bound"]["value"])


def test_events_of_a_split_carry_their_lines(trained, cli, tmp_path):
    told = cli("evaluate", trained / "run", "--split", "test", "--per-event", tmp_path / "k.csv")
    assert told.exit_code == 0 and told.stdout.startswith("K (T = 3), in the units of the data")
    lines = [int(row["line"]) for row in rows_of(tmp_path / "k.csv")]
    assert len(lines) == 12 and min(lines) >= 2 and max(lines) <= 61
    text = (trained / "people.csv").read_text().splitlines()
    source = qs.open_run(trained / "run").source
    first = source.write_events(source.split("test", 1).x, ".csv").decode().splitlines()
    assert first == [text[0], text[lines[0] - 1]]


def test_a_file_and_a_split_exclude_one_another(trained, cli):
    result = cli("evaluate", trained / "run", "--data", trained / "people.csv", "--split", "test")
    assert result.exit_code == 2 and "exclude one another" in result.stderr


def test_labels_stand_beside_k_and_are_not_modelled(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.csv").write_text(ODD)
    options = ["source.labels=kind", 'source.drop=["id", "year", "note"]']
    settings = [word for option in options for word in ("--set", option)]
    assert cli("train", "odd.csv", "--out", "run", *settings, *TINY).exit_code == 0
    assert cli("evaluate", "run", "--per-event", "k.csv").exit_code == 0
    rows = rows_of(tmp_path / "k.csv")
    text = ODD.splitlines()
    assert all(text[int(row["line"]) - 1].split(",")[4] == row["kind"] for row in rows)
    # a new file may lack what is not modelled
    write(tmp_path / "new.csv", table(9))
    assert cli("evaluate", "run", "--data", "new.csv").exit_code == 0
