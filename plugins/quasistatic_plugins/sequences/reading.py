"""Records of FASTA, FASTQ and GenBank, read by Biopython, as codes of letters."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import attrs
import numpy as np

import quasistatic as qs

FORMATS = {
    **dict.fromkeys((".fasta", ".fa", ".fna", ".ffn", ".faa", ".frn", ".fas"), "FASTA"),
    **dict.fromkeys((".fastq", ".fq"), "FASTQ"),
    **dict.fromkeys((".gb", ".gbk", ".genbank"), "GenBank"),
}
BEGINS = {"FASTA": ">", "FASTQ": "@", "GenBank": "LOCUS"}
OUTSIDE, AMBIGUOUS = -1, -2


@attrs.frozen
class Letters:
    """The letters of a kind of sequence; those that may stand for several of them, and the one that stands for any."""

    certain: str
    ambiguous: str
    any: str


# IUPAC; selenocysteine (U) and pyrrolysine (O) are rare enough to be treated as ambiguous ones
LETTERS = {
    "dna": Letters("ACGT", "RYSWKMBDHVN", "N"),
    "rna": Letters("ACGU", "RYSWKMBDHVN", "N"),
    "protein": Letters("ACDEFGHIKLMNPQRSTVWY", "BZJXUO", "X"),
}


class Record(NamedTuple):
    """A name, and the code of each letter: its place among the certain ones, or AMBIGUOUS."""

    name: str
    codes: np.ndarray


def read_records(path: str | Path, alphabet: str) -> tuple[list[Record], bytes]:
    """All records of a file, and its bytes. Raises DataError, which names the record and the place of what is no letter."""
    path = Path(path).expanduser()
    plain = path.name.lower().removesuffix(".gz")
    form = FORMATS.get(Path(plain).suffix)
    if form is None:
        raise qs.DataError(f"{path}: expected a file that ends in {', '.join(FORMATS)}, or .gz of these")
    data = qs.read_bytes(path)
    text = data.decode("latin-1").lstrip()
    if not text.startswith(BEGINS[form]):
        found = f"begins with {text[:20]!r}" if text else "is empty"
        raise qs.DataError(f"{path}: is no {form} file: it {found}, expected {BEGINS[form]!r}")
    try:
        with warnings.catch_warnings(action="ignore"):  # what it warns of and reads, it reads well
            found_records = list(_parsed(io.StringIO(text), form))
    except qs.DataError:
        raise
    except Exception as error:  # its readers promise no kind of error
        raise qs.DataError(f"{path}: is no {form} file, or is damaged: {' '.join(str(error).split())[:200]}") from error
    return [Record(name, _codes(path, name, letters, alphabet)) for name, letters in _named(path, found_records)], data


def _parsed(file: io.StringIO, form: str) -> Iterator[tuple[str, str]]:
    """Title and letters of each record."""
    try:
        from Bio import SeqIO
        from Bio.SeqIO.FastaIO import SimpleFastaParser
        from Bio.SeqIO.QualityIO import FastqGeneralIterator
    except ImportError as error:
        raise qs.DataError("source 'sequences' needs Biopython: pip install \"quasistatic[biology]\"") from error
    if form == "FASTA":
        yield from SimpleFastaParser(file)
    elif form == "FASTQ":
        yield from ((title, letters) for title, letters, _ in FastqGeneralIterator(file))
    else:
        yield from ((record.id, str(record.seq)) for record in SeqIO.parse(file, "genbank"))


def _named(path: Path, records: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """With the first word of the title, or the number of the record. Raises DataError for one without letters, or none at all."""
    number = 0
    for number, (title, letters) in enumerate(records, 1):
        name = (title.split() or [f"number {number}"])[0]
        if not letters:
            raise qs.DataError(f"{path}: record {name} ({number} in the file) has no letters; remove it")
        yield name, letters
    if not number:
        raise qs.DataError(f"{path}: holds no records")


def _codes(path: Path, name: str, letters: str, alphabet: str) -> np.ndarray:
    own = LETTERS[alphabet]
    table = np.full(256, OUTSIDE, np.int8)
    for each in (str.upper, str.lower):  # lower case marks what was masked
        table[np.frombuffer(each(own.ambiguous).encode(), np.uint8)] = AMBIGUOUS
        table[np.frombuffer(each(own.certain).encode(), np.uint8)] = np.arange(len(own.certain))
    codes = table[np.frombuffer(letters.encode("latin-1"), np.uint8)]
    if (codes == OUTSIDE).any():
        place = int(np.argmax(codes == OUTSIDE))
        raise qs.DataError(
            f"{path}: record {name}, position {place + 1}: {letters[place]!r} is no letter of {alphabet} (it has {own.certain}, "
            f"and for several of them {own.ambiguous}){_advice(letters.upper(), alphabet)}"
        )
    return codes


def _advice(letters: str, alphabet: str) -> str:
    for other in ("dna", "rna", "protein"):
        if other != alphabet and set(letters) <= {*LETTERS[other].certain, *LETTERS[other].ambiguous}:
            return f"; is it {other}? then --set source.alphabet={other}"
    return ""
