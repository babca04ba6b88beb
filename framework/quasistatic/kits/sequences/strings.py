"""Strings of symbols, and what of them is in which split: windows of long ones, or whole short ones, without leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.record import SPLITS
from quasistatic.kits.sequences.options import SymbolChoices
from quasistatic.kits.sequences.passages import Passages

# of a polynomial modulo 2^64: an odd number (that of splitmix64), and what it gives 1 with
MULTIPLIER = 0xBF58476D1CE4E5B9
INVERSE = pow(MULTIPLIER, -1, 2**64)


@attrs.frozen(eq=False)
class Strings:
    """Sequences as they were read: `passages` of symbols, each of which `alphabet` spells.

    Passage i belongs to the record `names[i]` and begins at its place `offsets[i]`; both stand beside events in tables, as do
    `tags` (N,), if any. Of a file that is scored every record is a passage: the symbol `len(alphabet) + k` is not in the alphabet,
    and `foreign[k]` says what it is; `refused` says of passages why they are no strings of symbols at all.
    """

    origin: qs.files.Origin
    alphabet: tuple[str, ...]
    passages: Passages
    names: Sequence[Any]
    offsets: np.ndarray
    notes: tuple[str, ...] = ()
    tags: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    foreign: tuple[str, ...] = ()
    refused: Mapping[int, str] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class Division:
    """What is in which split: `events` that are measured, `rows` that are trained on, `texts` that simple models are fitted to.

    `owners` are the passages of the strings that events belong to.
    """

    events: Mapping[qs.Split, Passages]
    owners: Mapping[qs.Split, np.ndarray]
    rows: Passages
    texts: Mapping[qs.Split, Passages]


def windows(strings: Strings, choices: SymbolChoices) -> Division:
    """Windows of long strings: each split has a part of all symbols, in their order, for itself.

    Training reads every window of its part; events are windows side by side. No window spans two strings. Raises DataError
    where a split has none.
    """
    counts = strings.passages.counts
    shares = np.cumsum([0.0, 1.0 - choices.validation_share - choices.test_share, choices.validation_share, choices.test_share])
    ends = np.round(shares * counts.sum()).astype(np.int64)
    pieces = {name: _between(strings.passages, low, high) for name, low, high in zip(SPLITS, ends, ends[1:], strict=False)}
    apart = {name: _cut(piece, choices.length, choices.length) for name, (piece, _) in pieces.items()}
    for name, (events, _) in apart.items():
        if not len(events):
            raise qs.DataError(
                f"{strings.origin.path}: {counts.sum()} symbols in {len(counts)} strings leave the {name} split without a window "
                f"of {choices.length}; expected longer ones, or a smaller source.length"
            )
    return Division(
        {name: events for name, (events, _) in apart.items()},
        {name: pieces[name][1][owners] for name, (_, owners) in apart.items()},
        _cut(pieces["train"][0], choices.length, 1)[0],
        {name: piece for name, (piece, _) in pieces.items()},
    )


def whole(strings: Strings, choices: SymbolChoices, groups: np.ndarray, seed: int) -> Division:
    """Whole strings of at most `choices.length` symbols; those of one group of `groups` (N,) are never in two splits.

    Raises DataError where a split has none.
    """
    fits = np.flatnonzero(strings.passages.counts <= choices.length)
    # RandomState: its stream is frozen for all versions of numpy
    random = np.random.RandomState(seed % 2**32)
    order = random.permutation(np.unique(groups[fits]))
    test, validation = (max(1, round(len(order) * share)) for share in (choices.test_share, choices.validation_share))
    places = {"train": order[test + validation :], "validation": order[test : test + validation], "test": order[:test]}
    shuffled = random.permutation(fits)
    owners: dict[qs.Split, np.ndarray] = {name: shuffled[np.isin(groups[shuffled], places[name])] for name in SPLITS}
    if empty := [name for name in SPLITS if not len(owners[name])]:
        raise qs.DataError(
            f"{strings.origin.path}: {len(order)} different strings of at most {choices.length} symbols leave {empty[0]} empty; "
            "expected more of them, or a larger source.length"
        )
    chosen = {name: strings.passages.only(rows) for name, rows in owners.items()}
    return Division(chosen, owners, chosen["train"], chosen)


def same_strings(passages: Passages) -> np.ndarray:
    """A number for each passage (N,), equal where their symbols are."""
    ends = passages.starts + passages.counts
    spelt = [passages.symbols[start:end].tobytes() for start, end in zip(passages.starts, ends, strict=True)]
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in spelt])


def joined_strings(each: Sequence[np.ndarray], categories: int) -> Passages:
    """Strings of symbols below `categories` in one array, as small as it can be."""
    counts = np.array([len(symbols) for symbols in each], np.int64)
    symbols = np.concatenate([*each, np.empty(0, np.int64)]).astype(np.min_scalar_type(max(1, categories - 1)))
    return Passages(symbols, np.cumsum(counts) - counts, counts)


def _between(passages: Passages, low: int, high: int) -> tuple[Passages, np.ndarray]:
    """What of passages lies between two places of all their symbols, and which passage each piece is of."""
    ends = np.cumsum(passages.counts)
    first = np.maximum(ends - passages.counts, low)
    counts = np.minimum(ends, high) - first
    kept = np.flatnonzero(counts > 0)
    starts = passages.starts + first - (ends - passages.counts)
    return Passages(passages.symbols, starts[kept], counts[kept]), kept


def _cut(passages: Passages, length: int, step: int) -> tuple[Passages, np.ndarray]:
    """The windows of passages, one every `step` symbols, and the number of the passage of each."""
    each = np.maximum(0, (passages.counts - length) // step + 1)
    owners = np.repeat(np.arange(len(each)), each)
    numbers = np.arange(len(owners)) - np.repeat(np.cumsum(each) - each, each)
    starts = passages.starts[owners] + step * numbers
    return Passages(passages.symbols, starts, np.full(len(starts), length)), owners


def windows_or_short(passages: Passages, length: int) -> tuple[Passages, np.ndarray]:
    """Windows side by side, and whole passages that have none, in their order; and the number of the passage of each."""
    windows, owners = _cut(passages, length, length)
    short = np.flatnonzero(passages.counts < length)
    owners = np.concatenate([owners, short])
    order = np.argsort(owners, kind="stable")
    starts = np.concatenate([windows.starts, passages.starts[short]])
    counts = np.concatenate([windows.counts, passages.counts[short]])
    return Passages(passages.symbols, starts[order], counts[order]), owners[order]


def repeated(windows: Passages, others: Passages) -> np.ndarray:
    """Which windows (N,) are equal to one of the others, of the same length, symbol for symbol.

    By hashes of 64 bits: of a hundred billion pairs one is taken for equal by mistake with a chance of 1e-8.
    """
    length = int(windows.counts[0])
    weights, inverse = (np.cumprod(np.full(len(windows.symbols), each, np.uint64)) for each in (MULTIPLIER, INVERSE))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((windows.symbols.astype(np.uint64) + np.uint64(1)) * weights)])

    def hashes(passages: Passages) -> np.ndarray:
        return (sums[passages.starts + length] - sums[passages.starts]) * inverse[passages.starts]

    return np.isin(hashes(windows), hashes(others), kind="sort")  # a table of hashes overflows in numpy 2.0
