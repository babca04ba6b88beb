"""How unusual events are: a score is of its event alone, adds up, and gives usual events even p-values."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from scipy.stats import binom

import quasistatic as qs

RNG = np.random.default_rng(0)
SMALL = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 8, "training.updates": 20, "training.batch": 32,
    "training.validate_every": 20, "training.observers": [], "evaluation.events": 64,
}  # fmt: skip


def rows(count: int, far: float = 0.0) -> np.ndarray:
    """Two columns that are nearly one, and a third that is on its own; `far` takes the first away from the second."""
    first = RNG.standard_normal(count)
    return np.stack([first + far, first + 0.1 * RNG.standard_normal(count), np.exp(RNG.standard_normal(count))], axis=1)


@pytest.fixture(scope="module")
def run() -> qs.Run:
    return qs.train(qs.load_recipe("array", {**SMALL, "source.test_share": 0.5}), rows(600))


@pytest.fixture(scope="module")
def new() -> np.ndarray:
    return np.concatenate([rows(40), rows(10, far=1.5)])


@pytest.fixture(scope="module")
def found(run: qs.Run, new: np.ndarray) -> qs.Scores:
    return run.score(new, rate=0.05)


def test_score_is_of_its_row_alone(run: qs.Run, new: np.ndarray, found: qs.Scores) -> None:
    order = RNG.permutation(len(new))
    np.testing.assert_array_equal(run.score(new[order]).scores, found.scores[order])
    for row in (0, 7, 45):
        np.testing.assert_array_equal(run.score(new[[row]]).scores, found.scores[[row]])
    np.testing.assert_array_equal(run.score(np.repeat(new, 3, axis=0)).scores, np.repeat(found.scores, 3))
    assert (run.score(new, seed=1).scores != found.scores).all()


def test_error_is_that_of_other_noise(run: qs.Run, new: np.ndarray, found: qs.Scores) -> None:
    away = np.array([run.score(new, seed=seed).scores for seed in range(1, 9)]).std(axis=0, ddof=1)
    assert 0.5 < np.median(found.errors / away) < 2.0


def test_shares_add_up(found: qs.Scores) -> None:
    np.testing.assert_allclose(sum(found.by_column.values()) + found.together, found.scores, atol=1e-9)
    np.testing.assert_allclose(np.mean(list(found.by_model.values()), axis=0), found.scores, atol=1e-9)


def test_columns_that_part_are_named(found: qs.Scores) -> None:
    shares = np.array([values[40:].mean() for values in found.by_column.values()])
    assert shares[:2].sum() > 3.0 * abs(shares[2])
    assert found.flagged[40:].all() and found.discovered[40:].all()


def test_usual_rows_have_even_p_values(run: qs.Run) -> None:
    p_values = run.score(rows(1000)).p_values
    for rate in (0.05, 0.2, 0.5):
        # both the rows and the 300 held-out ones are drawn
        error = (rate * (1.0 - rate) * (1 / 1000 + 1 / 300)) ** 0.5
        assert abs(np.mean(p_values <= rate) - rate) < 4.0 * error


def test_rate_is_within_its_certificate(run: qs.Run) -> None:
    found = run.score(rows(2000), rate=0.05)
    assert 0.05 < found.certificate.at_most < 0.08
    assert found.flagged.sum() <= binom.ppf(0.999, 2000, found.certificate.at_most)


def test_too_simple_is_unusual_too() -> None:
    """A likelihood ranks the centre of a cloud above all of its rows, of which none is there; the noise levels have two sides."""
    wide = qs.train(qs.load_recipe("array", {**SMALL, "source.test_share": 0.5}), RNG.standard_normal((400, 20)))
    test, centre = wide.source.split("test").x, np.zeros((1, 20))
    assert wide.bound(centre, steps=200).per_event > np.quantile(wide.bound(test, steps=200).per_event, 0.95)
    assert wide.score(centre).by_model["noise levels"] > np.quantile(wide.score(test).by_model["noise levels"], 0.9)


def frame(count: int) -> dict[str, list[Any]]:
    length = RNG.normal(10.0, 2.0, count)
    return {
        "length": length.round(2).tolist(),
        "kind": ["long" if own > 10 else "short" for own in length],
        "id": list(range(count)),
    }


def test_table_with_states_and_rows_outside(tmp_path: Path) -> None:
    from quasistatic_plugins.scoring.command import score

    pl.DataFrame(frame(200)).write_csv(tmp_path / "known.csv")
    options = {**SMALL, "source.path": str(tmp_path / "known.csv"), "source.labels": "id", "source.test_share": 0.4}
    made = qs.train(qs.load_recipe("table", options), out=tmp_path / "run")
    new = pl.DataFrame({"length": [10.0, 4.0, 16.0, 10.5], "kind": ["long", "long", "long", "round"], "id": [7, 8, 9, 10]})
    new.write_csv(tmp_path / "new.csv")
    found = made.score(new)
    assert found.scores.argmax() == 1  # short, but called long
    assert len(found.scores) == 3 and found.data.outside[0].number == 3
    np.testing.assert_array_equal(found.scores, made.score(qs.read_events(made.source, tmp_path / "new.csv")).scores)

    def call(*arguments: Any) -> str:
        arguments = (tmp_path / "run", tmp_path / "new.csv", *arguments)
        result = CliRunner().invoke(score, [str(each) for each in arguments], obj=qs.plugins(), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    shown = call("--rate", "0.2")
    assert "line 3, id 8" in shown.splitlines()[1] and "with 95% confidence" in shown and "'round'" in shown
    assert "support rates of" in call("--rate", "0.001")
    known = json.loads(call("--json"))
    assert [each["score"] for each in known["events"]] == found.scores.tolist() and known["outside"][0]["number"] == 3
    assert all(abs(sum(each["shares"].values()) - each["score"]) < 1e-9 for each in known["events"])
    call("-o", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["status"] for line in lines] == ["inside"] * 3 + ["outside"] and [line["id"] for line in lines] == [
        "7",
        "8",
        "9",
        "10",
    ]
    call("-o", tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


def test_events_without_columns_are_scored_by_noise_levels() -> None:
    made = qs.train(qs.load_recipe("mixed", {**SMALL, "source.validation_events": 60, "source.test_events": 60}))
    found = made.score(made.source.split("validation"))
    assert list(found.by_model) == ["noise levels"] and not found.by_column
    np.testing.assert_allclose(found.together, found.scores)


def test_refused(run: qs.Run, new: np.ndarray) -> None:
    with pytest.raises(qs.InputError, match="rate: expected a share"):
        run.score(new, rate=1.5)
    bare = qs.train(qs.load_recipe("array", {**SMALL, "source.test_share": 0, "source.validation_share": 0}), rows(50))
    with pytest.raises(qs.InputError, match="held-out events"):
        bare.score(new)
