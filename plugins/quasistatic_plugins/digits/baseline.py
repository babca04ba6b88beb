"""Simple models of images, to read a bound against: independent pixels, and mixtures of them."""

from __future__ import annotations

import numpy as np

EXTRA = 0.2  # images by which every state of a pixel counts more than it was seen


def mixture(train: np.ndarray, test: np.ndarray, states: int, components: int = 1, rounds: int = 50, seed: int = 0) -> np.ndarray:
    """Log-likelihood in nats of each of `test` (M, pixels) under a mixture of independent pixels.

    Figures are states 0 .. states - 1. The mixture is fitted to `train` (N, pixels) by `rounds` of expectation and
    maximisation; with one component that is exact.
    """
    seen, unseen = _one_hot(train, states), _one_hot(test, states)
    shares = np.random.RandomState(seed).dirichlet(np.ones(components), size=len(train))
    for _ in range(rounds if components > 1 else 1):
        counts = shares.T @ seen + EXTRA
        totals = counts.reshape(components, -1, states).sum(axis=-1)
        log_pixels = np.log(counts / np.repeat(totals, states, axis=1))
        log_weights = np.log((shares.sum(axis=0) + 1.0) / (len(train) + components))
        joint = seen @ log_pixels.T + log_weights
        shares = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    return np.logaddexp.reduce(unseen @ log_pixels.T + log_weights, axis=1)


def _one_hot(images: np.ndarray, states: int) -> np.ndarray:
    return np.eye(states)[images].reshape(len(images), -1)
