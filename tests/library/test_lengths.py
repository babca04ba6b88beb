"""Lengths in the four metrics, and variances that are fitted, against closed forms for normal data. Nats."""

from __future__ import annotations

import math

import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic.thermodynamics.order import log_snr
from quasistatic.thermodynamics.steps import evenly, lengths, with_fitted_variances
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import build
from quasistatic_plugins.gaussian.oracle import GaussianData

pytestmark = pytest.mark.usefixtures("x64")

FIRST, LAST = 39.404040, 0.010101
LINE = GaussianData([1.0], [[0.25]])
PLANE = GaussianData([1.0, -0.5], [[1.0, 0.8], [0.8, 1.0]])


def exact(data: GaussianData, variance: str) -> qs.Diffusion:
    ends = {"first_noise": 1.0 / (1.0 + FIRST), "last_survival": LAST / (1.0 + LAST)}
    kernel = build(GaussianOptions(schedule="log-linear", variance=variance, **ends), qs.Real((data.size,)))  # type: ignore[arg-type]
    return qs.Diffusion(kernel, data.model(kernel), 10)  # type: ignore[arg-type]


def draws(data: GaussianData, count: int) -> np.ndarray:
    return np.random.default_rng(0).multivariate_normal(data.mean, data.covariance, count)


@pytest.mark.slow
def test_lengths_of_normal_data() -> None:
    """`bound` of one number has no noise; the squares of the others' speeds are means over 2000 events."""
    times = np.linspace(0.0, 1.0, 101)
    levels = math.log(FIRST) + (math.log(LAST) - math.log(FIRST)) * times
    for data, bound in ((LINE, 1.190868), (PLANE, 2.440976)):
        found = lengths(exact(data, "forward"), draws(data, 2000), key=jr.key(0), times=times)
        snr, spectrum = np.exp(levels)[:, None], np.linalg.eigvalsh(data.covariance)
        assert found.bound[-1] == pytest.approx(bound, rel=2e-3)
        left = spectrum / (1.0 + snr * spectrum)
        constant = 0.5 * np.sqrt((left**2).sum(axis=1) - left.sum(axis=1) ** 2 / data.size) * snr[:, 0]
        kept = (snr / (1.0 + snr))[:, 0]
        mean, variance = np.sqrt(kept)[:, None] * data.mean, kept[:, None] * spectrum + 1.0 - kept[:, None]
        to_axes = np.linalg.eigh(data.covariance)[1]
        move, widen = np.gradient(mean @ to_axes, times, axis=0), np.gradient(variance, times, axis=0)
        fisher = np.sqrt((move**2 / variance + 0.5 * (widen / variance) ** 2).sum(axis=1))
        transport = np.sqrt((move**2 + (0.5 * widen) ** 2 / variance).sum(axis=1))
        for name, length in (
            ("fitted", np.trapezoid(constant, -levels)),
            ("fisher", np.trapezoid(fisher, times)),
            ("transport", np.trapezoid(transport, times)),
        ):
            assert getattr(found, name)[-1] == pytest.approx(length, rel=0.02, abs=2e-3), name
            assert np.all(np.diff(getattr(found, name)) >= 0.0)


def test_even_lengths_are_the_best_grid() -> None:
    """One number: even in `bound` is even in information, and is the optimum, 0.153779 for ten steps."""
    times = np.linspace(0.0, 1.0, 401)
    diffusion = exact(LINE, "posterior")
    found = lengths(exact(LINE, "forward"), draws(LINE, 50), key=jr.key(1), times=times)
    chain = evenly(times, found.bound, 11)
    known = LINE.information(log_snr(diffusion.kernel, chain))
    np.testing.assert_allclose(np.diff(known), np.diff(known).mean(), rtol=5e-3)
    gap = oracles.exact_ledger(diffusion, *LINE.nodes(), chain).gaps.sum() - (known[0] - known[-1])
    assert gap == pytest.approx(0.153779, abs=1e-4)


@pytest.mark.slow
def test_fitted_variances_are_the_best_constant_ones() -> None:
    """Of the plane: those of the exact reversal's diagonal; K is that of a network which has learned them."""
    plane, drawn = exact(PLANE, "forward"), draws(PLANE, 20_500)
    xs, others = drawn[:20_000], drawn[20_000:]
    bounds = [
        oracles.exact_ledger(each, *PLANE.nodes()).bound for each in (exact(PLANE, "learned"), plane, exact(PLANE, "posterior"))
    ]
    fitted = with_fitted_variances(plane, xs, key=jr.key(2))
    found = oracles.exact_ledger(fitted, *PLANE.nodes()).bound
    assert found == pytest.approx(bounds[0], abs=1e-3)
    assert found > max(bounds[1:]) + 0.01
    # events that the fit has not seen
    assert qs.ledger(fitted, others, key=jr.key(3)).bound.value < -PLANE.entropy() + 0.2
    with pytest.raises(ValueError, match="first step that is learned"):
        with_fitted_variances(qs.Diffusion(plane.kernel, plane.model, 3, "paper"), xs, key=jr.key(0))
    bits = qs.make("kernel", "binomial", qs.Binary((2,)))
    with pytest.raises(TypeError, match="expected Gaussian noise"):
        model = qs.make("model", "dense", qs.Ports.of(bits), key=jr.key(0))
        with_fitted_variances(qs.Diffusion(bits, model, 3), np.zeros((4, 2)), key=jr.key(0))
