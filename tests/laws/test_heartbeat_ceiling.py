"""The heartbeat's ceiling against published values, and against all states on short sequences. Bits."""

from __future__ import annotations

import math

import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic.thermodynamics.steps import reallocate
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.heartbeat.ceiling import (
    best_absorbing_bound,
    best_factorised_bound,
    best_factorised_terms,
    best_samples,
    phase_information,
)

# length 20, period 5, erasure: T, then K with all steps learned and with the paper's first step
FAIR = [
    (1, -14.438562, -20.0),
    (2, -7.371727, None),
    (5, -3.588601, -12.739479),
    (10, None, -8.5834),
    (20, -2.580619, -5.952878),
    (100, None, -3.2798),
    (200, -2.346581, -2.850818),
    (2000, -2.324382, -2.391423),
]
BIASED = [
    (1, -14.438562, -14.438562),
    (2, -6.854910, None),
    (5, -3.552913, -9.815646),
    (10, None, -6.7305),
    (20, -2.581335, -4.842575),
    (50, None, -3.4980),
    (200, -2.346737, -2.679750),
    (500, None, -2.4820),
    (2000, -2.324398, -2.368335),
]


def erasure(steps: int) -> np.ndarray:
    return 1.0 - np.arange(1, steps + 1) / steps


@pytest.mark.parametrize(("rate", "table"), [(0.5, FAIR), (0.2, BIASED)])
def test_table(rate: float, table: list[tuple[int, float | None, float | None]]) -> None:
    for steps, learned, paper in table:
        for first_step, value in (("learned", learned), ("paper", paper)):
            if value is not None:
                found = best_factorised_bound(5, 20, rate, erasure(steps), first_step) / math.log(2)  # type: ignore[arg-type]
                assert found == pytest.approx(value, abs=0.6e-4 if round(value, 4) == value else 0.6e-6)


def heartbeats(period: int, length: int) -> np.ndarray:
    return (np.arange(length) % period == np.arange(period)[:, None]).astype(float)


# period, length, rate, T: K with the paper's first step, exact log-likelihood of the same chain
SMALL = [
    (2, 4, 0.5, 3, -3.721759, -3.424722),
    (2, 4, 0.5, 4, -3.384337, -2.860492),
    (3, 6, 0.2, 5, -4.455701, -3.458091),
]


@pytest.mark.parametrize(("period", "length", "rate", "steps", "bound", "likelihood"), SMALL)
def test_all_states(x64: None, period: int, length: int, rate: float, steps: int, bound: float, likelihood: float) -> None:
    xs = heartbeats(period, length)
    kernel = BinomialKernel(BinomialOptions(base_rate=rate), qs.Binary((length,)))
    diffusion = qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs), steps, "paper")
    exact = oracles.exact_ledger(diffusion, xs).bound
    assert exact / math.log(2) == pytest.approx(bound, abs=1e-6)
    assert oracles.log_likelihood(diffusion, xs).mean() / math.log(2) == pytest.approx(likelihood, abs=1e-6)
    assert best_factorised_bound(period, length, rate, erasure(steps), "paper") == pytest.approx(exact, abs=1e-10)


def test_larger_system() -> None:
    """1,024 states: too many for the test above, not for the counts."""
    assert best_factorised_bound(5, 10, 0.2, erasure(8), "paper") / math.log(2) == pytest.approx(-4.957853, abs=0.6e-6)


@pytest.mark.parametrize(("period", "length"), [(3, 5), (4, 3)])
def test_uneven_classes(x64: None, period: int, length: int) -> None:
    """Phases with more or fewer pulses, or none; a chain that ends before all is lost."""
    xs, times = heartbeats(period, length), np.array([0.1, 0.4, 0.9])
    kernel = BinomialKernel(BinomialOptions(base_rate=0.3), qs.Binary((length,)))
    diffusion = qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs))
    exact = oracles.exact_ledger(diffusion, xs, times=times).bound
    assert best_factorised_bound(period, length, 0.3, 1.0 - times) == pytest.approx(exact, abs=1e-10)


# length 20, period 5, a fair coin, erasure: T, share of samples that are no heartbeat, log2 p of one; that share with the paper's
# first step
SAMPLES = [
    (5, 0.155865, -2.566383, 0.9898),
    pytest.param(20, 0.002628, -2.325724, 0.6471, marks=pytest.mark.slow),
    pytest.param(200, 0.0, -2.321929, 0.0955, marks=pytest.mark.slow),
    pytest.param(2000, 0.0, -2.321928, 0.00995, marks=pytest.mark.benchmark),
]


@pytest.mark.parametrize(("steps", "none", "log2_p", "paper"), SAMPLES)
def test_samples(steps: int, none: float, log2_p: float, paper: float) -> None:
    log_p, wrong = best_samples(5, 20, 0.5, erasure(steps))
    assert (wrong, log_p / math.log(2)) == pytest.approx((none, log2_p), abs=1e-6)
    assert best_samples(5, 20, 0.5, erasure(steps), "paper")[1] == pytest.approx(paper, abs=6e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("period", "length", "rate", "steps", "bound", "likelihood"), SMALL)
def test_samples_of_all_states(
    x64: None, period: int, length: int, rate: float, steps: int, bound: float, likelihood: float
) -> None:
    assert best_samples(period, length, rate, erasure(steps), "paper")[0] / math.log(2) == pytest.approx(likelihood, abs=1e-6)
    xs, times = heartbeats(period, length), np.array([0.3, 0.6, 1.0])
    kernel = BinomialKernel(BinomialOptions(base_rate=rate), qs.Binary((length,)))
    exact = oracles.log_likelihood(qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs)), xs, times)
    assert best_samples(period, length, rate, 1.0 - times)[0] == pytest.approx(exact.mean(), abs=1e-10)
    known = phase_information(period, length, rate, 1.0 - times)
    np.testing.assert_allclose(known, oracles.information(kernel, xs, None, times), rtol=0, atol=1e-10)


def test_information_about_the_phase() -> None:
    survival = np.array([0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
    found = phase_information(5, 20, 0.5, survival) / math.log(2)
    np.testing.assert_allclose(found, [2.3200, 2.1891, 1.6254, 1.1939, 0.7429, 0.3527, 0.0913, 0.0230], rtol=0, atol=6e-5)
    half = phase_information(5, 20, 0.5, [0.3928])[0]
    assert half == pytest.approx(0.5 * math.log(5), abs=1e-3)


ABSORBING = [(1, -14.438562), (2, -7.337222), (5, -3.986427), (20, -2.696773), (200, -2.358163), (2000, -2.325539)]


def test_masked_bits(x64: None) -> None:
    for steps, value in ABSORBING:
        assert best_absorbing_bound(5, 20, erasure(steps)) / math.log(2) == pytest.approx(value, abs=6e-7)
    kernel = qs.make("kernel", "absorbing", qs.Categorical((4,), 2))
    xs, times = heartbeats(2, 4).astype(int), np.array([0.3, 0.6, 1.0])
    exact = oracles.exact_ledger(qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs)), xs, times=times).bound
    survival = [float(np.exp(kernel.marginal(xs[0], t).log_prob(xs[0])) ** 0.25) for t in times]
    assert best_absorbing_bound(2, 4, survival) == pytest.approx(exact, abs=1e-9)
    with pytest.raises(ValueError, match="multiple of the period"):
        best_absorbing_bound(3, 4, [0.0])


def dissipated(knots: np.ndarray) -> np.ndarray:
    """What each step loses: its term, less the information about the phase that it restores."""
    survival = np.maximum(1.0 - knots[1:], 1e-15)
    known = np.array([math.log(5), *phase_information(5, 20, 0.5, survival)])
    return best_factorised_terms(5, 20, 0.5, survival)[:-1] + np.diff(known)


def test_length_of_the_path() -> None:
    """Where the loss of even steps is, the length that it has for many, and a grid re-allocated by it."""
    coarse, fine = (np.arange(steps + 1) / steps for steps in (100, 200))
    few, many = dissipated(coarse), dissipated(fine)
    assert many.sum() / math.log(2) == pytest.approx(0.024653, abs=1e-6)
    assert fine[np.argmax(many)] == pytest.approx(0.44, abs=0.006)
    # what depends on T falls with it
    assert 2 * 200 * many.sum() - 100 * few.sum() == pytest.approx(3.39994, rel=1e-3)
    assert 2 * np.sqrt(many).sum() - np.sqrt(few).sum() == pytest.approx(1.64558, rel=1e-3)
    moved = reallocate(fine, many, mix=1.0)
    assert dissipated(moved).sum() / math.log(2) == pytest.approx(0.019932, rel=5e-3)
