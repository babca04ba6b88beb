"""Estimators of scikit-learn: what it asks of them, and that they are what the run says."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from quasistatic.sklearn import (
    DiffusionClassifier,
    DiffusionClusterer,
    DiffusionDensity,
    DiffusionImputer,
    DiffusionOutlierDetector,
    DiffusionTransformer,
)

RNG = np.random.default_rng(0)
SMALL: Any = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 8, "training.updates": 60, "training.batch": 32,
    "training.rate": 1e-2, "training.ema": 0.9, "training.validate_every": 60, "evaluation.events": 64,
}  # fmt: skip
KIND = RNG.integers(0, 2, 200)
ROWS = RNG.standard_normal((200, 3)) + 6.0 * KIND[:, None]


def test_density_is_k_in_the_units_of_the_data() -> None:
    made = DiffusionDensity(options=SMALL, random_state=0, repeats=8).fit(ROWS)
    scores = made.score_samples(ROWS)
    assert made.score(ROWS) == pytest.approx(scores.mean())
    # a change of units is a change of the density
    other = DiffusionDensity(options=SMALL, random_state=0, repeats=8).fit(10.0 * ROWS)
    assert other.score(10.0 * ROWS) == pytest.approx(made.score(ROWS) - 3 * np.log(10.0), abs=0.3)
    found = made.run_.evaluate(ROWS, steps=200, repeats=8)
    assert made.score(ROWS) == pytest.approx((found.ledger.per_event - found.log_scale).mean(), abs=0.1)
    assert made.sample(7).shape == (7, 3)
    order = RNG.permutation(200)
    np.testing.assert_array_equal(made.score_samples(ROWS[order]), scores[order])


def test_estimators_are_cloned_and_pickled() -> None:
    made = DiffusionTransformer(by="hidden", options=SMALL, random_state=3).fit(ROWS)
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.transform(ROWS[:9]), made.transform(ROWS)[:9])
    np.testing.assert_array_equal(clone(made).fit(ROWS).transform(ROWS[:9]), made.transform(ROWS[:9]))
    assert clone(made).get_params() == made.get_params()


def test_frames_go_in_and_out() -> None:
    frame = pd.DataFrame({"length": ROWS[:, 0], "kind": np.where(KIND, "long", "short")})
    made = DiffusionTransformer(options=SMALL, random_state=0).set_output(transform="pandas").fit(frame)
    assert made.feature_names_in_.tolist() == ["length", "kind"]
    new = pd.DataFrame({"length": [1.0, 2.0], "kind": ["long", "round"]}, index=[7, 9])
    found = made.transform(new)
    assert found.columns.tolist() == made.get_feature_names_out().tolist() and found.index.tolist() == [7, 9]
    assert np.isfinite(found.loc[7]).all() and found.loc[9].isna().all()  # no row of the table is round
    drawn = DiffusionDensity(options=SMALL, random_state=0).fit(frame).sample(5)
    assert isinstance(drawn, pd.DataFrame) and drawn.columns.tolist() == ["length", "kind"] and len(drawn) == 5


def test_outliers_have_p_values_and_usual_rows_are_seldom_flagged() -> None:
    made = DiffusionOutlierDetector(contamination=0.1, held_out=0.4, options=SMALL, random_state=0).fit(ROWS)
    far = np.array([[6.0, 0.0, -6.0]])
    assert made.predict(far)[0] == -1 and made.p_values(far)[0] < 0.05
    flagged = made.predict(RNG.standard_normal((300, 3)) + 6.0 * RNG.integers(0, 2, 300)[:, None]) == -1
    assert flagged.mean() < 0.25
    np.testing.assert_array_equal(made.decision_function(far), made.score_samples(far) - made.offset_)


def test_classes_are_told_and_learned() -> None:
    names = np.where(KIND, "upper", "lower")
    longer = {**SMALL, "training.updates": 400, "training.validate_every": 400}
    made = DiffusionClassifier(options=longer, random_state=0).fit(ROWS, names)
    assert made.score(ROWS, names) > 0.97 and made.classes_.tolist() == ["lower", "upper"]
    np.testing.assert_allclose(made.predict_proba(ROWS).sum(axis=1), 1.0)
    grouped = DiffusionClusterer(2, options=longer, random_state=0).fit(ROWS)
    agreed = np.mean(grouped.labels_ == KIND)
    assert max(agreed, 1.0 - agreed) > 0.97
    np.testing.assert_array_equal(grouped.predict(ROWS[5:9]), grouped.labels_[5:9])


def test_missing_cells_are_filled_whatever_the_order_of_rows() -> None:
    holes = RNG.uniform(size=ROWS.shape) < 0.2
    holes[:, 0] &= ~holes[:, 1:].all(axis=1)
    rows = np.where(holes, np.nan, ROWS)
    made = DiffusionImputer(particles=32, options=SMALL, random_state=0).fit(rows)
    filled = made.transform(rows)
    np.testing.assert_array_equal(filled[~holes], ROWS[~holes])
    assert np.isfinite(filled).all()
    # other numbers of a row tell its kind, so that the error is that within a kind, not between kinds
    assert np.abs(filled - ROWS)[holes].mean() < 1.3
    order = RNG.permutation(len(rows))
    np.testing.assert_allclose(made.transform(rows[order]), filled[order], rtol=1e-6)
    np.testing.assert_allclose(made.transform(rows[:20]), filled[:20], atol=1e-4)  # in blocks of another width
    drawn = made.set_params(draw=True).transform(rows)[holes]
    assert (drawn != filled[holes]).mean() > 0.9 and np.abs(drawn - ROWS[holes]).mean() < 2.0
    frame = pd.DataFrame({"length": rows[:, 0], "kind": np.where(KIND, "long", "short")})
    found = DiffusionImputer(particles=32, options=SMALL, random_state=0).fit(frame).transform(frame)
    assert isinstance(found, pd.DataFrame) and found["length"].notna().all() and found["kind"].equals(frame["kind"])


TINY = {**SMALL, "model.width": 4, "trajectory.steps": 4, "training.updates": 5, "training.validate_every": 5}
# names of checks that cannot pass, and why
EXPECTED: dict[str, str] = {}


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_takes_it_for_its_own() -> None:
    results = check_estimator(
        DiffusionTransformer(options=TINY, repeats=2), expected_failed_checks=EXPECTED, on_skip=None, on_fail=None
    )
    assert {each["check_name"]: str(each["exception"]) for each in results if each["status"] == "failed"} == {}


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_fitted_or_not_finite_or_has_no_class_is_refused() -> None:
    for estimator in (DiffusionDensity(), DiffusionOutlierDetector(), DiffusionClusterer(), DiffusionClassifier()):
        method = "score_samples" if hasattr(estimator, "score_samples") else "predict"
        with pytest.raises(NotFittedError):
            getattr(estimator, method)(ROWS)
        with pytest.raises(ValueError, match="NaN"):
            estimator.fit(np.where(ROWS > 0, ROWS, np.nan), KIND)
        with pytest.raises(ValueError, match="minimum of 2 is required"):
            estimator.fit(ROWS[:1], KIND[:1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        DiffusionClassifier().fit(ROWS, None)
    with pytest.raises(ValueError, match="at least two classes, got one class, 1"):
        DiffusionClassifier().fit(ROWS, np.ones(200, int))
    with pytest.raises(ValueError, match="contamination: expected a rate above 0 and up to"):
        DiffusionOutlierDetector(contamination=0.7).fit(ROWS)
