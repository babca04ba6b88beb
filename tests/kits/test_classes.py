"""Classes that are learned without labels, and what they begin with."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits.classes import fit_classes, grouped, learn_classes, mutual_information
from quasistatic.kits.classes.grouping import METHODS

RNG = np.random.default_rng(0)
SMALL = {
    "model.width": 32, "model.depth": 2, "trajectory.steps": 16, "training.updates": 400, "training.batch": 64,
    "training.rate": 5e-3, "training.ema": 0.98, "training.validate_every": 400, "training.observers": [],
    "evaluation.events": 64,
}  # fmt: skip


def test_mutual_information_is_one_for_equal_groups_and_none_for_independent_ones() -> None:
    groups = RNG.integers(0, 4, 40_000)
    names = np.array(["d", "a", "c", "b"])
    assert mutual_information(groups, names[groups]) == pytest.approx(1.0)
    assert mutual_information(groups, RNG.integers(0, 4, 40_000)) < 1e-3
    assert mutual_information(np.zeros(5), np.zeros(5)) == 1.0
    # of four groups that are told in pairs: one bit of the mean of two and one
    assert mutual_information(groups, groups // 2) == pytest.approx(1.0 / 1.5, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_groups_that_are_apart_are_found(method: str) -> None:
    sizes = (60, 90, 30)
    truth = np.repeat(np.arange(3), sizes)
    values = RNG.standard_normal((180, 5)) + 12.0 * np.eye(5)[truth]
    found = grouped(values, 3, method)
    assert mutual_information(found, truth) == pytest.approx(1.0)
    assert np.bincount(found).tolist() == [90, 60, 30]
    np.testing.assert_array_equal(found, grouped(values, 3, method))


def test_more_events_than_are_grouped_join_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quasistatic.kits.classes.grouping.MOST", 50)
    truth = RNG.integers(0, 2, 400)
    assert mutual_information(grouped(RNG.standard_normal((400, 3)) + 15.0 * truth[:, None], 2), truth) == pytest.approx(1.0)


def test_what_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(qs.InputError, match="at least 3 events that differ"):
        grouped(np.zeros((10, 2)), 3)
    with pytest.raises(qs.InputError, match="method: expected one of spectral, ward, kmeans, got 'guess'"):
        grouped(RNG.standard_normal((10, 2)), 3, "guess")


@pytest.fixture(scope="module")
def run() -> qs.Run:
    """Two groups, above and below one another."""
    kind = RNG.integers(0, 2, 600)
    values = np.stack([RNG.standard_normal(600), 0.3 * RNG.standard_normal(600) + np.where(kind, 1.2, -1.2)], axis=1)
    return qs.train(qs.load_recipe("array", {**SMALL, "source.test_share": 0.2}), values)


def test_learned_classes_repair_the_first_groups(run: qs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(values: np.ndarray, count: int, method: str, seed: int) -> np.ndarray:
        return (values[:, 1] > 0) ^ (np.random.default_rng(seed).random(len(values)) < 0.2)

    monkeypatch.setattr("quasistatic.kits.classes.learning.grouped", lambda *given: mistaken(*given).astype(int))
    found = learn_classes(run, 2)
    upper = run.source.split("train").x[:, 1] > 0
    before, after = (mutual_information(each, upper) for each in (found.start, found.groups))
    assert before < 0.4 < 0.6 < after  # more rounds, or longer ones, bring no more
    test = run.source.split("test")
    log_posteriors = found.of(test)
    assert mutual_information(log_posteriors.argmax(axis=1), test.x[:, 1] > 0) > 0.6
    np.testing.assert_allclose(np.exp(log_posteriors).sum(axis=1), 1.0)
    np.testing.assert_array_equal(found.of(test.only(slice(3, 5))), log_posteriors[3:5])
    np.testing.assert_allclose(np.exp(found.log_shares).sum(), 1.0)


def test_classes_that_are_known_tell_theirs_and_are_worth_what_they_tell(run: qs.Run) -> None:
    train, test = (run.source.split(name) for name in ("train", "test"))
    found = fit_classes(run, train, (train.x[:, 1] > 0).astype(int), 2, updates=400)
    assert np.mean(found.of(test).argmax(axis=1) == (test.x[:, 1] > 0)) > 0.97
    known = qs.ledger(
        found.diffusion, test.x, key=jax.random.key(0), side=(test.x[:, 1] > 0).astype(np.int32), repeats=16
    ).per_event
    # log p(x) is log p(x given its class) plus that of the class, where no other can have made x
    assert found.bounds(test, repeats=16).mean() == pytest.approx((known + np.log(0.5)).mean(), abs=0.1)


def test_classes_of_generated_events_are_refused() -> None:
    made = qs.train(
        qs.load_recipe("swiss-roll", {**SMALL, "model.use": "dense", "training.updates": 1, "training.validate_every": 1})
    )
    with pytest.raises(qs.InputError, match="classes are learned of training events that are stored, one row each"):
        learn_classes(made, 3)
