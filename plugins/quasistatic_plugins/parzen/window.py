"""Parzen windows, by the protocol of the code of Goodfellow et al. 2014 (goodfeli/adversarial, parzen_ll.py)."""

from __future__ import annotations

import math

import attrs
import numpy as np

BANDWIDTHS = np.logspace(-1.0, 0.0, 10)
CHOOSING = 1_000  # validation pictures on which the bandwidth is chosen
CELLS = 2**23  # distances at a time


@attrs.frozen
class Parzen:
    """Mean log-likelihood of test pictures in nats, pixels from 0 to 1, with its standard error std / sqrt(n)."""

    nats: float
    standard_error: float
    bandwidth: float
    samples: int
    events: int


def parzen(samples: np.ndarray, validation: np.ndarray, test: np.ndarray) -> Parzen:
    """A normal density of one deviation around each of `samples` (N, size); that deviation is best for `validation`."""
    chosen = max(BANDWIDTHS, key=lambda width: log_density(samples, validation[:CHOOSING], width).mean())
    found = log_density(samples, test, chosen)
    return Parzen(float(found.mean()), float(found.std() / math.sqrt(len(found))), float(chosen), len(samples), len(test))


def log_density(samples: np.ndarray, xs: np.ndarray, width: float) -> np.ndarray:
    """Log of the mean of normal densities around `samples` (N, size), of each of `xs` (M, size), in nats."""
    norms, found = (samples**2).sum(axis=1), []
    rows = max(1, CELLS // len(samples))
    for start in range(0, len(xs), rows):
        part = xs[start : start + rows]
        exponents = -0.5 * ((part**2).sum(axis=1)[:, None] + norms - 2.0 * part @ samples.T) / width**2
        top = exponents.max(axis=1)
        found.append(top + np.log(np.exp(exponents - top[:, None]).mean(axis=1)))
    return np.concatenate(found) - samples.shape[1] * math.log(width * math.sqrt(2.0 * math.pi))
