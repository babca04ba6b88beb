"""The swiss roll's ceiling against published Monte Carlo values, in bits, and against its own density."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quasistatic_plugins.swiss_roll import SwissRollOptions
from quasistatic_plugins.swiss_roll.limit import _spread, best_diagonal_bound
from quasistatic_plugins.swiss_roll.source import SwissRoll


def erasure(steps: int) -> np.ndarray:
    left = 1.0 - np.arange(1, steps + 1) / steps
    with np.errstate(divide="ignore"):
        return np.log(left) - np.log1p(-left)


def even(first: float, last: float, steps: int) -> np.ndarray:
    return np.linspace(math.log(first), math.log(last), steps)


# noise 0.3: K of the best diagonal chain, learned first step and the paper's; their Monte Carlo error is 0.02
LOW_NOISE = [
    (erasure(10), -3.1355, -3.8611),
    (even(500, 0.01, 10), -1.7781, -2.2447),
    (erasure(40), -1.9650, -3.2088),
    (even(500, 0.01, 40), -1.3601, -1.8270),
]


@pytest.mark.parametrize(("log_snr", "learned", "paper"), LOW_NOISE)
def test_low_noise(log_snr: np.ndarray, learned: float, paper: float) -> None:
    for first_step, value in (("learned", learned), ("paper", paper)):
        found = best_diagonal_bound(0.3, log_snr, 1500, seed=3, first_step=first_step).to("bits")  # type: ignore[arg-type]
        assert abs(found.value - value) < 4 * math.hypot(found.standard_error, 0.02)
        assert found.value < -1.21023  # the truth


@pytest.mark.parametrize(("first_noise", "value"), [(1e-3, -2.18), (1e-4, -2.10)])
def test_paper_settings(first_noise: float, value: float) -> None:
    """T = 40, even in log-SNR to a last survival of 1e-3, the paper's first step, noise 0.5; the values are good to 0.05."""
    log_snr = even((1 - first_noise) / first_noise, 1e-3 / (1 - 1e-3), 40)
    found = best_diagonal_bound(0.5, log_snr, 1000, first_step="paper").to("bits")
    assert abs(found.value - value) < 0.05 + 3 * found.standard_error
    assert found.standard_error < 0.03
    assert found == best_diagonal_bound(0.5, log_snr, 1000, first_step="paper").to("bits")


def test_spread_from_density() -> None:
    """Var[x given z] from sums over a grid of x under the source's own log-density."""
    source = SwissRoll(SwissRollOptions(noise=0.75))
    z = np.array([[1.2, 0.3], [-0.1, -1.4], [0.2, 0.1]])
    axis = np.linspace(-2.8, 2.8, 121)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    log_p = source.log_prob(x)
    for level in (5.0, 1.0):
        a, variance = math.sqrt(1 / (1 + math.exp(-level))), 1 / (1 + math.exp(level))
        found = _spread(z, level, 0.75 / source.units.scale, source.units.scale)
        weight = np.exp(log_p - 0.5 * ((z[:, None] - a * x) ** 2).sum(axis=-1) / variance)
        weight /= weight.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, weight @ x**2 - (weight @ x) ** 2, rtol=1e-4)


def test_one_step_is_the_null_model() -> None:
    """A single step fixed as the paper does reverses unit-normal data: K is E log pi(x), for any survival."""
    for level in (-3.0, 2.0):
        found = best_diagonal_bound(0.5, [level], 2000, first_step="paper").to("bits")
        assert abs(found.value + math.log2(2 * math.pi * math.e)) < 5 * found.standard_error
