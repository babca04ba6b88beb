"""How far two ways to group the same events agree."""

from __future__ import annotations

import numpy as np


def mutual_information(one: np.ndarray, other: np.ndarray) -> float:
    """Mutual information of two labellings (N,) over the mean of their entropies: 1 where they agree, 0 where they tell nothing.

    Names of groups do not matter. 1 for two that have one group each (Strehl & Ghosh 2002, with the mean in the place of the root).
    """
    (_, first), (_, second) = (np.unique(each, return_inverse=True) for each in (one, other))
    joint = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(joint, (first, second), 1.0 / len(first))
    entropies = [_entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))]
    mean = 0.5 * sum(entropies)
    shared = sum(entropies) - _entropy(joint.ravel())
    return float(np.clip(shared / mean, 0.0, 1.0)) if mean > 0 else 1.0


def _entropy(p: np.ndarray) -> float:
    kept = p[p > 0]
    return float(-(kept * np.log(kept)).sum())
