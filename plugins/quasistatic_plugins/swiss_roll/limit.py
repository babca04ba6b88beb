"""The best K that a Gaussian reverse chain can reach on the swiss roll."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.steps import Variance, step_cost
from quasistatic_plugins.swiss_roll import SwissRollOptions
from quasistatic_plugins.swiss_roll.source import CHUNK, END, MEAN, START, SwissRoll, _quadrature


def best_gaussian_bound(
    noise: float,
    log_snr: Sequence[float] | np.ndarray,
    events: int = 2000,
    seed: int = 0,
    first_step: Literal["learned", "paper"] = "learned",
    variance: Variance = "diagonal",
) -> qs.Estimate:
    """The ceiling of K in nats per point, in the source's units, for a Gaussian chain with these log-SNRs (T,), falling.

    Every step has the true mean of the data given z_t, and a `variance` that knows as much of their true covariance as
    `step_cost` says, by quadrature along the roll for each of `events` random points and their noise; the step to
    data has what corresponds to it, and for 'posterior' what it has for 'isotropic'. `noise` is the source's option.
    """
    rng = np.random.default_rng(seed)
    levels = np.asarray(log_snr, float)
    scale = float(SwissRoll(SwissRollOptions(noise=noise)).units.scale)
    theta = START + (END - START) * rng.random(events)
    curve = theta[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1)
    x = (curve + noise * rng.standard_normal((events, 2)) - MEAN) / scale
    signal, added = 1.0 / (1.0 + np.exp(-levels)), 1.0 / (1.0 + np.exp(levels))

    power = signal[-1] * x**2 + added[-1]
    terms = [0.5 * (power - 1.0 - math.log(added[-1])).sum(axis=1)]
    for k, level in enumerate(levels):
        if k == 0 and first_step == "paper":
            distance = added[0] * x**2 + signal[0]
            terms.append(0.5 * (distance + math.log(2.0 * math.pi * added[0])).sum(axis=1))
            continue
        z = np.sqrt(signal[k]) * x + np.sqrt(added[k]) * rng.standard_normal(x.shape)
        left = _covariances(z, level, noise / scale, scale)
        if k == 0:
            terms.append(_first(left, "isotropic" if variance == "posterior" else variance))
        else:
            terms.append(step_cost(math.exp(levels[k - 1]) - math.exp(level), left, variance))
    bound = -np.sum(terms, axis=0)
    return qs.Estimate(float(bound.mean()), float(bound.std(ddof=1) / math.sqrt(events)), "nats", events=events, units={"dim": 2})


def _first(left: np.ndarray, variance: Variance) -> np.ndarray:
    """The entropy of the step to data: what a step of `rise` costs, less ln(rise) for each element, as that goes to infinity."""
    rise = 1e12
    return step_cost(rise, left, variance) - math.log(rise / (2.0 * math.pi * math.e))


def _covariances(z: np.ndarray, level: float, noise: float, scale: float) -> np.ndarray:
    """Cov[x given z_t] (N, 2, 2), for z_t (N, 2) at a log-SNR; everything but the quadrature in scaled units."""
    a = 1.0 / math.sqrt(1.0 + math.exp(-level))
    variance = 1.0 / (1.0 + math.exp(level))
    across = a**2 * noise**2 + variance  # of z_t around a * curve
    nodes, log_weights = _quadrature(scale * math.sqrt(noise**2 + math.exp(-level)))
    nodes = (nodes - MEAN) / scale
    size = max(1, CHUNK // len(nodes))
    parts = []
    for start in range(0, len(z), size):
        exponent = z[start : start + size] @ (a * nodes.T / across) + (log_weights - 0.5 * a**2 * (nodes**2).sum(axis=1) / across)
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        mean, squares = weight @ nodes, weight @ (nodes[:, :, None] * nodes[:, None]).reshape(-1, 4)
        parts.append(squares.reshape(-1, 2, 2) - mean[:, :, None] * mean[:, None])
    # given a node, x is normal: what z_t leaves of the noise, and a mean that follows the node by variance / across
    return noise**2 * variance / across * np.eye(2) + (variance / across) ** 2 * np.concatenate(parts)
