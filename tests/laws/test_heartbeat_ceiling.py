"""The heartbeat's ceiling against published values, and against all states on short sequences. Bits."""

from __future__ import annotations

import math

import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.heartbeat.ceiling import best_factorised_bound

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
