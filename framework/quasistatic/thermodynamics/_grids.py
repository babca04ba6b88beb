"""Where the steps of a chain should be: equal dissipation in every step, for a fixed number of them."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

EVEN = 1.5  # the largest dissipation of a step over the smallest, below which nothing is left to win
LEAST = 1e-3  # of the largest dissipation, that a step counts as at least: measured ones may be negative


@attrs.frozen(eq=False)
class Allocation:
    """Knots (M + 1,), what a chain with them costs in nats, and the dissipation (M,) of its steps."""

    knots: np.ndarray
    cost_nats: float
    dissipation: np.ndarray

    @property
    def unevenness(self) -> float:
        """The largest dissipation of a step over the smallest that counts."""
        counted = _counted(self.dissipation)
        return float(counted.max() / counted.min())


def reallocate(knots: np.ndarray, dissipation: np.ndarray, mix: float = 0.5) -> np.ndarray:
    """Knots (M + 1,) moved towards those between which every step dissipates the same; the ends stay.

    The dissipation (M,) of a short step is the square of its length in some metric, so the new knots cut the length into equal
    parts; `mix` of the way is gone, as long steps are not short. The metric is taken as constant within a step. (Thermodynamic
    length: Salamon & Berry 1983; Crooks 2007.) Raises ValueError for numbers that do not fit, or are not finite.
    """
    if not np.all(np.isfinite(dissipation)):
        raise ValueError(f"reallocate: expected a finite dissipation of every step, got {dissipation!r:.200}")
    knots, lengths = np.asarray(knots, np.float64), np.sqrt(_counted(dissipation))
    if knots.shape != (len(lengths) + 1,):
        raise ValueError(f"reallocate: expected one knot more than steps, got {len(knots)} knots and {len(lengths)} steps")
    gone = np.concatenate([[0.0], np.cumsum(lengths)])
    return (1.0 - mix) * knots + mix * evenly(knots, gone, len(knots))


def evenly(knots: np.ndarray, gone: np.ndarray, count: int) -> np.ndarray:
    """`count` knots between which as much is gone each, of what is gone (M,), rising, at knots (M,): length, or information.

    The first and the last stay.
    """
    found = np.interp(np.linspace(gone[0], gone[-1], count), gone, knots)
    found[[0, -1]] = knots[0], knots[-1]
    return found


def thermodynamic_length(dissipation: np.ndarray) -> float:
    """L = sum of the square roots of the dissipation (M,) of the steps: no grid of N small steps dissipates less than L^2 / N."""
    return float(np.sqrt(np.maximum(dissipation, 0.0)).sum())


def optimise_grid(
    measure: Callable[[np.ndarray], tuple[float, np.ndarray]], knots: np.ndarray, rounds: int = 8
) -> list[Allocation]:
    """Allocations from the first knots on, each made from the one before; the best has the lowest cost, and need not be the last.

    `measure(knots)` gives the cost of a chain with these knots and the dissipation of its steps. Ends early where all steps are
    within a factor 1.5.
    """
    found = [Allocation(np.asarray(knots, np.float64), *measure(knots))]
    for _ in range(rounds):
        if len(found[-1].dissipation) < 2 or found[-1].unevenness < EVEN:
            break
        moved = reallocate(found[-1].knots, found[-1].dissipation)
        found.append(Allocation(moved, *measure(moved)))
    return found


def _counted(dissipation: np.ndarray) -> np.ndarray:
    values = np.asarray(dissipation, np.float64)
    most = values.max()
    return np.maximum(values, LEAST * most) if most > 0 else np.ones_like(values)
