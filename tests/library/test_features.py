"""Features: vectors of what a run knows of events, each a function of its event alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import quasistatic as qs

SMALL = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 8, "training.updates": 1, "training.batch": 32,
    "training.rate": 1e-9, "training.validate_every": 1, "training.observers": [], "evaluation.events": 64,
}  # fmt: skip
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def run() -> qs.Run:
    """A network that makes of noise what is right for normal numbers, as it has not learned yet."""
    return qs.train(qs.load_recipe("array", SMALL), RNG.standard_normal((400, 3)))


def test_features_are_of_their_event_alone(run: qs.Run) -> None:
    xs = RNG.standard_normal((40, 3))
    order = RNG.permutation(len(xs))
    for by in ("mean", "hidden", "ledger"):
        whole = run.features(xs, by=by, repeats=2).values
        assert whole.shape == (40, len(run.features(xs[:1], by=by).names))
        np.testing.assert_array_equal(run.features(xs[order], by=by, repeats=2).values, whole[order])
        np.testing.assert_array_equal(run.features(xs[[7]], by=by, repeats=2).values, whole[[7]])
        assert (run.features(xs, by=by, repeats=2, seed=1).values != whole).any()


def test_mean_of_normal_numbers_is_known(run: qs.Run) -> None:
    """E[x given z_t] = a z_t where x has unit variance; its mean over noise is a^2 x, its deviation a d."""
    xs, repeats = run.source.split("validation").x, 64
    for time in (0.2, 0.5):
        log_a, log_noise = run.diffusion.kernel.levels(np.float32(time))
        square, noise = float(np.exp(2.0 * log_a)), float(np.exp(0.5 * log_noise))
        away = run.features(qs.Data(xs), time=time, repeats=repeats).values - square * xs
        assert away.std() == pytest.approx(square**0.5 * noise / repeats**0.5, rel=0.2)


def test_nine_tenths_of_the_variance_are_known_at_the_time_that_is_chosen(run: qs.Run) -> None:
    log_a, _ = run.diffusion.kernel.levels(np.float32(run.features(RNG.standard_normal((1, 3))).time))
    assert np.exp(2.0 * log_a) == pytest.approx(0.9, abs=0.1)


def test_ledger_adds_up_to_minus_k(run: qs.Run) -> None:
    data = run.source.split("validation")
    found = run.features(data, by="ledger", repeats=32)
    assert found.time is None
    expected = run.evaluate(data, steps=24, repeats=32).ledger.per_event
    assert found.values.sum(axis=1).mean() == pytest.approx(-expected.mean(), abs=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "scent"}, "by: expected one of mean, hidden, ledger, got 'scent'"),
        ({"time": 1.5}, "time: expected 'auto', or one from"),
        ({"repeats": 0}, "repeats: expected at least 1, got 0"),
    ],
)
def test_options_that_cannot_be_are_refused(run: qs.Run, options: Any, message: str) -> None:
    with pytest.raises(qs.InputError, match=message):
        run.features(np.zeros((2, 3)), **options)


def test_a_network_without_a_hidden_layer_is_refused() -> None:
    plain = {name: value for name, value in SMALL.items() if not name.startswith("model.")}
    other = qs.train(qs.load_recipe("array", {**plain, "model.use": "rbf"}), RNG.standard_normal((40, 2)))
    with pytest.raises(qs.InputError, match="the network Rbf offers no hidden layer"):
        other.features(np.zeros((2, 2)), by="hidden")


def test_symbols_have_probabilities() -> None:
    made = qs.train(qs.load_recipe("dna", {"source.validation_events": 20, "source.test_events": 20, **TINY}))
    data = made.source.split("test")
    found = made.features(data, time=0.125, repeats=2)
    assert found.values.shape == (20, 4 * 64) and found.names[-1] == "x.255"
    shares = found.values.reshape(20, 64, 4)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-5)
    assert np.take_along_axis(shares, data.x[..., None], axis=-1).mean() > 0.8  # little is hidden


TINY = {
    "model.use": "dense", "model.width": 8, "model.depth": 1, "trajectory.steps": 8, "training.updates": 1, "training.batch": 8,
    "training.validate_every": 1, "training.observers": [],
}  # fmt: skip


def test_tables_with_states_and_gaps_have_features(tmp_path: Path) -> None:
    from quasistatic_plugins.groups.command import features

    length = RNG.normal(10.0, 2.0, 120).round(2)
    frame = pl.DataFrame(
        {
            "length": [None if row % 7 == 0 else own for row, own in enumerate(length)],
            "kind": ["long" if own > 10 else "short" for own in length],
        }
    )
    frame.write_csv(tmp_path / "known.csv")
    qs.train(qs.load_recipe("table", {**SMALL, "source.path": str(tmp_path / "known.csv")}), out=tmp_path / "run")
    new = pl.DataFrame({"length": [10.0, None, 12.5], "kind": ["long", "short", "round"]})
    new.write_csv(tmp_path / "new.csv")
    written = CliRunner().invoke(
        features, [str(tmp_path / "run"), str(tmp_path / "new.csv"), "-o", str(tmp_path / "f.csv")], obj=qs.plugins()
    )
    assert written.exit_code == 0, written.output
    assert (
        "2 events" in written.output and "1 of 3 records are outside" in written.output
    ) or "1 of 3 records is" in written.output
    table = pl.read_csv(tmp_path / "f.csv")
    assert table["status"].to_list() == ["inside", "inside", "outside"]
    found = qs.open_run(tmp_path / "run").features(new)
    np.testing.assert_array_equal(table.select(found.names).to_numpy()[:2], found.values)
    whole = CliRunner().invoke(features, [str(tmp_path / "run"), "--by", "ledger", "-o", str(tmp_path / "f.npz")], obj=qs.plugins())
    assert whole.exit_code == 0, whole.output
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays["features"].shape == (120, 25) and set(arrays["tag_split"]) == {"train", "validation", "test"}
