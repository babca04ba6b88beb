"""Measures of rows of mixed columns: those of their definitions, and classifiers that separate rows."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import quasistatic.kits.tables.measures as measures
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.forms import NumberForm
from quasistatic.kits.tables.measures import column_shapes, crossed, giveaways, judged, mean_auc, pair_trends


def described(name, states=(), has_missing=False):
    if states:
        return Column(name, 1, "categorical", states)
    gaps = ("",) * has_missing
    return Column(name, 1, "real", gaps, gaps, NumberForm(), (np.nan,) * has_missing)


COLUMNS = (described("height", (), True), described("rain"), described("wind"), described("town", ("a", "b", "c")))


def weather(count, seed, drizzle=0.0, shift=0.0):
    """Rows in which it rains every other day, and some heights are missing. With `drizzle` no day is quite dry."""
    random = np.random.RandomState(seed)
    height, rain, wind = random.normal(shift, 1, count), random.exponential(1.0, count), random.normal(size=count)
    height[random.rand(count) < 0.1] = np.nan
    rain = np.where(random.rand(count) < 0.5, drizzle * random.normal(size=count), rain)
    return np.column_stack([height, rain, wind, random.randint(3, size=count)])


def test_shapes_and_trends_have_the_values_of_their_definitions():
    columns = [described("n"), described("c", ("x", "y", "z")), described("m", (), True)]
    a = np.array([[1.0, 0, 2.0], [2.0, 0, 3.0], [3.0, 1, 1.0], [4.0, 1, np.nan]])
    b = np.array([[3.0, 0, 2.0], [4.0, 0, 2.5], [5.0, 0, 3.0], [6.0, 1, 3.5]])
    # half of the numbers of a are below all of b; states differ by a quarter
    assert column_shapes(columns[:1], a, b) == pytest.approx(0.5)
    assert column_shapes(columns[1:2], a[:, 1:], b[:, 1:]) == pytest.approx(0.75)
    assert column_shapes(columns, a, a) == 1 and pair_trends(columns, a, a) == 1
    ours = np.corrcoef([1.0, 2.0, 3.0], [2.0, 3.0, 1.0])[0, 1]
    assert pair_trends([columns[0], columns[2]], a[:, [0, 2]], b[:, [0, 2]]) == pytest.approx(1 - 0.5 * abs(ours - 1.0))
    assert pair_trends(columns[:2], a, np.array([[9.0, 2, 0]] * 4)) == 0


def test_trees_recognise_what_a_line_cannot_and_the_column_is_named():
    pytest.importorskip("sklearn")
    found = judged(COLUMNS, weather(500, 0, drizzle=0.02), weather(600, 1), weather(500, 2))
    assert abs(found["classifier_auc_linear"] - 0.5) < 0.1 and found["classifier_auc_trees"] > 0.7
    assert found["given_away_by_rain"] > 0.9 and [name for name in found if "given_away" in name] == ["given_away_by_rain"]
    for kind in ("linear", "trees"):
        assert abs(found[f"classifier_auc_{kind}_of_training"] - 0.5) < 0.1


def test_rows_of_one_kind_are_not_recognised_and_no_column_is_named():
    pytest.importorskip("sklearn")
    for seed in range(3):
        found = judged(COLUMNS, weather(400, 10 + seed), weather(500, 20 + seed), weather(400, 30 + seed))
        assert max(abs(found[f"classifier_auc_{kind}"] - 0.5) for kind in ("linear", "trees")) < 0.1
        assert not any("given_away" in name for name in found)


def test_the_most_telling_column_comes_first():
    pytest.importorskip("sklearn")
    from threadpoolctl import threadpool_limits

    a, b = weather(500, 0, drizzle=0.02, shift=3.0), weather(500, 2)
    with threadpool_limits(1):
        folds = crossed("trees", a, b)
        found, area = giveaways(folds), mean_auc(folds)
        copies = np.random.RandomState(0).normal(size=(40, 3))
        of_copies = mean_auc(crossed("linear", copies, copies))
    shares = list(found.values())
    assert area > 0.95 and next(iter(found)) == 0
    assert shares == sorted(shares, reverse=True) and 0.9 < sum(shares) < 1.1
    # classifiers have not seen the rows that they are asked about
    assert [len(fold.rows) for fold in folds] == [200] * 5 and all(fold.labels.mean() == 0.5 for fold in folds)
    assert of_copies <= 0.5


def test_few_rows_and_no_scikit_learn_leave_classifiers_out(monkeypatch):
    train, test = weather(60, 1), weather(60, 2)
    names = {"column_shapes", "pair_trends", "distance_to_closest_training_row"}
    few = judged(COLUMNS, weather(9, 0), train, test)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    assert not crossed("linear", train, test)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    for found in (few, judged(COLUMNS, weather(60, 0), train, test)):
        assert names <= set(found) and not any(name.startswith(("classifier", "given")) for name in found)


def test_of_many_rows_some_are_compared(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(measures, "COMPARED", 50)
    seen = []
    monkeypatch.setattr(measures, "crossed", lambda kind, a, b: seen.append((kind, len(a), len(b))) or [])
    judged(COLUMNS, weather(80, 0), weather(90, 1), weather(70, 2))
    assert seen == [("linear", 50, 50), ("trees", 50, 50)] * 2
