"""The best K that any network can reach on the heartbeat with a reverse chain of independent bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np


def best_factorised_bound(
    period: int,
    length: int,
    base_rate: float,
    survival: Sequence[float] | np.ndarray,
    first_step: Literal["learned", "paper"] = "learned",
) -> float:
    """The ceiling of K in nats per sequence, exact.

    `survival` (T,) is the share of the signal left at the chain's times, below 1 and falling: 1 - t for erasure. A noisy sequence
    tells of the phase only by its number of ones in each class of positions modulo the period, which leaves
    (length / period + 1)**period states.
    """
    left, coin = np.asarray(survival, float), np.array([1.0 - base_rate, base_rate])
    sizes = np.bincount(np.arange(length) % period, minlength=period)
    ones = np.indices([n + 1 for n in sizes]).reshape(period, -1).T
    binomial = [[math.comb(n, m) for m in range(n + 1)] for n in sizes]
    ways = np.prod([np.take(row, m) for row, m in zip(binomial, ones.T, strict=True)], axis=0)
    shares = np.array([1.0 - 1.0 / period, 1.0 / period])  # of zeros and ones among the data

    # probabilities of a bit at the first time, [data bit, bit]
    now = left[0] * np.eye(2) + (1.0 - left[0]) * coin
    if first_step == "paper":
        lost = -length * shares @ (now * np.log(coin[:, None] * now / (coin @ now))).sum(axis=1)
    else:
        lost = _mixing(ones, sizes, ways, now[:, 1], np.array([[0.0, 0.0], [1.0, 1.0]]))
    for early, late in zip(left[:-1], left[1:], strict=True):
        before, now = now, late * np.eye(2) + (1.0 - late) * coin
        step = (late * np.eye(2) + (early - late) * coin) / early  # [earlier bit, bit]
        lost += _mixing(ones, sizes, ways, now[:, 1], before[:, 1:] * step[1] / now)
    prior = length * shares @ (now * np.log(now / coin)).sum(axis=1)
    return -float(lost + prior)


def _mixing(ones: np.ndarray, sizes: np.ndarray, ways: np.ndarray, up: np.ndarray, back: np.ndarray) -> float:
    """What a step back loses by giving each bit its mean over the phases: the entropy of the mean less the mean entropy.

    `up` [data bit] is the chance of a one after the step, `back` [data bit, bit after it] that of a one before it.
    """
    zeros = sizes - ones
    likelihood = np.exp(ones * math.log(up[1] / up[0]) + zeros * math.log((1.0 - up[1]) / (1.0 - up[0])))
    silent = up[0] ** ones.sum(axis=1) * (1.0 - up[0]) ** zeros.sum(axis=1)
    weight = ways * silent * likelihood.mean(axis=1)
    # classes of one size are alike: one stands for all
    _, typical, alike = np.unique(sizes, return_index=True, return_counts=True)
    phase = likelihood[:, typical] / likelihood.sum(axis=1, keepdims=True)
    lost = 0.0
    for value, count in enumerate((zeros, ones)):
        quiet, pulse = back[:, value]
        mixed = _entropy(phase * pulse + (1.0 - phase) * quiet)
        lost += weight @ (count[:, typical] * (mixed - phase * _entropy(pulse) - (1.0 - phase) * _entropy(quiet))) @ alike
    return lost


def _entropy(p: np.ndarray) -> np.ndarray:
    q = 1.0 - p
    return -p * np.log(np.maximum(p, 1e-300)) - q * np.log(np.maximum(q, 1e-300))
