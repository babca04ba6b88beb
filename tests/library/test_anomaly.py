"""How odd events are beside others, by the ranks of the terms of -K."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import attrs
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.thermodynamics.anomaly import anomaly_scores
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import build
from quasistatic_plugins.gaussian.oracle import GaussianData

SIZE, COUNT = 20, 600
RNG = np.random.default_rng(0)
AXES = np.linalg.qr(RNG.standard_normal((SIZE, SIZE)))[0]
VARIANCES = np.geomspace(0.02, 2.0, SIZE)
DATA = GaussianData(np.zeros(SIZE), AXES * VARIANCES @ AXES.T)


def draws(count: int = COUNT) -> np.ndarray:
    return RNG.standard_normal((count, SIZE)) * np.sqrt(VARIANCES) @ AXES.T


FAMILIES = {
    "less of all": lambda: 0.7 * draws(),
    "more of all": lambda: 1.3 * draws(),
    "heavy tails": lambda: draws() / np.sqrt(RNG.chisquare(3, (COUNT, 1))),
    "noise on top": lambda: draws() + 0.35 * RNG.standard_normal((COUNT, SIZE)),
    "only the widest axes": lambda: draws() @ (AXES * (VARIANCES > 0.3)) @ AXES.T,
    "axes in another order": lambda: (draws() @ AXES)[:, ::-1] @ AXES.T,
}


@pytest.fixture(scope="module")
def measured() -> Callable[[np.ndarray], qs.Ledger]:
    kernel = build(
        GaussianOptions(schedule="log-linear", first_noise=1e-2, last_survival=1e-2, variance="forward"), qs.Real((SIZE,))
    )
    diffusion = qs.Diffusion(kernel, DATA.model(kernel), 12)
    seeds = itertools.count()
    return lambda xs: qs.ledger(diffusion, xs.astype(np.float32), key=jr.key(next(seeds)), repeats=16)


@pytest.fixture(scope="module")
def known(measured: Callable[[np.ndarray], qs.Ledger]) -> qs.Ledger:
    return measured(draws(2000))


@pytest.fixture(scope="module")
def usual(measured: Callable[[np.ndarray], qs.Ledger]) -> qs.Ledger:
    return measured(draws())


def area(odd: np.ndarray, usual: np.ndarray) -> float:
    """Probability that of one of each the first is larger (AUROC)."""
    return float(np.mean(odd[:, None] > usual))


@pytest.mark.parametrize("name", FAMILIES)
def test_six_kinds_are_told_from_the_data(name: str, measured: Callable, known: qs.Ledger, usual: qs.Ledger) -> None:
    found = measured(FAMILIES[name]())
    scores = anomaly_scores(known, found).scores
    assert area(scores, anomaly_scores(known, usual).scores) > 0.7
    if name in ("less of all", "heavy tails", "only the widest axes"):  # K takes them for better than the data
        assert area(-found.per_event, -usual.per_event) < 0.3


def test_p_values_of_the_data_are_even(known: qs.Ledger, usual: qs.Ledger) -> None:
    p_values = anomaly_scores(known, usual).p_values
    for share in (0.05, 0.2, 0.5):
        assert abs(np.mean(p_values <= share) - share) < 4.0 * np.sqrt(share * (1.0 - share) * (1 / COUNT + 1 / 2000))
    assert p_values.min() >= 1 / 2001 and p_values.max() <= 1.0


@pytest.mark.parametrize(("count", "terms"), [(50, 5), (100, 13), (200, 13)])
def test_few_known_events_make_no_false_alarms(count: int, terms: int) -> None:
    """Whatever the terms are, a share p at most of events like the known ones has a p-value of p or less: 40 sets of them."""

    def ledger(events: int) -> qs.Ledger:
        return qs.Ledger(np.linspace(0.1, 1.0, terms - 1), {"": rng.standard_normal((events, terms))}, 1, {"dim": 1})

    rng = np.random.default_rng(count)
    alarms = np.array([[np.mean(p <= level) for level in (0.02, 0.05, 0.2)] for p in (
        anomaly_scores(ledger(count), ledger(500)).p_values for _ in range(40)
    )])  # fmt: skip
    error = alarms.std(axis=0, ddof=1) / np.sqrt(len(alarms))
    assert np.all(alarms.mean(axis=0) < np.array([0.02, 0.05, 0.2]) + 4.0 * error)
    assert alarms.mean(axis=0)[2] > 0.1  # and not for want of any alarm


def test_a_score_is_of_one_event_and_the_order_of_the_known_does_not_count(known: qs.Ledger, usual: qs.Ledger) -> None:
    whole = anomaly_scores(known, usual)
    turned = attrs.evolve(known, by_part={name: terms[::-1] for name, terms in known.by_part.items()})
    few = attrs.evolve(usual, by_part={name: terms[:7] for name, terms in usual.by_part.items()})
    found = anomaly_scores(turned, few)
    np.testing.assert_array_equal(found.scores, whole.scores[:7])
    np.testing.assert_array_equal(found.p_values, whole.p_values[:7])


def test_a_term_that_is_always_zero_says_nothing() -> None:
    """A kernel that cannot end but in its equilibrium has such a term."""
    terms = np.stack([np.arange(9.0), np.zeros(9)], axis=1)
    ledger = qs.Ledger(np.array([1.0]), {"": terms}, 1, {"dim": 1})
    scores = anomaly_scores(ledger, ledger).scores
    np.testing.assert_allclose(scores, -np.log(2.0 * np.minimum(np.arange(1, 10), np.arange(9, 0, -1)) / 10.0), rtol=1e-12)


def test_other_times_and_a_single_known_event_are_refused(known: qs.Ledger) -> None:
    with pytest.raises(ValueError, match="the same times"):
        anomaly_scores(known, attrs.evolve(known, times=known.times**2))
    one = attrs.evolve(known, by_part={name: terms[:1] for name, terms in known.by_part.items()})
    with pytest.raises(ValueError, match="at least two known events, got 1"):
        anomaly_scores(one, known)
