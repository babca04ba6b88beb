"""quasistatic classify, on a hardly trained run of digits whose network is told which digit it is."""

import csv
import json

import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import classes as kit

SMALL = {
    "model.width": 32, "model.depth": 1, "trajectory.steps": 8,
    "training.updates": 150, "training.batch": 32, "training.ema": 0.9, "training.rate": 1e-2,
    "training.validate_every": 150, "training.validation_events": 40, "training.observers": [], "evaluation.events": 24,
}  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["augmented", "plain"])
def digits(request, tmp_path_factory):
    """With side information of two parts, and with the class alone."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    return qs.train(qs.load_recipe("digits", {**SMALL, "source.labels": True, "source.augment": request.param}), out=folder), folder


def test_classes_are_told_and_k_without_them_is_lower_than_with_them(cli, digits, tmp_path):
    run, folder = digits
    told = cli("classify", folder, "--repeats", 3, "--json", "--per-event", tmp_path / "classes.csv")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    values = {name: each["value"] for name, each in found["values"].items()}
    assert (found["events"], found["classes"], found["steps"]) == (24, [str(digit) for digit in range(10)], 8)
    # log p(x) is at least log p(x, class), and less than log p(x given class) by what the class tells
    assert values["bound_given_class"] - 2.8 < values["bound_without_class"] < values["bound_given_class"]
    assert values["bound_given_class"] == pytest.approx(run.evaluate(repeats=3).bound.value, abs=1.0)
    assert values["log_prob_of_its_class"] < 0.0 <= values["accuracy"] <= 1.0
    assert values["accuracy"] > 0.25  # a tenth is chance
    with (tmp_path / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    shares = np.array([[float(row[f"probability_of_{digit}"]) for digit in range(10)] for row in rows])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    assert [row["class"] for row in rows] == [str(digit) for digit in shares.argmax(axis=1)]
    right = [row["class"] == row["label"] for row in rows]
    assert np.mean(right) == pytest.approx(values["accuracy"])
    bounds = [float(row["bound_nats"]) for row in rows]
    assert np.mean(bounds) == pytest.approx(values["bound_without_class"])


def test_events_of_a_file_have_no_known_class(cli, digits, tmp_path):
    run, folder = digits
    np.save(tmp_path / "mine.npy", run.source.split("test", 3).x)
    told = cli("classify", folder, "--data", tmp_path / "mine.npy")
    assert told.exit_code == 0, told.output
    assert "bound without class" in told.stdout and "accuracy" not in told.stdout
    assert "3 events, 10 classes, T = 8, 2 passes" in told.stdout


def test_every_record_of_a_file_has_a_line(cli, digits, tmp_path, monkeypatch):
    run, folder = digits
    x, measure = run.source.split("test", 4).x, kit.alternatives

    def with_a_far_one(*inputs, **options):
        measured = measure(*inputs, **options)
        measured.joint[:, 1] = np.nan
        return measured

    monkeypatch.setattr(kit, "alternatives", with_a_far_one)
    found = qs.Data(x, outside=(qs.sources.Outside(0, "no picture"), qs.sources.Outside(5, "blurred")))
    monkeypatch.setattr(qs, "read_events", lambda source, path: found)
    told = cli("classify", folder, "--data", "mine.npy", "--per-event", tmp_path / "c.csv")
    assert told.exit_code == 0 and "3 events, 10 classes" in told.stdout, told.output
    assert "3 of 6 records are outside of the model's support" in told.stdout and "; first: event 0, no picture" in told.stdout
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] == "inside" for row in rows] == [False, True, False, True, True, False]
    assert rows[2]["reason"].startswith("too far") and rows[2]["class"] == rows[0]["bound_nats"] == "" != rows[1]["class"]
    monkeypatch.setattr(qs, "read_events", lambda source, path: qs.Data(x[:0], outside=(qs.sources.Outside(0, "no picture"),)))
    told = cli("classify", folder, "--data", "mine.npy", "--per-event", tmp_path / "c.csv", "--json")
    assert told.exit_code == 0 and json.loads(told.stdout)["outside"][0]["reason"] == "no picture"
    with (tmp_path / "c.csv").open() as file:
        assert [list(row) for row in csv.DictReader(file)] == [list(rows[0])]


def test_one_event_has_a_class_and_no_error(cli, digits, tmp_path):
    run, folder = digits
    np.save(tmp_path / "one.npy", run.source.split("test", 1).x)
    told = cli("classify", folder, "--data", tmp_path / "one.npy", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["values"]["bound_without_class"]["standard_error"] is None
    assert "+-" not in cli("classify", folder, "--data", tmp_path / "one.npy").stdout


def test_a_file_that_cannot_be_written_is_refused_before_the_work(cli, tmp_path):
    told = cli("classify", tmp_path / "not-looked-at", "--per-event", tmp_path / "nowhere" / "classes.csv")
    assert told.exit_code == 2 and str(tmp_path / "nowhere") in told.stderr
    assert "Traceback" not in told.output and "not-looked-at" not in told.stderr


def test_shares_of_classes_are_those_of_the_training_split(digits):
    run, _ = digits
    classes, train = qs.sources.Classes.of(run.source), run.source.split("train")
    counts = np.bincount(train.tags["label"], minlength=10)
    np.testing.assert_allclose(np.exp(classes.log_shares), (counts + 1) / (len(train) + 10))
    sides = classes.sides(run.source.split("test", 5))
    assert [run.source.side.part_of(side, classes.part).tolist() for side in sides] == [[digit] * 5 for digit in range(10)]


def test_a_run_without_classes_is_refused(cli, tmp_path):
    folder = tmp_path / "run"
    qs.train(qs.load_recipe("digits", {**SMALL, "training.updates": 1}), out=folder)
    told = cli("classify", folder)
    assert told.exit_code == 2
    assert f"{folder}: expected a run whose network reads one class of each event, it reads" in told.stderr
