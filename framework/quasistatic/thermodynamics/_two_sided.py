"""Paths from both sides: the best estimate of log p(x), and whether kernel and model belong together.

`forward` are log-weights (n,) of forward paths, `backward` those (m,) of the model's own paths, both for one event; or, for the
joint measure, both with the same reference density subtracted (see `crooks`). Nats.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

MIN_OVERLAP = 0.02


@attrs.frozen
class TwoSided:
    """log of the ratio of the normalisers, log p(x) for one event, by Bennett's acceptance ratio; `overlap` is at most 1/2.

    `overlap` is the smaller of the mean acceptances from both sides, scaled to equal numbers: with little of it the error is not
    to be trusted.
    """

    value_nats: float
    standard_error_nats: float
    overlap: float
    forward: int
    backward: int

    @property
    def doubt(self) -> str | None:
        """Why the value must not be used; None where nothing speaks against it."""
        return _doubt(self.overlap)


@attrs.frozen
class Slope:
    """How log-odds of the side grow with the log-weight; `overlap` is the chance of being wrong about it, at most 1/2."""

    slope: float
    slope_error: float
    overlap: float

    @property
    def doubt(self) -> str | None:
        """Why the values must not be used; None where nothing speaks against it."""
        if math.isnan(self.slope) and self.overlap >= MIN_OVERLAP:
            return "all log-weights are equal, which leaves no slope to measure"
        return _doubt(self.overlap)

    @property
    def deviation(self) -> float:
        """Distance of the slope from 1, in standard errors."""
        return abs(self.slope - 1.0) / self.slope_error


@attrs.frozen
class Crooks(Slope):
    """log of the ratio of the densities of w from both sides as a line, slope * w + intercept, with standard errors.

    The theorem says: slope 1, intercept -log p(x) (Crooks 1999). Any other slope is a fault of the kernel or of the log-weights,
    not of the training: it holds for a bad network as for a good one.
    """

    intercept_nats: float
    intercept_error_nats: float
    forward: int
    backward: int


def _doubt(overlap: float) -> str | None:
    if overlap >= MIN_OVERLAP:
        return None
    return f"the two distributions of the log-weight hardly overlap: {overlap:.2g}, below {MIN_OVERLAP}"


def bar(forward: np.ndarray, backward: np.ndarray) -> TwoSided:
    """The acceptance ratio of Bennett 1976, with its asymptotic standard error. Raises ValueError without numbers on a side.

    Of any two densities a and b that are known up to their normalisers, as of two models or of two basins, it is log(Z_b / Z_a),
    minus their difference of free energy: `forward` is log(b / a) at draws of a, `backward` the same at draws of b. Where the two
    hardly overlap, a map between them helps, with the logarithm of its Jacobian's determinant in both (Jarzynski 2002).
    """
    forward, backward = _sides(forward, backward)
    shift = math.log(len(backward) / len(forward))
    reach = abs(shift) + 1.0
    low, high = min(forward.min(), backward.min()) - reach, max(forward.max(), backward.max()) + reach
    for _ in range(64):  # halvings: the balance falls with the value
        middle = 0.5 * (low + high)
        up, down = _acceptances(forward, backward, shift, middle)
        low, high = (middle, high) if up.sum() > down.sum() else (low, middle)
    value = 0.5 * (low + high)
    up, down = _acceptances(forward, backward, shift, value)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = math.sqrt(sum(side.var() / (len(side) * side.mean() ** 2) for side in (up, down)))
    return TwoSided(value, error, _overlap(forward, backward, value), len(forward), len(backward))


def _acceptances(forward: np.ndarray, backward: np.ndarray, shift: float, value: float) -> tuple[np.ndarray, np.ndarray]:
    """P(from the model given w) of forward paths, P(forward given w) of the model's."""
    return _logistic(forward - value + shift), _logistic(value - shift - backward)


def _overlap(forward: np.ndarray, backward: np.ndarray, value: float) -> float:
    up, down = _acceptances(forward, backward, 0.0, value)
    return float(min(up.mean(), down.mean()))


def crooks(forward: np.ndarray, backward: np.ndarray) -> Crooks:
    """Logistic regression of the side on the log-weight (Shirts et al. 2003 has the slope fixed to 1: that is `bar`).

    For one event, paths of q(z given x) and of p(z given x). For the joint measures, x from any density r and path from q(z given
    x), against events of the model with the paths that they came by, with w - log r(x) on both sides: the intercept is then 0.
    Raises ValueError without numbers on a side.
    """
    forward, backward = _sides(forward, backward)
    w = np.concatenate([forward, backward])
    middle, scale = float(np.median(w)), float(w.std())
    counts = (len(forward), len(backward))
    overlap = bar(forward, backward).overlap
    if scale < 1e-6 or forward.max() < backward.min() or backward.max() < forward.min():  # no line, or any steeper one
        return Crooks(math.nan, math.nan, overlap, math.nan, math.nan, *counts)
    label, columns = np.repeat([0.0, 1.0], counts), np.stack([np.ones_like(w), (w - middle) / scale], axis=1)
    line, information = _logistic_regression(columns, label)
    covariance = np.linalg.inv(information)
    back = np.array([[1.0, -middle / scale], [0.0, 1.0 / scale]])  # to the line in w itself
    line, covariance = back @ line, back @ covariance @ back.T
    errors = np.sqrt(np.diag(covariance))
    intercept = float(line[0]) - math.log(len(backward) / len(forward))
    return Crooks(float(line[1]), float(errors[1]), overlap, intercept, float(errors[0]), *counts)


@attrs.frozen
class PairedCrooks(Slope):
    """Slope of log P(which of two paths is the model's) in the difference of their log-weights; 1 by the theorem."""

    pairs: int


def paired_crooks(forward: np.ndarray, backward: np.ndarray) -> PairedCrooks:
    """The detailed theorem for events of the model, each (n,) with a forward path and the path that it came by.

    What differs between events, log p(x) above all, drops out of the difference w_p - w_q: its density at d is e^d times that at
    -d. Needs no truth, and holds for every network. Raises ValueError without numbers on a side.
    """
    forward, backward = _sides(forward, backward)
    difference = backward - forward
    overlap = float(_logistic(-np.abs(difference)).mean())
    scale = float(np.sqrt(np.mean(difference**2)))
    if scale < 1e-6 or difference.min() > 0 or difference.max() < 0:
        return PairedCrooks(math.nan, math.nan, overlap, len(difference))
    line, information = _logistic_regression((difference / scale)[:, None], np.ones(len(difference)))
    return PairedCrooks(float(line[0]) / scale, 1.0 / (scale * math.sqrt(information[0, 0])), overlap, len(difference))


def _logistic_regression(columns: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most likely line and the information about it, by Newton's method with halved steps."""
    line = np.zeros(columns.shape[1])

    def likelihood(at: np.ndarray) -> float:
        scores = columns @ at
        return float(label @ scores - np.logaddexp(0.0, scores).sum())

    for _ in range(50):
        p = _logistic(columns @ line)
        information = (columns * (p * (1.0 - p))[:, None]).T @ columns
        step = np.linalg.solve(information, columns.T @ (label - p))
        here = likelihood(line)
        while likelihood(line + step) < here and np.abs(step).max() > 1e-12:
            step *= 0.5
        line = line + step
        if np.abs(step).max() < 1e-10:
            break
    p = _logistic(columns @ line)
    return line, (columns * (p * (1.0 - p))[:, None]).T @ columns


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -x))


def _sides(forward: np.ndarray, backward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = [np.ravel(np.asarray(side, np.float64)) for side in (forward, backward)]
    for name, side in zip(("forward", "backward"), sides, strict=True):
        if len(side) < 2 or not np.all(np.isfinite(side)):
            bad = int((~np.isfinite(side)).sum())
            raise ValueError(f"{name}: expected at least two finite log-weights, got {len(side)}, of which {bad} are not finite")
    return sides[0], sides[1]
