"""One root key per run. Roles get fixed folds, so that a new consumer shifts no other stream.

A key is folded or split, never both: in jax a fold can equal one of the parts of a split.
"""

from __future__ import annotations

import enum

import jax
import jax.random as jr


class Role(enum.IntEnum):
    """Who draws; never renumber."""

    INIT = 0
    TRAIN = 1
    VALIDATION = 2
    EVALUATION = 3
    SAMPLE = 4
    OBJECTIVE = 5
    PICTURES = 6


def role_key(seed: int, role: Role) -> jax.Array:
    """The key of one role of the run with this seed."""
    return jr.fold_in(jr.key(seed), int(role))
