"""Letters of sequences as codes, and what becomes of gaps, stops and what is no letter."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

import quasistatic as qs
from quasistatic_plugins.sequences import SequencesOptions
from quasistatic_plugins.sequences.reading import LETTERS, Record

OUTSIDE, AMBIGUOUS, GAP, STOP = -1, -2, -3, -4


class Codes(NamedTuple):
    """Of a record: the code of each letter, its place among the symbols or below 0, and where each stands in the file, from 0."""

    codes: np.ndarray
    places: np.ndarray


class Lost(NamedTuple):
    """How many letters were gaps, stops or ones that may stand for several, and how many were in lower case."""

    gaps: int
    stops: int
    ambiguous: int
    lower: int


def symbols_of(choices: SequencesOptions) -> str:
    """The certain letters, and those that stand for others, for gaps and for stops, where these are symbols."""
    return LETTERS[choices.alphabet].certain + "".join(_more(choices).values())


def _more(choices: SequencesOptions) -> dict[int, str]:
    """The symbol of each kind of letters that share one."""
    own = LETTERS[choices.alphabet]
    found = {AMBIGUOUS: (choices.ambiguous, own.any), GAP: (choices.gaps, "-"), STOP: (choices.stops, own.stop)}
    return {kind: letter for kind, (rule, letter) in found.items() if rule == "symbol" and letter}


def coded(choices: SequencesOptions, record: Record) -> tuple[Codes, Lost]:
    """The letters that are left of a record by the rules for gaps and stops."""
    raw = np.frombuffer(record.letters.encode("latin-1", "replace"), np.uint8)
    kinds = _table(choices.alphabet)[raw]
    keeps = np.ones(len(kinds), bool)
    is_gap, is_stop, is_ambiguous = (kinds == kind for kind in (GAP, STOP, AMBIGUOUS))
    if choices.gaps == "remove":
        keeps &= ~is_gap
    if choices.stops == "remove" and len(kinds):
        passed = is_stop | ~keeps
        last = 0 if passed.all() else len(kinds) - int(np.argmin(passed[::-1]))  # what is behind are stops and removed gaps
        keeps[last:] = False
    for kind, letter in _more(choices).items():
        kinds = np.where(kinds == kind, symbols_of(choices).index(letter), kinds)
    lower = int(((raw >= ord("a")) & (raw <= ord("z"))).sum())
    lost = Lost(int(is_gap.sum()), int(is_stop.sum()), int(is_ambiguous.sum()), lower)
    return Codes(kinds[keeps].astype(np.int64), np.flatnonzero(keeps)), lost


@functools.cache
def _table(alphabet: str) -> np.ndarray:
    """The code of each byte."""
    own = LETTERS[alphabet]
    table = np.full(256, OUTSIDE, np.int8)
    for kind, letters in ((GAP, own.gap), (STOP, own.stop)):
        table[np.frombuffer(letters.encode(), np.uint8)] = kind
    for each in (str.upper, str.lower):  # lower case marks what was masked
        table[np.frombuffer(each(own.ambiguous).encode(), np.uint8)] = AMBIGUOUS
        table[np.frombuffer(each(own.certain).encode(), np.uint8)] = np.arange(len(own.certain))
    return table


def what_is(code: int, letter: str, alphabet: str) -> str:
    """What a letter is that is no symbol."""
    own = LETTERS[alphabet]
    if code == AMBIGUOUS:
        return f"{letter!r} may stand for several of {own.certain}"
    if code == GAP:
        return f"{letter!r} is a gap"
    if code == STOP:
        return f"{letter!r} is a stop that does not end the record"
    return f"{letter!r} is no letter of {alphabet} (it has {own.certain}, and for several of them {own.ambiguous})"


def refusal(choices: SequencesOptions, record: Record, codes: Codes) -> str | None:
    """Why a record cannot be used, and the options that change it; None where it can. Ambiguous letters are no reason."""
    bad = np.flatnonzero((codes.codes < 0) & (codes.codes != AMBIGUOUS))
    if not len(bad):
        return None
    place, code = int(codes.places[bad[0]]), int(codes.codes[bad[0]])
    letter = record.letters[place]
    found = f"record {record.name}, position {place + 1}: {what_is(code, letter, choices.alphabet)}"
    if code == GAP:
        return f"{found}; --set source.gaps=remove leaves gaps out, =symbol makes them one symbol more"
    if code == STOP and choices.stops == "error":
        found = f"record {record.name}, position {place + 1}: {letter!r} is a stop"
        return f"{found}; --set source.stops=remove leaves out those that end a record, =symbol makes them one symbol more"
    skip = "--set source.unknown=skip-records leaves out records that have one"
    if code == STOP:
        return f"{found}; --set source.stops=symbol makes it one symbol more, {skip}"
    return f"{found}{_advice(record.letters, choices.alphabet)}; {skip}"


def _advice(letters: str, alphabet: str) -> str:
    found = set(letters.upper()) - {"-", ".", "*"}
    fitting = [name for name, own in LETTERS.items() if found <= {*own.certain, *own.ambiguous}]
    return "" if alphabet in fitting or not fitting else f"; is it {fitting[0]}? then --set source.alphabet={fitting[0]}"


def about_letters(choices: SequencesOptions, lost: Lost, seen: set[str]) -> Iterator[str]:
    """Sentences about what was left out or read as something else; `seen` are all letters of all records."""
    one_more = "they are one symbol more"
    if lost.ambiguous:
        yield f"{lost.ambiguous} letters may stand for several: {one_more if choices.ambiguous == 'symbol' else 'no event has one'}"
    if lost.gaps:
        left_out = "they are left out, and positions count without them (source.gaps)"
        yield f"{lost.gaps} gaps, - or .: {one_more if choices.gaps == 'symbol' else left_out}"
    if lost.stops:
        left_out = "they are left out at the ends of records (source.stops)"
        yield f"{lost.stops} stops, *: {one_more if choices.stops == 'symbol' else left_out}"
    if lost.lower:
        yield f"{lost.lower} letters are in lower case, which marks what is masked: they are read as upper case"
    if choices.alphabet == "protein":
        for other in ("dna", "rna"):
            if seen - {"N", "-", ".", "*"} <= set(LETTERS[other].certain):
                yield f"all letters are {', '.join(sorted(seen))}: is it {other}? then --set source.alphabet={other}"
                break


def refuse_ambiguous(where: str, records: Sequence[Record], codes: Sequence[Codes]) -> None:
    """Raises DataError for letters that may stand for several, naming the first."""
    counts = [int((each.codes == AMBIGUOUS).sum()) for each in codes]
    if not any(counts):
        return
    first = next(number for number, count in enumerate(counts) if count)
    place = int(codes[first].places[np.argmax(codes[first].codes == AMBIGUOUS)])
    raise qs.DataError(
        f"{where}: {sum(counts)} letters may stand for several, the first in record {records[first].name}, position "
        f"{place + 1}; --set source.ambiguous=skip-windows leaves out what has one, =symbol makes them one symbol more"
    )


def foreign_coded(choices: SequencesOptions, record: Record, known: int, foreign: dict[str, int]) -> np.ndarray:
    """The codes of a record, of which those that are no symbol are `known` and more: `foreign` numbers what they are."""
    codes, places = coded(choices, record)[0]
    bad = np.flatnonzero(codes < 0)
    if not len(bad):
        return codes
    letters = np.frombuffer(record.letters.encode("latin-1", "replace"), np.uint8)[places[bad]]
    for letter in np.unique(letters):
        here = bad[letters == letter]
        what = what_is(int(codes[here[0]]), record.letters[places[here[0]]], choices.alphabet)
        codes[here] = known + foreign.setdefault(what, len(foreign))
    return codes
