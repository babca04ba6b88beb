"""Records of FASTA, FASTQ and GenBank, read by Biopython."""

from __future__ import annotations

import codecs
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attrs

import quasistatic as qs

FORMATS = {
    **dict.fromkeys((".fasta", ".fa", ".fna", ".ffn", ".faa", ".frn", ".fas", ".fsa", ".afa", ".mfa"), "FASTA"),
    **dict.fromkeys((".fastq", ".fq"), "FASTQ"),
    **dict.fromkeys((".gb", ".gbk", ".genbank"), "GenBank"),
}
BEGINS = {"FASTA": ">", "FASTQ": "@", "GenBank": "LOCUS"}
LETTER, RECORD = 48, 5000  # bytes that one takes on the way; those of a record stand for its time
NAMED = 20  # records that are named in a note
COMMENT = re.compile(r"^;.*\n?", re.MULTILINE)
WITH_DIGITS = re.compile(r"^(?!>).*\d.*$", re.MULTILINE)  # lines of letters
NUMBER = re.compile(r"(?<!\S)\d+(?!\S)")  # of the first or last letter of a line, as GenBank and EMBL have it


@attrs.frozen
class Letters:
    """The letters of a kind of sequence; those that may stand for several of them, and the one that stands for any."""

    certain: str
    ambiguous: str
    any: str
    stop: str = ""
    gap: str = "-."


# IUPAC; selenocysteine (U) and pyrrolysine (O) are rare enough to be treated as ambiguous ones
LETTERS = {
    "dna": Letters("ACGT", "RYSWKMBDHVN", "N"),
    "rna": Letters("ACGU", "RYSWKMBDHVN", "N"),
    "protein": Letters("ACDEFGHIKLMNPQRSTVWY", "BZJXUO", "X", "*"),
}


class Record(NamedTuple):
    """A name, and the letters as the file has them, without blanks; of some records there are none."""

    name: str
    letters: str


class File(NamedTuple):
    """The records of a file in its order, its bytes, and sentences about what was left out between letters."""

    records: list[Record]
    data: bytes
    notes: tuple[str, ...]


def read_records(path: str | Path) -> File:
    """All records of a file. Raises DataError for one that has none, or is of no known format."""
    path = Path(path).expanduser()
    plain = path.name.lower().removesuffix(".gz")
    form = FORMATS.get(Path(plain).suffix)
    if form is None:
        raise qs.DataError(f"{path}: expected a file that ends in {', '.join(FORMATS)}, or .gz of these")
    data = qs.files.read_bytes(path, LETTER)
    text, notes = _plain(_decoded(data)) if form == "FASTA" else (_decoded(data), ())
    if not text.startswith(BEGINS[form]):
        found = f"begins with {text[:20]!r}" if text else "is empty"
        raise qs.DataError(f"{path}: is no {form} file: it {found}, expected {BEGINS[form]!r}")
    try:
        with warnings.catch_warnings(action="ignore"):  # what it warns of and reads, it reads well
            parsed = list(_parsed(io.StringIO(text), form))
    except qs.DataError:
        raise
    except Exception as error:  # its readers promise no kind of error
        raise qs.DataError(f"{path}: is no {form} file, or is damaged: {' '.join(str(error).split())[:200]}") from error
    try:
        qs.files.refuse_costly(RECORD * len(parsed) + LETTER * len(data), path.stat().st_size)
    except OSError as error:
        raise qs.DataError(f"{path}: {len(parsed)} records: {error}") from error
    titled = ((title.split(), "".join(letters.split())) for title, letters in parsed)
    records = [Record(words[0] if words else f"number {number}", own) for number, (words, own) in enumerate(titled, 1)]
    if not records:
        raise qs.DataError(f"{path}: holds no records")
    return File(records, data, notes)


def _decoded(data: bytes) -> str:
    """Text without a byte order mark, whose lines end in one way; names may be in any encoding, letters are ASCII."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip()


def _plain(text: str) -> tuple[str, tuple[str, ...]]:
    """FASTA without comments and without numbers between the letters, and sentences about these."""
    text, comments = COMMENT.subn("", text)
    counts: list[int] = []

    def without(line: re.Match[str]) -> str:
        found, count = NUMBER.subn(" ", line[0])
        counts.append(count)
        return found

    text = WITH_DIGITS.sub(without, text)
    notes = (
        *((f"left out {comments} lines of comments, which begin with ;",) if comments else ()),
        *((f"left out {sum(counts)} numbers that stand between the letters",) if any(counts) else ()),
    )
    return text.lstrip(), notes


def _parsed(file: io.StringIO, form: str) -> Iterator[tuple[str, str]]:
    """Title and letters of each record."""
    try:
        from Bio import SeqIO
        from Bio.Seq import UndefinedSequenceError
        from Bio.SeqIO.FastaIO import SimpleFastaParser
        from Bio.SeqIO.QualityIO import FastqGeneralIterator
    except ImportError as error:
        raise qs.DataError("source 'sequences' needs Biopython: pip install \"quasistatic[biology]\"") from error
    if form == "FASTA":
        yield from SimpleFastaParser(file)
    elif form == "FASTQ":
        # a dot is a base that was not read
        yield from ((title, letters.replace(".", "N")) for title, letters, _ in FastqGeneralIterator(file))
    else:
        for record in SeqIO.parse(file, "genbank"):
            try:
                yield record.id, str(record.seq)
            except UndefinedSequenceError:
                yield record.id, ""


def about_records(records: Sequence[Record]) -> Iterator[str]:
    """Sentences about names that several records have, and about copies."""
    if twice := [name for name, count in Counter(record.name for record in records).items() if count > 1]:
        yield f"{len(twice)} names are those of several records: {listed(twice)}"
    if copies := len(records) - len({record.letters.upper() for record in records}):
        yield f"{copies} of {len(records)} records are exact copies of one before"


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
