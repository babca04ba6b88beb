"""The swiss roll's ceiling against published Monte Carlo values, in bits, and against its own density."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from quasistatic.thermodynamics.steps import Variance
from quasistatic_plugins.swiss_roll import SwissRollOptions
from quasistatic_plugins.swiss_roll.limit import _covariances, best_gaussian_bound
from quasistatic_plugins.swiss_roll.source import SwissRoll


def erasure(steps: int) -> np.ndarray:
    left = 1.0 - np.arange(1, steps + 1) / steps
    with np.errstate(divide="ignore"):
        return np.log(left) - np.log1p(-left)


def even(first: float, last: float, steps: int) -> np.ndarray:
    return np.linspace(math.log(first), math.log(last), steps)


# noise 0.3, K by what the variance of a step knows: each coordinate's in every state, their covariance, nothing, nothing but x;
# and with the paper's first step; their Monte Carlo error is 0.02
VARIANCES: tuple[Variance, ...] = ("diagonal", "full", "isotropic", "posterior")
LOW_NOISE = [
    (erasure(10), (-3.1355, -2.7405, -3.5542, -4.1913), -3.8611),
    (even(500, 0.01, 10), (-1.7781, -1.4672, -2.1822, -6.2574), -2.2447),
    pytest.param(erasure(40), (-1.9650, -1.3831, -2.4949, -2.9546), -3.2088, marks=pytest.mark.slow),
    pytest.param(even(500, 0.01, 40), (-1.3601, -1.2354, -1.5269, -2.1311), -1.8270, marks=pytest.mark.slow),
    pytest.param(erasure(200), (-1.4231, -1.2188, -1.6314, -1.9634), -2.1998, marks=pytest.mark.slow),
    pytest.param(even(500, 0.01, 200), (-1.2705, -1.2092, -1.3413, -1.4476), -1.7374, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("log_snr", "learned", "paper"), LOW_NOISE)
def test_low_noise(log_snr: np.ndarray, learned: tuple[float, ...], paper: float) -> None:
    cases: list[tuple[float, Variance, Any]] = [(value, name, "learned") for value, name in zip(learned, VARIANCES, strict=True)]
    for value, variance, first_step in (*cases, (paper, "diagonal", "paper")):
        events = min(1500, 60_000 // len(log_snr))
        found = best_gaussian_bound(0.3, log_snr, events, seed=3, first_step=first_step, variance=variance).to("bits")
        assert abs(found.value - value) < 4 * math.hypot(found.standard_error, 0.02), variance
        # the truth, and less where its error is larger than what is lost
        assert found.value < -1.21023 + 3 * found.standard_error


@pytest.mark.parametrize(("first_noise", "value"), [(1e-3, -2.18), (1e-4, -2.10)])
def test_paper_settings(first_noise: float, value: float) -> None:
    """T = 40, even in log-SNR to a last survival of 1e-3, the paper's first step, noise 0.5; the values are good to 0.05."""
    log_snr = even((1 - first_noise) / first_noise, 1e-3 / (1 - 1e-3), 40)
    found = best_gaussian_bound(0.5, log_snr, 1000, first_step="paper").to("bits")
    assert abs(found.value - value) < 0.05 + 3 * found.standard_error
    assert found.standard_error < 0.03
    assert found == best_gaussian_bound(0.5, log_snr, 1000, first_step="paper").to("bits")


def test_covariance_from_density() -> None:
    """Cov[x given z] from sums over a grid of x under the source's own log-density."""
    source = SwissRoll(SwissRollOptions(noise=0.75))
    z = np.array([[1.2, 0.3], [-0.1, -1.4], [0.2, 0.1]])
    axis = np.linspace(-2.8, 2.8, 121)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    log_p = source.log_prob(x)
    for level in (5.0, 1.0):
        a, variance = math.sqrt(1 / (1 + math.exp(-level))), 1 / (1 + math.exp(level))
        covariances = _covariances(z, level, 0.75 / source.units.scale, source.units.scale)
        weight = np.exp(log_p - 0.5 * ((z[:, None] - a * x) ** 2).sum(axis=-1) / variance)
        weight /= weight.sum(axis=1, keepdims=True)
        for covariance, share in zip(covariances, weight, strict=True):
            away = x - share @ x
            np.testing.assert_allclose(covariance, (share[:, None] * away).T @ away, rtol=1e-4, atol=1e-7)


def test_one_step_is_the_null_model() -> None:
    """A single step fixed as the paper does reverses unit-normal data: K is E log pi(x), for any survival."""
    for level in (-3.0, 2.0):
        found = best_gaussian_bound(0.5, [level], 2000, first_step="paper").to("bits")
        assert abs(found.value + math.log2(2 * math.pi * math.e)) < 5 * found.standard_error
