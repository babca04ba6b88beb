"""Biological sequences as symbols; samples come back as FASTA, and are judged by how often they have each k-mer."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

import quasistatic as qs
from quasistatic.kits import sequences
from quasistatic_plugins.sequences import SequencesOptions
from quasistatic_plugins.sequences.letters import (
    AMBIGUOUS,
    Codes,
    Lost,
    about_letters,
    coded,
    foreign_coded,
    refusal,
    refuse_ambiguous,
    symbols_of,
)
from quasistatic_plugins.sequences.reading import LETTERS, File, Record, about_records, listed, read_records

WIDTH = 60  # letters of a line of FASTA
SIZES = (3, 6)  # of k-mers


def build(options: SequencesOptions) -> Sequences:
    """The source of the file that the options name. Raises DataError, which names the record, the place and a way out."""
    if not options.path:
        raise qs.DataError("source.path: must be given, a file of sequences (FASTA, FASTQ or GenBank)")
    return Sequences(options, options.path)


def restore(options: SequencesOptions, kept: qs.sources.Kept) -> Sequences:
    """The source of a run that is reopened; its file is read when its sequences are used."""
    return Sequences.restored(options, options.path, kept)


class Sequences(sequences.AbstractSymbolSource, qs.sources.AbstractJudge):
    """Events (length,) are windows of records, or whole records, whose places beyond the end are symbol 0."""

    counted = "position"
    endings = (".fasta", ".fa")
    _choices: SequencesOptions

    def read(self, choices: SequencesOptions, where: str, alphabet: tuple[str, ...] | None = None) -> sequences.Strings:
        file = read_records(where)
        origin = qs.files.origin_of(where, {"": file.data})
        padding = ("",) if choices.events == "records" else ()
        if alphabet is not None:
            return _scored(choices, file.records, origin, alphabet)
        records, codes, notes = _chosen(choices, where, file)
        passages = sequences.joined_strings([each.codes + len(padding) for each in codes], 30)
        names, offsets = [record.name for record in records], np.ones(len(records), np.int64)
        if any((each.codes == AMBIGUOUS).any() for each in codes):
            passages, owners, offsets = _certain(codes, passages, by_record=choices.events == "records")
            names = [names[owner] for owner in owners]
        notes = (
            f"read {sum(len(each.codes) for each in codes)} letters in {len(records)} records of {origin.path}",
            *notes,
            *_left_out(choices, names, passages.counts),
        )
        return sequences.Strings(origin, (*padding, *symbols_of(choices)), passages, names, offsets, notes)

    def divide(self, choices: SequencesOptions, strings: sequences.Strings) -> sequences.Division:
        if choices.events == "records":
            return sequences.whole(strings, choices, sequences.same_strings(strings.passages), choices.split_seed)
        return sequences.windows(strings, choices)

    def side_of(self, choices: SequencesOptions) -> qs.Fields | None:
        return sequences.padding(choices.length) if choices.events == "records" else None

    def write_events(self, xs: np.ndarray, ending: str) -> bytes:
        """FASTA, with records sample-1, sample-2 and so on: an event has no name of its own."""
        lines = ("\n".join([f">sample-{number}", *textwrap.wrap(text, WIDTH)]) for number, text in enumerate(self.spell(xs), 1))
        return ("\n".join(lines) + "\n").encode()

    def baselines(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """Markov chains of the training part; as for K, nothing is known before an event."""
        texts = self.division.texts
        return sequences.markov_models(texts["train"], texts["validation"], self.passages_of(xs), len(self.alphabet))

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        """Distances of k-mer spectra to the test split, from 0 to 1: those of samples, and those of as many training events."""
        train, test = (self.split(name).x for name in ("train", "test"))
        alike = train[np.linspace(0, len(train) - 1, min(len(xs), len(train))).astype(int)]
        found = {}
        for k in SIZES:
            test_mers, *others = (self._mers(each, k) for each in (test, xs, alike))
            for name, mers in zip(("", "_of_training_events"), others, strict=True):
                found[f"distance_of_{k}-mers{name}"] = spectral_distance(mers, test_mers)
        return found

    def _mers(self, xs: np.ndarray, k: int) -> np.ndarray:
        """The number of each word of k certain letters in events, (how many there are,)."""
        padding, certain = self.alphabet[:1].count(""), len(LETTERS[self._choices.alphabet].certain)
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(xs, np.int64) - padding, k, axis=1).reshape(-1, k)
        whole = windows[((windows >= 0) & (windows < certain)).all(axis=1)]
        return whole @ certain ** np.arange(k)


def spectral_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The Jensen-Shannon distance of two samples (N,) and (M,): the root of the divergence in bits; 1 where one is empty."""
    if not len(a) or not len(b):
        return 1.0
    known, where = np.unique(np.concatenate([a, b]), return_inverse=True)
    p, q = (np.bincount(part, minlength=len(known)) / len(part) for part in (where[: len(a)], where[len(a) :]))
    middle = 0.5 * (p + q)
    divergence = sum(float((each * np.log2(np.maximum(each, 1e-300) / middle)).sum()) for each in (p, q))
    return float(np.sqrt(max(0.0, 0.5 * divergence)))


def _chosen(choices: SequencesOptions, where: str, file: File) -> tuple[list[Record], list[Codes], tuple[str, ...]]:
    """The records that are trained on with their codes, and sentences about what is lost. Raises DataError."""
    found = [(record, *coded(choices, record)) for record in file.records]
    reasons = [refusal(choices, record, codes) for record, codes, _ in found]
    refused = [(record.name, why) for record, why in zip(file.records, reasons, strict=True) if why]
    if refused and (choices.unknown == "refuse" or len(refused) == len(found)):
        more = f" ({len(refused)} of {len(found)} records have such a place)" if len(refused) > 1 else ""
        raise qs.DataError(f"{where}: {refused[0][1]}{more}")
    whole = [each for each, why in zip(found, reasons, strict=True) if not why]
    full = [each for each in whole if len(each[1].codes)]
    if not full:
        raise qs.DataError(f"{where}: holds no letters in its {len(found)} records")
    records, codes = [each[0] for each in full], [each[1] for each in full]
    if choices.ambiguous == "refuse":
        refuse_ambiguous(where, records, codes)
    empty = [record.name for record, own, _ in whole if not len(own.codes)]
    lost = Lost(*(sum(each) for each in zip(*(each[2] for each in full), strict=True)))
    notes = (
        *file.notes,
        *((f"left out {len(empty)} records without letters: {listed(empty)}",) if empty else ()),
        *((f"left out {len(refused)} records with what is no letter: {listed([name for name, _ in refused])}",) if refused else ()),
        *about_records(records),
        *about_letters(choices, lost, {letter for record in records for letter in set(record.letters.upper())}),
    )
    return records, codes, notes


def _scored(choices: SequencesOptions, records: Sequence[Record], origin: Any, alphabet: tuple[str, ...]) -> sequences.Strings:
    """All records, with what is no symbol in its place."""
    padding, foreign = alphabet.count(""), dict[str, int]()
    rows = [foreign_coded(choices, record, len(alphabet) - padding, foreign) + padding for record in records]
    return sequences.Strings(
        origin,
        alphabet,
        sequences.joined_strings(rows, len(alphabet) + len(foreign)),
        [record.name for record in records],
        np.ones(len(records), np.int64),
        foreign=tuple(foreign),
        refused={number: "it has no letters" for number, row in enumerate(rows) if not len(row)},
    )


def _certain(
    all_codes: Sequence[Codes], passages: sequences.Passages, by_record: bool
) -> tuple[sequences.Passages, np.ndarray, np.ndarray]:
    """The runs of certain letters, or the records that are one, with the record of each and the position where it begins."""
    starts, counts, owners, offsets = [], [], [], []
    for owner, (own, start) in enumerate(zip(all_codes, passages.starts.tolist(), strict=True)):
        is_certain = np.concatenate([[False], own.codes != AMBIGUOUS, [False]])
        ends = np.flatnonzero(is_certain[1:] != is_certain[:-1]).reshape(-1, 2)
        if by_record and (len(ends) != 1 or ends[0, 1] - ends[0, 0] < len(own.codes)):
            continue
        starts += (start + ends[:, 0]).tolist()
        counts += (ends[:, 1] - ends[:, 0]).tolist()
        owners += [owner] * len(ends)
        offsets += (ends[:, 0] + 1).tolist()
    kept = sequences.Passages(passages.symbols, np.array(starts, np.int64), np.array(counts, np.int64))
    return kept, np.array(owners, np.int64), np.array(offsets, np.int64)


def _left_out(choices: SequencesOptions, names: Sequence[str], counts: np.ndarray) -> tuple[str, ...]:
    """A sentence about records that are too short for a window, or too long to be an event."""
    if choices.events == "windows":
        longest: dict[str, int] = {}
        for name, count in zip(names, counts.tolist(), strict=True):
            longest[name] = max(count, longest.get(name, 0))
        out, why = [name for name, count in longest.items() if count < choices.length], "have no window of"
    else:
        out, why = [name for name, count in zip(names, counts, strict=True) if count > choices.length], "are longer than"
    if not out:
        return ()
    return (f"left out {len(out)} records that {why} {choices.length} letters: {listed(out)}",)
