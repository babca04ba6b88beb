"""Sequences of symbols, from any kind of file: windows of long ones or whole short ones, split without leaks, and kept by a run."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs
import jax.numpy as jnp
import numpy as np

from quasistatic._data.draw import draw_lines
from quasistatic._data.ngrams import Passages
from quasistatic._data.origin import Origin
from quasistatic._data.source import (
    SPLITS,
    AbstractBaselines,
    AbstractDrawing,
    AbstractKept,
    AbstractReading,
    AbstractSource,
    AbstractWriting,
    Data,
    Kept,
    Outside,
    Rows,
    Split,
)
from quasistatic._data.symbol_choices import SymbolChoices
from quasistatic._process.distribution import Key, State
from quasistatic._process.event import PADDING, Binary, Categorical
from quasistatic._process.fields import Fields
from quasistatic.errors import DataError

# of a polynomial modulo 2^64: an odd number (that of splitmix64), and what it gives 1 with
MULTIPLIER = 0xBF58476D1CE4E5B9
INVERSE = pow(MULTIPLIER, -1, 2**64)


@attrs.frozen(eq=False)
class Strings:
    """Sequences as they were read: `passages` of symbols, each of which `alphabet` spells.

    Passage i belongs to the record `names[i]` and begins at its place `offsets[i]`; both stand beside events in tables, as do
    `tags` (N,), if any. Of a file that is scored every record is a passage: the symbol `len(alphabet) + k` is none of the alphabet,
    and `foreign[k]` says what it is; `refused` says of passages why they are no strings of symbols at all.
    """

    origin: Origin
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

    events: Mapping[Split, Passages]
    owners: Mapping[Split, np.ndarray]
    rows: Passages
    texts: Mapping[Split, Passages]


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
            raise DataError(
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
    owners: dict[Split, np.ndarray] = {name: shuffled[np.isin(groups[shuffled], places[name])] for name in SPLITS}
    if empty := [name for name in SPLITS if not len(owners[name])]:
        raise DataError(
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


def _windows_or_short(passages: Passages, length: int) -> tuple[Passages, np.ndarray]:
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


def padding(length: int) -> Fields:
    """The side information of padded events: 0 where a symbol is, 1 where there is none."""
    return Fields({PADDING: Binary((length,))})


MASK = "\N{LOWER ONE EIGHTH BLOCK}"  # how a masked symbol is drawn


class PassageRows:
    """Passages by their numbers, as stored rows: {'x': symbols, 'padding': where there are none}."""

    def __init__(self, passages: Passages, length: int):
        self._passages, self._length = passages, length

    def __len__(self) -> int:
        return len(self._passages)

    def __getitem__(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(("x", PADDING), self._passages.padded(self._length, numbers), strict=True))


class AbstractSymbolSource(AbstractSource, AbstractDrawing, AbstractReading, AbstractWriting, AbstractBaselines, AbstractKept):
    """Events (length,) of symbols: windows, or whole strings, of which the part 'padding' of `side` marks the empty places.

    Places after the end of a string hold symbol 0, which is kept for them. `beside` are bytes by name that a run keeps, such as
    a table of symbols. A subclass reads and divides, and names what stands beside events in tables: `named`, a column of records,
    and `counted`, the place where a window begins in its record.
    """

    named: str = "record"
    counted: str = "place"
    alphabet: tuple[str, ...]
    _choices: Any
    _origin: Origin
    _where: str
    _loaded: tuple[Strings, Division] | None = None

    def __init__(self, choices: SymbolChoices, where: str, beside: Mapping[str, bytes] | None = None):
        self.beside = beside or {}
        strings = self.read(choices, where)
        division = self.divide(choices, strings)
        sizes = ", ".join(f"{len(events)} {name}" for name, events in division.events.items())
        notes = (*strings.notes, self._about(choices, division), f"splits: {sizes}")
        self._settle(choices, where, strings.origin, strings.alphabet, notes)
        self._loaded = strings, division

    def _about(self, choices: Any, division: Division) -> str:
        """What a reader of K should know."""
        if self.side_of(choices) is not None:
            return "K is that of the symbols of an event, given how many there are"
        test = division.events["test"]
        return f"{repeated(test, division.rows).sum()} of {len(test)} test windows are in the training part, symbol for symbol"

    @classmethod
    def restored(cls, choices: Any, where: str, kept: Kept) -> Self:
        """What the source of a run was. Its file is read when its events are asked for, and must be the same, to the byte.

        Raises DataError for a record that is none; later, for data that are gone or were changed.
        """
        source = cls.__new__(cls)
        try:
            about = kept.about
            origin = Origin(str(about["path"]), int(about["size"]), str(about["sha256"]))
            alphabet, notes = (tuple(map(str, about[name])) for name in ("alphabet", "notes"))
            if len(alphabet) < 2:
                raise ValueError("alphabet")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the record of the data in run.json is none that this version reads: {error!r:.200}") from error

        source.beside = {name: array.astype(np.uint8).tobytes() for name, array in kept.arrays.items()}
        source._settle(choices, where, origin, alphabet, notes)
        return source

    def _settle(
        self, choices: SymbolChoices, where: str, origin: Origin, alphabet: tuple[str, ...], notes: tuple[str, ...]
    ) -> None:
        self._choices, self._where, self._origin, self.alphabet, self.notes = choices, where, origin, alphabet, notes
        self.event = Categorical((choices.length,), len(alphabet))
        self.side = self.side_of(choices)

    def _found(self) -> tuple[Strings, Division]:
        """What was read, and its division; of a run that was reopened read now. Raises DataError for other data."""
        if self._loaded is None:
            strings = self.read(self._choices, self._origin.path if os.path.exists(self._origin.path) else self._where)
            if strings.origin.sha256 != self._origin.sha256 or strings.alphabet != self.alphabet:
                raise DataError(
                    f"{strings.origin.path}: holds other data than those that the run was trained on, so that none of its splits "
                    "is measured. `sample` and `evaluate --data FILE` do without; with the same data in place all else goes on"
                )
            self._loaded = strings, self.divide(self._choices, strings)
        return self._loaded

    def kept(self) -> Kept:
        about = {**attrs.asdict(self._origin), "alphabet": list(self.alphabet), "notes": list(self.notes)}
        return Kept(about, {name: np.frombuffer(data, np.uint8) for name, data in self.beside.items()})

    @abstractmethod
    def read(self, choices: Any, where: str, alphabet: tuple[str, ...] | None = None) -> Strings:
        """The strings of a place such as a file, spelt with an alphabet of their own; or, to be scored, with the given one.

        Raises DataError, of what is scored only where no record can be read; `Strings` has what is wrong with a single one.
        """

    @abstractmethod
    def divide(self, choices: Any, strings: Strings) -> Division:
        """What is in which split."""

    @abstractmethod
    def side_of(self, choices: Any) -> Fields | None:
        """None for windows; for whole strings `padding(length)`, with further parts if it likes, which are zero but in training."""

    @property
    def division(self) -> Division:
        """What is in which split; reads the data of a run that was reopened. Raises DataError."""
        return self._found()[1]

    def split(self, name: Split, count: int | None = None) -> Data:
        strings, division = self._found()
        chosen, owners = division.events[name].only(slice(count)), division.owners[name][:count]
        return self._data(strings, chosen, owners)

    def _data(self, strings: Strings, chosen: Passages, owners: np.ndarray) -> Data:
        x, padding = chosen.padded(self._choices.length)
        return Data(x, self._side(padding), self._tags(strings, chosen, owners))

    def _tags(self, strings: Strings, chosen: Passages, owners: np.ndarray) -> dict[str, np.ndarray]:
        places = strings.offsets[owners] + chosen.starts - strings.passages.starts[owners]
        more = {name: np.asarray(values)[owners] for name, values in strings.tags.items()}
        named = {self.named: np.array(strings.names, object)[owners]}
        return {**named, **({self.counted: places} if self.side is None else {}), **more}

    def _side(self, padding: np.ndarray) -> dict[str, np.ndarray] | None:
        if self.side is None:
            return None
        zeros = {name: np.zeros((len(padding), *field.shape), field.dtype) for name, field in self.side.parts().items()}
        return {**zeros, PADDING: padding}

    def stored(self) -> Rows:
        return PassageRows(self.division.rows, self._choices.length)

    def draw(self, row: Mapping[str, Any], *, key: Key) -> tuple[State, State | None]:
        return jnp.asarray(row["x"], jnp.int32), None if self.side is None else {PADDING: jnp.asarray(row[PADDING])}

    def read_events(self, path: str | Path) -> Data:
        """Events of another file, read as this one was: all its windows side by side, or its strings. Raises DataError.

        Windows or strings with a symbol that is none of the alphabet are `outside`, and strings of another length.
        """
        strings = self.read(self._choices, os.path.expanduser(path), self.alphabet)
        passages, length = strings.passages, self._choices.length
        is_window = self.side is None
        pieces, owners = _windows_or_short(passages, length) if is_window else (passages, np.arange(len(passages)))
        reasons = self._reasons(strings, pieces, owners)
        inside, tags = np.setdiff1d(np.arange(len(pieces)), list(reasons)), self._tags(strings, pieces, owners)
        outside = (Outside(row, why, {name: values[row] for name, values in tags.items()}) for row, why in reasons.items())
        return attrs.evolve(self._data(strings, pieces.only(inside), owners[inside]), outside=tuple(outside))

    def _reasons(self, strings: Strings, pieces: Passages, owners: np.ndarray) -> dict[int, str]:
        """Why pieces are no events, by their numbers, which rise."""
        length, known = self._choices.length, len(strings.alphabet)
        before = np.concatenate([[0], np.cumsum(pieces.symbols >= known)])
        is_foreign = before[pieces.starts + pieces.counts] > before[pieces.starts]
        fits = pieces.counts == length if self.side is None else (pieces.counts > 0) & (pieces.counts <= length)
        reasons = {}
        for row in np.flatnonzero(~fits | is_foreign | np.isin(owners, list(strings.refused))).tolist():
            owner, start, count = int(owners[row]), int(pieces.starts[row]), int(pieces.counts[row])
            if owner in strings.refused:
                reasons[row] = strings.refused[owner]
            elif is_foreign[row]:
                place = int(np.argmax(pieces.symbols[start : start + count] >= known))
                named = strings.offsets[owner] + start + place - strings.passages.starts[owner]
                reasons[row] = f"{self.counted} {named}: {strings.foreign[int(pieces.symbols[start + place]) - known]}"
            else:
                expected = f"a window has {length}" if self.side is None else f"expected 1 to {length}"
                reasons[row] = f"it has {count} symbols, {expected} (source.length)"
        return reasons

    def passages_of(self, xs: np.ndarray) -> Passages:
        """The strings in events (N, length): as far as their last symbol that is not kept for padding."""
        xs = np.asarray(xs)
        if self.side is None:
            return Passages.of(xs)
        counts = xs.shape[1] - np.argmax(xs[:, ::-1] != 0, axis=1)
        return Passages(xs.ravel(), np.arange(len(xs)) * xs.shape[1], np.where((xs != 0).any(axis=1), counts, 0))

    def spell(self, xs: np.ndarray) -> list[str]:
        """Events (N, length) as text, one each; a noisy state may have a symbol more, the mask."""
        letters = np.array([*self.alphabet, MASK], object)
        return ["".join(letters[x]) for x in np.asarray(xs)]

    def render(self, xs: State, axes: Any) -> None:
        """As lines of text, as many as there is room for."""
        draw_lines(self.spell(xs), axes)
