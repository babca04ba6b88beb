"""What the best network reaches on the heartbeat with a reverse chain of independent bits: K, and samples."""

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
    """The ceiling of K in nats per sequence, exact; arguments as for its terms."""
    return -float(sum(best_factorised_terms(period, length, base_rate, survival, first_step)))


def best_factorised_terms(
    period: int,
    length: int,
    base_rate: float,
    survival: Sequence[float] | np.ndarray,
    first_step: Literal["learned", "paper"] = "learned",
) -> np.ndarray:
    """The T + 1 terms of minus that ceiling in nats: the first step, the T - 1 steps, what is left at the end; (T + 1,).

    `survival` (T,) is the share of the signal left at the chain's times, below 1 and falling: 1 - t for erasure. A noisy sequence
    tells of the phase only by its number of ones in each class of positions modulo the period, which leaves
    (length / period + 1)**period states.
    """
    left, coin = np.asarray(survival, float), np.array([1.0 - base_rate, base_rate])
    sizes, ones, ways = _counts(period, length)
    shares = np.array([1.0 - 1.0 / period, 1.0 / period])  # of zeros and ones among the data

    # probabilities of a bit at the first time, [data bit, bit]
    now = left[0] * np.eye(2) + (1.0 - left[0]) * coin
    if first_step == "paper":
        terms = [-length * shares @ (now * np.log(coin[:, None] * now / (coin @ now))).sum(axis=1)]
    else:
        terms = [_mixing(ones, sizes, ways, now[:, 1], np.array([[0.0, 0.0], [1.0, 1.0]]))]
    for early, late in zip(left[:-1], left[1:], strict=True):
        before, now = now, late * np.eye(2) + (1.0 - late) * coin
        step = (late * np.eye(2) + (early - late) * coin) / early  # [earlier bit, bit]
        terms.append(_mixing(ones, sizes, ways, now[:, 1], before[:, 1:] * step[1] / now))
    return np.array([*terms, length * shares @ (now * np.log(now / coin)).sum(axis=1)])


def phase_information(period: int, length: int, base_rate: float, survival: Sequence[float] | np.ndarray) -> np.ndarray:
    """I(X; Z) in nats at each survival (M,), all below 1."""
    sizes, ones, ways = _counts(period, length)
    found = []
    for left in np.asarray(survival, float):
        up = left * np.array([0.0, 1.0]) + (1.0 - left) * base_rate
        share, weight = _phases(ones, sizes, ways, up)
        found.append(math.log(period) + weight @ (share * np.log(np.maximum(share, 1e-300))).sum(axis=1))
    return np.array(found)


def best_samples(
    period: int,
    length: int,
    base_rate: float,
    survival: Sequence[float] | np.ndarray,
    first_step: Literal["learned", "paper"] = "learned",
) -> tuple[float, float]:
    """Mean log p(x) of heartbeats in nats, and the share of other samples, of the chain of `best_factorised_bound`."""
    left, coin = np.asarray(survival, float), np.array([1.0 - base_rate, base_rate])
    sizes, ones, ways = _counts(period, length)
    p = ways * base_rate ** ones.sum(axis=1) * (1.0 - base_rate) ** (length - ones.sum(axis=1))
    data = np.array([0.0, 1.0])
    for late, early in zip(left[::-1], [*left[-2::-1], 1.0], strict=True):
        now, before = (kept * data + (1.0 - kept) * base_rate for kept in (late, early))  # [data bit]: chance of a one
        step = late / early * data + (1.0 - late / early) * base_rate  # [earlier bit]: chance of a one
        # chance of an earlier one, [data bit, bit]
        back = np.stack([before * (1.0 - step[1]) / (1.0 - now), before * step[1] / now], axis=1)
        share, _ = _phases(ones, sizes, ways, now)
        if early == 1.0 and first_step == "paper":
            chance = np.broadcast_to(late * data + (1.0 - late) * coin[1], (len(ones), period, 2))
        else:
            chance = back[0] + share[:, :, None] * (back[1] - back[0])
        p = _moved(p, [_count(chance[:, k], ones[:, k], n) for k, n in enumerate(sizes)])
    valid = p[[int(np.flatnonzero((ones == sizes * (np.arange(period) == k)).all(axis=1))[0]) for k in range(period)]]
    return float(np.log(valid).mean()), 1.0 - float(valid.sum())


def _count(chance: np.ndarray, ones: np.ndarray, size: int) -> np.ndarray:
    """Distribution (states, size + 1) of the ones among `size` bits, of which `ones` (states,) are one; `chance` (states, bit)."""
    found = np.zeros((len(ones), size + 2))
    found[:, 0] = 1.0
    for number in range(size):
        p = np.where(number < ones, chance[:, 1], chance[:, 0])[:, None]
        found[:, 1:] = found[:, 1:] * (1.0 - p) + found[:, :-1] * p
        found[:, :1] *= 1.0 - p
    return found[:, :-1]


def _moved(p: np.ndarray, counts: list[np.ndarray]) -> np.ndarray:
    """The distribution of all counts after a step, from p (states,) and the counts of each class given the state before it."""
    half = len(counts) // 2
    first, second = (_joined(part, len(p)) for part in (counts[:half], counts[half:]))
    return ((p[:, None] * first).T @ second).ravel()


def _joined(counts: list[np.ndarray], states: int) -> np.ndarray:
    """Products (states, all combinations), in the order of `_counts`."""
    found = np.ones((states, 1))
    for count in counts:
        found = (found[:, :, None] * count[:, None]).reshape(states, -1)
    return found


def best_absorbing_bound(period: int, length: int, survival: Sequence[float] | np.ndarray) -> float:
    """The same for bits that are masked one by one, in nats; the length must be a multiple of the period.

    As long as no pulse is seen, those positions of the period of which nothing is seen are all the same.
    """
    if length % period:
        raise ValueError(f"best_absorbing_bound: expected a length that is a multiple of the period {period}, got {length}")
    size, lost, early = length // period, 0.0, 1.0
    for late in np.asarray(survival, float):
        hidden = (1.0 - late) ** size  # all of one position of the period
        for others in range(period):
            chance = math.comb(period - 1, others) * hidden**others * (1.0 - hidden) ** (period - 1 - others)
            doubt = float(_entropy(np.array(1.0 / (others + 1))))
            lost += (early - late) / (1.0 - late) * hidden * chance * size * (others + 1) * doubt
        early = late
    return -lost


def _counts(period: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes (period,) of the classes of positions, ones (states, period) in each, and how many sequences have these (states,)."""
    sizes = np.bincount(np.arange(length) % period, minlength=period)
    ones = np.indices([n + 1 for n in sizes]).reshape(period, -1).T
    binomial = [[math.comb(n, m) for m in range(n + 1)] for n in sizes]
    return sizes, ones, np.prod([np.take(row, m) for row, m in zip(binomial, ones.T, strict=True)], axis=0)


def _phases(ones: np.ndarray, sizes: np.ndarray, ways: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(phase given counts) (states, period) and P(counts) (states,), if bits are ones with the chances `up` [data bit]."""
    likelihood = np.exp(ones * math.log(up[1] / up[0]) + (sizes - ones) * math.log((1.0 - up[1]) / (1.0 - up[0])))
    silent = up[0] ** ones.sum(axis=1) * (1.0 - up[0]) ** (sizes.sum() - ones.sum(axis=1))
    return likelihood / likelihood.sum(axis=1, keepdims=True), ways * silent * likelihood.mean(axis=1)


def _mixing(ones: np.ndarray, sizes: np.ndarray, ways: np.ndarray, up: np.ndarray, back: np.ndarray) -> float:
    """What a step back loses by giving each bit its mean over the phases: the entropy of the mean less the mean entropy.

    `up` [data bit] is the chance of a one after the step, `back` [data bit, bit after it] that of a one before it.
    """
    zeros = sizes - ones
    share, weight = _phases(ones, sizes, ways, up)
    # classes of one size are equivalent: one stands for all
    _, typical, alike = np.unique(sizes, return_index=True, return_counts=True)
    phase = share[:, typical]
    lost = 0.0
    for value, count in enumerate((zeros, ones)):
        quiet, pulse = back[:, value]
        mixed = _entropy(phase * pulse + (1.0 - phase) * quiet)
        lost += weight @ (count[:, typical] * (mixed - phase * _entropy(pulse) - (1.0 - phase) * _entropy(quiet))) @ alike
    return lost


def _entropy(p: np.ndarray) -> np.ndarray:
    q = 1.0 - p
    return -p * np.log(np.maximum(p, 1e-300)) - q * np.log(np.maximum(q, 1e-300))
