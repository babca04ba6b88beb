"""quasistatic cluster, on a hardly trained run of two groups of rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import quasistatic as qs
from quasistatic_plugins.groups.command import cluster

SMALL = {
    "model.width": 8, "model.depth": 1, "trajectory.steps": 8, "training.updates": 40, "training.batch": 32,
    "training.validate_every": 40, "training.observers": [], "evaluation.events": 24,
}  # fmt: skip
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two groups of rows, with labels, and what a shuffled table has of them."""
    folder = tmp_path_factory.mktemp("runs")
    kind = RNG.integers(0, 2, 200)
    rows = RNG.standard_normal((200, 2)) + 6.0 * kind[:, None]
    lines = [f"{one:.3f},{other:.3f},{label}" for (one, other), label in zip(rows, kind, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["one,other,label", *lines]))
    options = {**SMALL, "source.path": str(folder / "rows.csv"), "source.labels": "label", "source.test_share": 0.2}
    qs.train(qs.load_recipe("array", options), out=folder / "run")
    return folder / "run"


@pytest.fixture
def call(folder: Path) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(cluster, [str(folder), *map(str, arguments)], obj=qs.plugins())


def test_groups_of_all_events_are_judged_and_written(call: Callable[..., Result], tmp_path: Path) -> None:
    told = call("-k", 2, "--json", "-o", tmp_path / "groups.csv")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert (found["classes"], len(found["groups"]), found["records"]) == (2, 200, 200)
    assert found["judged"][0]["gain"] == pytest.approx(found["judged"][0]["bound"] - found["judged"][0]["without"])
    assert sum(found["shares"]) == pytest.approx(1.0)
    agreement = found["agreement_with_labels"]
    assert agreement["first groups of these"] > 0.9 and all(0.0 <= value <= 1.0 for value in agreement.values())
    with (tmp_path / "groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["group"]) for row in rows] == found["groups"] and {row["split"] for row in rows} == {
        "train",
        "validation",
        "test",
    }
    assert sum(float(rows[5][f"probability_of_{number}"]) for number in range(2)) == pytest.approx(1.0, abs=1e-6)


def test_the_best_of_several_numbers_is_kept_and_drawn(call: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("one,other\n0.1,-0.3\n5.8,6.1\n0.4,0.2\n")
    told = call(tmp_path / "mine.csv", "-k", 3, "-k", 2, "--seeds", 2, "--method", "ward", "-o", tmp_path / "groups.png")
    assert told.exit_code == 0, told.output
    assert (tmp_path / "groups.png").read_bytes()[:4] == b"\x89PNG"
    assert (
        "with 2 learned classes" in told.stdout and "with 3 learned classes" in told.stdout and told.stdout.count(", chosen") == 1
    )
    assert "of 1 pairs of seeds" in told.stdout and "round 2 of 2" in told.stderr


def test_a_run_without_validation_events_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RNG.standard_normal((64, 2)))
    options = {**SMALL, "source.path": str(tmp_path / "x.npy"), "source.validation_share": 0, "source.test_share": 0}
    qs.train(qs.load_recipe("array", options), out=tmp_path / "run")
    told = CliRunner().invoke(cluster, [str(tmp_path / "run")], obj=qs.plugins())
    assert isinstance(told.exception, qs.InputError) and "this run has none" in str(told.exception)
