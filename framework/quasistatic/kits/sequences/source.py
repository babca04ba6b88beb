"""A source of strings of symbols from any kind of file, which a run keeps without their text."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import attrs
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic.kits.sequences.drawing import draw_lines
from quasistatic.kits.sequences.options import SymbolChoices
from quasistatic.kits.sequences.passages import Passages
from quasistatic.kits.sequences.strings import Division, Strings, repeated, windows_or_short

MASK = "\N{LOWER ONE EIGHTH BLOCK}"  # how a masked symbol is drawn


def padding(length: int) -> qs.Fields:
    """The side information of padded events: 0 where a symbol is, 1 where there is none."""
    return qs.Fields({qs.PADDING: qs.Binary((length,))})


class PassageRows:
    """Passages by their numbers, as stored rows: {'x': symbols, 'padding': where there are none}."""

    def __init__(self, passages: Passages, length: int):
        self._passages, self._length = passages, length

    def __len__(self) -> int:
        return len(self._passages)

    def __getitem__(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(("x", qs.PADDING), self._passages.padded(self._length, numbers), strict=True))


class AbstractSymbolSource(
    qs.AbstractSource,
    qs.sources.AbstractDrawing,
    qs.sources.AbstractReading,
    qs.sources.AbstractWriting,
    qs.sources.AbstractBaselines,
    qs.sources.AbstractKept,
):
    """Events (length,) of symbols: windows, or whole strings, of which the part 'padding' of `side` marks the empty places.

    Places after the end of a string hold symbol 0, which is kept for them. `beside` are bytes by name that a run keeps, such as
    a table of symbols. `shipped` is the name of the origin of data that the source itself contains, without a file.
    A subclass reads and divides, and names what stands beside events in tables: `named`, a column of records,
    and `counted`, the place where a window begins in its record.
    """

    shipped: str | None = None
    named: str = "record"
    counted: str = "place"
    alphabet: tuple[str, ...]
    _choices: Any
    _origin: qs.files.Origin
    _where: str
    _loaded: tuple[Strings, Division] | None = None
    _places = qs.files.Places()

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
    def restored(cls, choices: Any, where: str, kept: qs.sources.Kept) -> Self:
        """What the source of a run was. Its file is read when its events are needed, and must be the same, to the byte.

        Raises DataError for a record that is damaged; later, for data that are gone or were changed.
        """
        source = cls.__new__(cls)
        try:
            about = kept.about
            origin = qs.files.Origin(str(about["path"]), int(about["size"]), str(about["sha256"]))
            alphabet, notes = (tuple(map(str, about[name])) for name in ("alphabet", "notes"))
            if len(alphabet) < 2:
                raise ValueError("alphabet")
        except (KeyError, TypeError, ValueError) as error:
            raise qs.files.unreadable_record(error) from error
        source.beside = {name: array.astype(np.uint8).tobytes() for name, array in kept.arrays.items()}
        source._settle(choices, where, origin, alphabet, notes)
        source._places = kept.places
        return source

    def _settle(
        self,
        choices: SymbolChoices,
        where: str,
        origin: qs.files.Origin,
        alphabet: tuple[str, ...],
        notes: tuple[str, ...],
    ) -> None:
        self._choices, self._where, self._origin, self.alphabet, self.notes = choices, where, origin, alphabet, notes
        self.event = qs.Categorical((choices.length,), len(alphabet))
        self.side = self.side_of(choices)

    def _found(self) -> tuple[Strings, Division]:
        """What was read, and its division; of a run that was reopened read now. Raises DataError for other data."""
        if self._loaded is None:
            strings = self._reopened().data
            self._loaded = strings, self.divide(self._choices, strings)
        return self._loaded

    def _reopened(self) -> qs.files.Reopened[Strings]:
        is_inside = bool(self._where) or self._origin.path == self.shipped
        return qs.files.Reopened(self._origin, self._places, self._look, self._where if is_inside else None)

    def _look(self, place: str) -> tuple[qs.files.Origin, Callable[[], Strings]]:
        strings = self.read(self._choices, place)
        if strings.alphabet != self.alphabet:  # such as by another version of a library that spells them
            raise self._reopened().refusal(place)
        return strings.origin, lambda: strings

    def kept(self) -> qs.sources.Kept:
        about = {**attrs.asdict(self._origin), "alphabet": list(self.alphabet), "notes": list(self.notes)}
        return qs.sources.Kept(about, {name: np.frombuffer(data, np.uint8) for name, data in self.beside.items()})

    @abstractmethod
    def read(self, choices: Any, where: str, alphabet: tuple[str, ...] | None = None) -> Strings:
        """The strings of a place such as a file, spelt with an alphabet of their own; or, to be scored, with the given one.

        Raises DataError, of what is scored only where no record can be read; `Strings` has what is wrong with a single one.
        """

    @abstractmethod
    def divide(self, choices: Any, strings: Strings) -> Division:
        """What is in which split."""

    @abstractmethod
    def side_of(self, choices: Any) -> qs.Fields | None:
        """None for windows; for whole strings `padding(length)`, with further parts if it likes, which are zero but in training."""

    @property
    def division(self) -> Division:
        """What is in which split; reads the data of a run that was reopened. Raises DataError."""
        return self._found()[1]

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        strings, division = self._found()
        chosen, owners = division.events[name].only(slice(count)), division.owners[name][:count]
        return self._data(strings, chosen, owners)

    def _data(self, strings: Strings, chosen: Passages, owners: np.ndarray) -> qs.Data:
        x, padding = chosen.padded(self._choices.length)
        return qs.Data(x, self._side(padding), self._tags(strings, chosen, owners))

    def _tags(self, strings: Strings, chosen: Passages, owners: np.ndarray) -> dict[str, np.ndarray]:
        places = strings.offsets[owners] + chosen.starts - strings.passages.starts[owners]
        more = {name: np.asarray(values)[owners] for name, values in strings.tags.items()}
        named = {self.named: np.array(strings.names, object)[owners]}
        return {**named, **({self.counted: places} if self.side is None else {}), **more}

    def _side(self, padding: np.ndarray) -> dict[str, np.ndarray] | None:
        if self.side is None:
            return None
        zeros = {name: np.zeros((len(padding), *field.shape), field.dtype) for name, field in self.side.parts().items()}
        return {**zeros, qs.PADDING: padding}

    def stored(self) -> qs.sources.Rows:
        return PassageRows(self.division.rows, self._choices.length)

    def draw(self, row: Mapping[str, Any], *, key: jax.Array) -> tuple[Any, Any | None]:
        return jnp.asarray(row["x"], jnp.int32), None if self.side is None else {qs.PADDING: jnp.asarray(row[qs.PADDING])}

    def read_events(self, path: str | Path) -> qs.Data:
        """Events of another file, read as this one was: all its windows side by side, or its strings. Raises DataError.

        Windows or strings with a symbol outside the alphabet are `outside`, and strings of another length.
        """
        strings = self.read(self._choices, os.path.expanduser(path), self.alphabet)
        passages, length = strings.passages, self._choices.length
        is_window = self.side is None
        pieces, owners = windows_or_short(passages, length) if is_window else (passages, np.arange(len(passages)))
        reasons = self._reasons(strings, pieces, owners)
        inside, tags = np.setdiff1d(np.arange(len(pieces)), list(reasons)), self._tags(strings, pieces, owners)
        outside = (
            qs.sources.Outside(row, why, {name: values[row] for name, values in tags.items()}) for row, why in reasons.items()
        )
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

    def render(self, xs: Any, axes: Any) -> None:
        """As lines of text, as many as there is room for."""
        draw_lines(self.spell(xs), axes)
