"""What log-weights of forward paths give: averages of their exponential, and whether these can be trusted.

Log-weights w = log p(x, z) - log q(z given x) are numpy arrays in nats, along the last axis those of one event. Minus w is the
work of thermodynamics, so E exp(w) = p(x) is Jarzynski's equality.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

_MIN_ESS = 50.0
_MAX_PARETO_K = 0.7
_PATHS_AT_ZERO = 40.0  # that an average needs, times exp(2 v) for a variance v: so few that intervals cover, see the test
MAX_VARIANCE = 0.3  # of the log-weight in nats^2, for a second cumulant that is followed by small ones


@attrs.frozen
class LogAverage:
    """log of a mean of exp(w), an estimate of log p(x), with what tells whether `paths` of them were enough.

    `ess` is the effective sample size (sum e^w)^2 / sum e^2w; `pareto_k` is the shape of the tail of the weights: their variance
    is finite below 1/2, and above 0.7 no average of them is reliable at any practical number of paths (Vehtari et al. 2024).
    Both see only weights that were drawn. `spread` tells of those that were not, in nats^2: the variance of w plus its third
    cumulant where that is positive, which for nearly normal w is the logarithm of the relative second moment of e^w.
    """

    value_nats: float
    standard_error_nats: float
    ess: float
    pareto_k: float
    paths: int
    spread: float

    @property
    def doubt(self) -> str | None:
        """Why the value must not be used; None where nothing speaks against it."""
        if not math.isfinite(self.value_nats):
            return f"the value is {self.value_nats}: not all log-weights are finite numbers"
        if self.ess < _MIN_ESS:
            return f"the effective sample size is {self.ess:.3g} of {self.paths} paths, below {_MIN_ESS:g}"
        if self.pareto_k > _MAX_PARETO_K:
            return f"the tail of the weights is too heavy: Pareto k is {self.pareto_k:.2g}, above {_MAX_PARETO_K}"
        if self.paths < _PATHS_AT_ZERO * math.exp(min(2.0 * self.spread, 700.0)):
            return f"log p is at least this on average: {self.paths} paths are too few for a spread of {self.spread:.2g} nats^2"
        return None


def _log_mean_exp(log_weights: np.ndarray) -> np.ndarray:
    """log of the mean of exp over the last axis; -inf where all are -inf."""
    values = np.asarray(log_weights, np.float64)
    top = values.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return top[..., 0] + np.log(np.exp(values - top).mean(axis=-1))


def _effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    """(sum e^w)^2 / sum e^2w over the last axis: how many equal weights would be as good."""
    values = np.asarray(log_weights, np.float64)
    return values.shape[-1] * np.exp(2.0 * _log_mean_exp(values) - _log_mean_exp(2.0 * values))


def jarzynski(log_weights: np.ndarray) -> LogAverage:
    """log p(x) from log-weights (paths,) of forward paths from one event (Jarzynski 1997), with its error by the delta method."""
    values = np.asarray(log_weights, np.float64)
    ess, count = float(_effective_sample_size(values)), len(values)
    error = math.sqrt(max(count / ess - 1.0, 0.0) / (count - 1)) if count > 1 else math.nan
    away = values - values.mean() if np.isfinite(values).all() else np.full(count, math.inf)
    spread = float((away**2).mean() + max((away**3).mean(), 0.0))
    return LogAverage(float(_log_mean_exp(values)), error, ess, _pareto_k(values), count, spread)


def _pareto_k(log_weights: np.ndarray) -> float:
    """Shape of the generalised Pareto distribution fitted to the largest weights e^w, w (paths,).

    -inf where the largest are all equal; inf where there are too few of them. The tail has min(n / 5, 3 sqrt(n)) weights, and the
    fit the weak prior of Vehtari et al. 2024 (arXiv 1507.02646), after Zhang & Stephens 2009.
    """
    values = np.sort(np.asarray(log_weights, np.float64))
    tail = math.ceil(min(0.2 * len(values), 3.0 * math.sqrt(len(values))))
    if tail < 5:
        return math.inf
    weights = np.exp(values[-tail - 1 :] - values[-1])
    excess = weights[1:] - weights[0]
    excess = excess[excess > 1e-6 * weights[0]]  # equal weights, of discrete paths, are no tail
    if len(excess) == 0:
        return -math.inf
    if len(excess) < 5:
        return math.inf
    shape = _pareto_shape(excess)
    return (len(excess) * shape + 5.0) / (len(excess) + 10.0)


def _pareto_shape(excess: np.ndarray) -> float:
    """Posterior mean of the shape for sorted, positive excesses, by the profile likelihood of Zhang & Stephens 2009."""
    count = len(excess)
    grid = 30 + math.isqrt(count)
    quartile = excess[int(count / 4 + 0.5) - 1]
    theta = 1.0 / excess[-1] + (1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3.0 * quartile)
    shapes = np.log1p(-theta[:, None] * excess).mean(axis=1)
    profile = count * (np.log(-theta / shapes) - shapes - 1.0)
    share = np.exp(profile - profile.max())
    best = float(theta @ share / share.sum())
    return float(np.log1p(-best * excess).mean())


def importance_weighted(log_weights: np.ndarray, particles: int | None = None) -> np.ndarray:
    """The bound E log mean of k = `particles` weights for each event, (N,), from w (N, paths); k is all paths unless given.

    At most log p(x) in expectation, not falling with k, and K(x) at k = 1 (Burda et al. 2016). Of draws of p(path given x), minus
    the bound of -w is at least log p(x), and does not rise with k. Paths are used in groups of k; what is left over is not.
    Raises ValueError for more particles than paths.
    """
    values = np.asarray(log_weights, np.float64)
    return _log_mean_exp(_groups(values, particles)).mean(axis=-1)


def _groups(values: np.ndarray, particles: int | None) -> np.ndarray:
    """(N, paths) as (N, groups, k)."""
    count = values.shape[-1]
    size = count if particles is None else particles
    if not 1 <= size <= count:
        raise ValueError(f"particles: expected 1 to {count}, the number of paths, got {size}")
    return values[..., : count // size * size].reshape(*values.shape[:-1], count // size, size)


def sandwich_bound(model_weights: np.ndarray, forward_weights: np.ndarray) -> np.ndarray:
    """E log mean of k weights: of the path (N,) by which the model came to the event, and of k - 1 forward paths (N, k - 1).

    At least log p(x) in expectation for each event, (N,), not rising with k; k = 1 is the evidence upper bound E_p w (Grosse et al.
    2015). Holds for events of the model alone: for data no such path is known.
    """
    first = np.asarray(model_weights, np.float64)[..., None]
    return _log_mean_exp(np.concatenate([first, np.asarray(forward_weights, np.float64)], axis=-1))


def cumulant_estimate(log_weights: np.ndarray) -> np.ndarray:
    """log p(x) as mean plus half the variance of w over the last axis: exact for normal w, good below a variance of 0.3."""
    values = np.asarray(log_weights, np.float64)
    return values.mean(axis=-1) + 0.5 * values.var(axis=-1, ddof=1)
