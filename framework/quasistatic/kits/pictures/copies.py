"""Records that are the same to the byte: how many there are, which, and whether splits share them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

NAMED = 5  # sets of copies that are named


def copies(rows: Iterable[bytes]) -> list[list[int]]:
    """The numbers of rows that are the same to the byte: each set of two or more in order, in the order of their first."""
    found = defaultdict(list)
    for number, row in enumerate(rows):
        found[hashlib.blake2b(row, digest_size=16).digest()].append(number)
    return [numbers for numbers in found.values() if len(numbers) > 1]


def copies_notes(
    same: Sequence[Sequence[int]], splits: Mapping[Any, np.ndarray], name: Callable[[int], str], kind: str = "events"
) -> Iterator[str]:
    """Sentences on sets of copies: how many there are, and how many stand in another split than one that they are copies of.

    `splits` have the numbers of their rows, `name` is of a row, `kind` what rows are.
    """
    count = sum(map(len, splits.values()))
    more = sum(len(numbers) - 1 for numbers in same)
    if not more:
        return
    yield f"{more} of {count} {kind} are copies of others, to the level: {_listed(same, name)}"
    split_of = {number: split for split, numbers in splits.items() for number in np.asarray(numbers).tolist()}
    leaks = [numbers for numbers in same if len({split_of.get(number) for number in numbers}) > 1]
    if leaks:
        known = _listed(leaks, lambda number: f"{name(number)} ({split_of.get(number, 'in no split')})")
        yield f"{len(leaks)} sets of copies are in several splits, so that what is measured was seen in training: {known}"


def _listed(same: Sequence[Sequence[int]], name: Callable[[int], str]) -> str:
    sets = [" = ".join(map(name, numbers[:NAMED])) + (" = ..." if len(numbers) > NAMED else "") for numbers in same[:NAMED]]
    return "; ".join(sets) + (f"; and {len(same) - NAMED} more" if len(same) > NAMED else "")
