"""run, train, resume, evaluate and sample, as a person types them."""

import csv
import json

import numpy as np
import pytest

SHORT = [
    *("--set", "training.updates=40", "--set", "training.batch=16", "--set", "training.validate_every=20"),
    *("--set", "training.validation_events=32", "--set", "model.width=16", "--set", "model.depth=1"),
    *("--set", "evaluation.events=64", "--set", "evaluation.trajectory_steps=[8]", "--set", "trajectory.steps=5"),
    *("--set", "evaluation.samples=9"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short swiss-roll run with its report, and what it printed."""
    from click.testing import CliRunner

    from quasistatic.cli import main

    folder = tmp_path_factory.mktemp("run") / "roll"
    result = CliRunner().invoke(main, ["run", "swiss-roll", "--out", str(folder), "--seed", "3", *SHORT])
    assert result.exit_code == 0, result.output
    return folder, result


def test_run_says_what_it_will_do_and_what_it_found(finished):
    folder, result = finished
    assert "2 real per event; T = 5; 40 updates of 16 events; seed 3" in result.stderr
    assert "parameters" in result.stderr and "MiB of state" in result.stderr
    for line in ("K (T = 5)", "K (T = 8)", "truth of the same events", "null model", "train split", "bits per event"):
        assert line in result.stdout
    assert f"report: {folder}/report.html" in result.stdout


def test_the_report_opens_offline_and_holds_its_pictures(finished):
    folder, _ = finished
    page = (folder / "report.html").read_text()
    assert page.count("<img") >= 4 and "data:image/png;base64," in page
    assert "://" not in page and "<script" not in page
    assert "seed = 3" in page


def test_evaluate_json_has_every_value_with_its_unit(finished, cli):
    folder, _ = finished
    told = json.loads(cli("evaluate", folder, "--steps", 7, "--json").stdout)
    bound = told["bound"]
    assert {"value", "standard_error", "unit", "per", "events", "trajectory_steps", "bits_per_dim"} <= set(bound)
    assert (bound["unit"], bound["per"], bound["events"], bound["trajectory_steps"]) == ("nats", "event", 64, 7)
    assert (told["kernel"], told["model"], told["first_step"], told["recipe"]) == ("gaussian", "dense", "learned", "swiss-roll")
    parts = sum(told["split"][name]["value"] for name in ("first", "gaps", "prior"))
    assert bound["value"] == pytest.approx(-parts, rel=1e-9)
    assert told["gain"]["value"] == pytest.approx(bound["value"] - told["null"]["value"], rel=1e-9)
    assert told["dissipation"]["value"] == pytest.approx(told["truth"]["value"] - bound["value"], rel=1e-9)
    assert bound["bits_per_dim"] == pytest.approx(bound["value"] / np.log(2) / 2, rel=1e-9)
    assert len(told["per_step"]["times"]) == len(told["per_step"]["first_and_gaps"]) == 7


def test_evaluate_own_events_event_by_event(finished, cli, tmp_path):
    folder, _ = finished
    np.savetxt(tmp_path / "own.csv", [[9.0, 1.0], [-3.0, 4.0], [100.0, 100.0]], delimiter=",", header="x,y", comments="")
    result = cli("evaluate", folder, "--data", tmp_path / "own.csv", "--per-event", tmp_path / "out.csv", "--json")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    bounds = [float(row["bound_nats_in_model_units"]) for row in rows]
    assert len(rows) == 3 and all(float(row["standard_error_nats"]) > 0 for row in rows)
    assert bounds[2] < min(bounds[:2]) - 10  # far from all data
    assert json.loads(result.stdout)["bound"]["value"] == pytest.approx(np.mean(bounds), rel=1e-6)


def test_samples_come_as_arrays_and_as_pictures_and_do_not_depend_on_their_number(finished, cli, tmp_path):
    folder, _ = finished
    for number, name in ((4, "few.npz"), (64, "many.npz"), (9, "x.png"), (9, "x.svg")):
        assert cli("sample", folder, "-n", number, "--seed", 3, "-o", tmp_path / name).exit_code == 0
    few, many = (np.load(tmp_path / name)["x"] for name in ("few.npz", "many.npz"))
    assert few.shape == (4, 2) and (few == many[:4]).all() and np.abs(few).max() > 3  # user units
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG") and b"<svg" in (tmp_path / "x.svg").read_bytes()


def test_a_folder_that_holds_a_run_is_refused_naming_resume(finished, cli):
    folder, _ = finished
    result = cli("run", "swiss-roll", "--out", folder, *SHORT)
    assert result.exit_code == 2 and f"resume {folder}" in result.stderr


def test_resume_of_a_finished_run_only_reports_again(finished, cli):
    folder, first = finished
    again = cli("resume", folder)
    assert again.exit_code == 0, again.output
    assert again.stdout == first.stdout


def test_a_run_can_begin_with_the_weights_of_another(finished, cli, tmp_path):
    folder, first = finished
    begun = cli("train", "swiss-roll", "--from", folder, "--out", tmp_path / "again", *SHORT)
    assert begun.exit_code == 0, begun.output
    assert "begins with the weights of update" in begun.stderr and str(folder) in begun.stderr
    assert begun.stdout.startswith("began with the weights of update") and "trained:" in begun.stdout
    wrong = cli("train", "swiss-roll", "--from", folder, "--out", tmp_path / "no", *SHORT, "--set", "model.width=8")
    assert wrong.exit_code == 2 and "model.width: 16 there, 8 here" in wrong.stderr and not (tmp_path / "no").exists()
    absent = cli("train", "swiss-roll", "--from", tmp_path / "nothing", *SHORT)
    assert absent.exit_code == 2 and "holds no run" in absent.stderr
    assert "the highest validation K" in first.stdout or "the kept weights are those before training" in first.stdout


def test_long_work_is_told_on_stderr_and_not_where_quiet_is_asked_for(finished, cli, monkeypatch):
    monkeypatch.setattr("quasistatic.cli._waiting.QUIET", 0.0)
    monkeypatch.setattr("quasistatic._process.ledger.events_together", lambda diffusion: 24)
    evaluated = cli("evaluate", finished[0], "--json")
    assert json.loads(evaluated.stdout)["bound"]["trajectory_steps"] == 5
    lines = evaluated.stderr.splitlines()
    assert [line.rpartition(",")[0] for line in lines] == ["K (T = 5): 22 of 64", "K (T = 5): 44 of 64"]
    assert lines[0].endswith(" left")
    quiet = cli("resume", finished[0], "--quiet")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_default_folder_counts_up(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert cli("train", "heartbeat", "--quiet", *SHORT).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["heartbeat-001", "heartbeat-002"]


def test_json_is_one_object_and_nothing_else(cli, tmp_path):
    result = cli("run", "heartbeat", "--out", tmp_path / "run", "--json", *SHORT)
    told = json.loads(result.stdout)
    assert set(told["splits"]) == {"train", "validation", "test"} and result.exit_code == 0
    assert len(told["kept"]) == 1 and told["start_from"] is None
    assert told["evaluations"][0]["truth"]["value"] == pytest.approx(-np.log(5), abs=1e-6)
    assert told["evaluations"][0]["bound_in_user_units"] is None


def test_own_data_are_a_first_step(cli, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "mine.npy", 50 + 3 * rng.normal(size=(150, 4)))
    result = cli("run", "array", "--set", f"source.path={tmp_path / 'mine.npy'}", "--out", tmp_path / "run", *SHORT)
    assert result.exit_code == 0, result.output
    assert "4 real" in result.stderr and result.stdout.startswith("K (T = 8), in the units of the data")
    names = ("K - ", "full Gaussian", "kernel density, bandwidth ")
    assert all(name in result.stdout for name in names)
    page = (tmp_path / "run" / "report.html").read_text()
    for title in ("K beside simple models", "Every column", "Columns against one another", "How columns hang together"):
        assert title in page
    cli("sample", tmp_path / "run", "-n", 20, "-o", tmp_path / "s.npz")
    assert 30 < np.load(tmp_path / "s.npz")["x"].mean() < 70


def test_labels_and_augmentation_train_and_sample(cli, tmp_path):
    options = ["--set", "source.labels=true", "--set", "evaluation.repeats=1"]
    result = cli("run", "digits", "--out", tmp_path / "run", *SHORT, *options)
    assert result.exit_code == 0, result.output
    assert "mixture of 60 independent-pixel models" in result.stdout
    assert cli("sample", tmp_path / "run", "-o", tmp_path / "digits.png").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "heartbeat", "--set", "kernel.use=gaussian"], "binomial"),
        (["run", "swiss-roll", "--set", "kernel.first_noise=0"], "first_noise"),
        (
            [
                *("run", "swiss-roll", "--set", "kernel.schedule=erasure", "--set", "kernel.mean=noise"),
                *("--set", "kernel.last_survival=0"),
            ],
            "noise",
        ),
        (["run", "swiss-rol"], "swiss-roll"),
        (["run", "array", "--set", "source.path=nowhere.csv"], "nowhere.csv"),
        (["evaluate", "nowhere"], "nowhere"),
        (["sample", "nowhere", "-o", "x.npz"], "nowhere"),
        (["resume", "nowhere"], "nowhere"),
        (["evaluate", "nowhere", "--steps", "0"], "--steps"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_message_with_exit_code_2(cli, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = cli(*arguments)
    assert result.exit_code == 2 and said in result.stderr and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_samples_has_an_ending_that_is_known(finished, cli, tmp_path):
    folder, _ = finished
    result = cli("sample", folder, "-o", tmp_path / "x.bmp")
    assert result.exit_code == 2 and "expected a name that ends with .npz, .csv, .png" in result.stderr
    assert ".gif, .webp" in result.stderr and not (tmp_path / "x.bmp").exists()


def test_data_that_do_not_fit_a_run_are_named(finished, cli, tmp_path):
    folder, _ = finished
    np.save(tmp_path / "wide.npy", np.zeros((5, 3)))
    result = cli("evaluate", folder, "--data", tmp_path / "wide.npy")
    assert result.exit_code == 2 and "(5, 3)" in result.stderr
