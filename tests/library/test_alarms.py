"""From scores to alarms: rates, lists and certificates hold for any continuous distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from quasistatic._runs import alarms

COUNT, DRAWS = 199, 2_000
RNG = np.random.default_rng(0)
KNOWN = RNG.standard_cauchy((DRAWS, COUNT))
NEW = RNG.standard_cauchy((DRAWS, 50))


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_usual_events_are_flagged_at_the_rate(rate: float) -> None:
    found = np.array([alarms.p_values(known, new[:1])[0] for known, new in zip(KNOWN, NEW, strict=True)])
    flagged = int((found <= rate).sum())  # with one new event for each held-out set they are independent
    assert binom.ppf(1e-5, DRAWS, rate) <= flagged <= binom.ppf(1 - 1e-5, DRAWS, rate)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_threshold_and_p_value_flag_the_same(rate: float) -> None:
    for known, new in zip(KNOWN[:50].round(1), NEW[:50].round(1), strict=True):  # with ties
        np.testing.assert_array_equal(new > alarms.certificate(known, rate).threshold, alarms.p_values(known, new) <= rate)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_certificate_holds_as_often_as_it_says(rate: float) -> None:
    # of uniform scores the true rate above a threshold is known
    found = [alarms.certificate(known, rate) for known in RNG.random((DRAWS, COUNT))]
    holds = sum(1.0 - each.threshold <= each.at_most for each in found)
    assert binom.ppf(1e-5, DRAWS, 0.95) <= holds <= binom.ppf(1 - 1e-5, DRAWS, 0.95)
    assert np.mean([1.0 - each.threshold for each in found]) == pytest.approx(found[0].mean, rel=0.1)


def test_too_few_held_out_events_flag_nothing() -> None:
    found = alarms.certificate(KNOWN[0, :98], 0.01)
    assert found.threshold == np.inf and found.at_most == 0.0
    assert np.isfinite(alarms.certificate(KNOWN[0, :99], 0.01).threshold)


def test_list_holds_few_usual_events() -> None:
    false, right = [], []
    for known, new in zip(KNOWN[:1000], NEW[:1000], strict=True):
        scores = np.append(new[:40], 1e6 + np.arange(10))
        chosen = alarms.discoveries(alarms.p_values(known, scores), 0.1)
        false.append(chosen[:40].sum() / max(chosen.sum(), 1))
        right.append(chosen[40:].mean())
    assert np.mean(false) <= 0.1 + 4.0 * np.std(false) / 1000**0.5
    assert np.mean(right) > 0.9


def test_list_is_that_of_benjamini_and_hochberg() -> None:
    # their own example of fifteen p-values, of which the first four pass at 0.05
    given = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    np.testing.assert_array_equal(alarms.discoveries(np.array(given), 0.05), np.arange(15) < 4)
    assert not alarms.discoveries(np.ones(3), 0.1).any() and not len(alarms.discoveries(np.zeros(0), 0.1))
