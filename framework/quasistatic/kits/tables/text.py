"""Tables in text files: encoding, comments, delimiter and header are recognised, reported and can be set."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import attrs

import quasistatic as qs
from quasistatic.kits.tables.forms import MISSING
from quasistatic.kits.tables.options import ReadingOptions

HEAD = 2**18  # bytes in which the format is recognised
LOOKED_AT = 100  # lines
DELIMITERS = (",", ";", "\t", "|")
FALLBACKS = ("windows-1252", "latin-1")
MARKS = {  # the longer ones first, as they begin with others
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NUMBER = r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?"


@attrs.frozen
class TextFormat:
    """How a text file is a table: `skipped` lines come before the header or the first row; `delimiter` "" stands for blanks;
    `is_spaced` where blanks come before quotation marks.
    """

    encoding: str
    delimiter: str
    comment: str
    header: tuple[str, ...] | None
    skipped: int
    width: int
    is_spaced: bool
    notes: tuple[str, ...]


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, inflated where it is a .gz."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else open(path, "rb")  # type: ignore[return-value]


def recognise(path: Path, options: ReadingOptions, known: Sequence[str] = ()) -> TextFormat:
    """The format of a text file, from its first lines, what `options` set, and names of columns that are `known` to be there.
    Raises DataError, OSError.
    """
    if len(options.delimiter.encode()) > 1 or options.delimiter in ('"', "\n", "\r"):
        raise qs.DataError(f"source.delimiter: expected one ASCII sign, not a quotation mark, got {options.delimiter!r}")
    with opened(path) as file:
        head = file.read(HEAD)
    encoding, note = _encoding(path, head, options.encoding)
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    except UnicodeDecodeError as error:
        raise not_decoded(path, encoding, error) from error
    lines = list(io.StringIO(text, newline=None))  # no other sign than line ends parts lines
    lines = lines[:-1] if len(head) == HEAD and len(lines) > 1 else lines
    lines = lines[: 10 * LOOKED_AT]
    if not text.strip():
        raise qs.DataError(f"{path}: is empty")
    if "\0" in text:
        raise qs.DataError(f"{path}: is not text: it holds bytes that are 0  (source.encoding sets how text is encoded)")
    leading = _leading(lines, options)
    body = [line for line in lines[leading:] if line.strip() and not (options.comment and line.startswith(options.comment))]
    delimiter = options.delimiter or _delimiter(body[:LOOKED_AT])
    rows = split_lines(body[:LOOKED_AT], delimiter)
    commented = None if options.comment else _named_in_comment(lines[:leading], delimiter, rows)
    if commented:
        leading -= 1
        rows = [commented, *rows]
    if not rows:
        raise qs.DataError(f"{path}: holds no rows, only {leading} lines that begin with {options.comment or '#'}")
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    if options.header != "auto":
        has_header = options.header == "yes"
    elif known:
        has_header = bool(commented) or not set(known).isdisjoint(rows[0]) or (not all(map(is_made_up, known)) and _is_header(rows))
    else:
        has_header = bool(commented) or _is_header(rows)
    first = leading + 1
    if has_header and len(rows[0]) == width - 1 and options.header == "auto":
        ends_empty = not any(row[-1] for row in rows[1:] if len(row) == width)
        rows[0] = [*rows[0], ""] if ends_empty else ["", *rows[0]]  # R writes no name for the names of rows
    if has_header and len(rows[0]) != width:
        raise qs.DataError(f"{path}: line {first} has {len(rows[0])} cells, the lines below have {width}  ({DELIMITED})")
    parted = {"": "blanks", "\t": "tabs"}.get(delimiter, f"{delimiter!r}")
    notes = [
        *note,
        f"columns are parted by {parted} (source.delimiter), "
        + (f"line {first} is the header" if has_header else "there is no header")
        + " (source.header)",
    ]
    if leading:
        notes += _about_leading(lines[:leading], options.comment or "#")
    header = tuple(named(rows[0])) if has_header else None
    is_spaced = any(re.search(rf'(^|{re.escape(delimiter or ",")}) +"', line) for line in body[:LOOKED_AT])
    return TextFormat(encoding, delimiter, options.comment, header, leading, width, is_spaced, tuple(notes))


def is_made_up(name: str) -> bool:
    """Whether it is the name of a column of a file without a header."""
    return re.fullmatch(r"column \d+", name) is not None


def _about_leading(lines: Sequence[str], comment: str) -> list[str]:
    count = sum(line.startswith(comment) for line in lines)
    return [f"{count} lines at the top that begin with {comment} are comments (source.comment)"] if count else []


def named(header: Sequence[str]) -> list[str]:
    """With names for columns that have none, where there are several."""
    if sum(not name for name in header) < 2:
        return list(header)
    return [name or f"column {number}" for number, name in enumerate(header, 1)]


def not_decoded(path: Path, encoding: str, error: UnicodeDecodeError) -> qs.DataError:
    return qs.DataError(f"{path}: is not {encoding} text: {error.reason} at byte {error.start}  (source.encoding sets another)")


DELIMITED = "source.delimiter sets the sign between cells, source.header whether there is a header"


def _encoding(path: Path, head: bytes, given: str) -> tuple[str, tuple[str, ...]]:
    if given:
        try:
            head.decode(codecs.lookup(given).name, errors="ignore")
        except LookupError:
            raise qs.DataError(f"source.encoding: there is no encoding {given!r}, expected one such as utf-8 or latin-1") from None
        return ("utf-8-sig" if codecs.lookup(given).name == "utf-8" and head.startswith(codecs.BOM_UTF8) else given), ()
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding, () if encoding == "utf-8-sig" else (f"text is read as {encoding} (source.encoding)",)
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head, final=False)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        found = next((each for each in FALLBACKS if _decodes(head, each)), FALLBACKS[0])
        return found, (f"line {line} is not UTF-8, so that text is read as {found} (source.encoding)",)
    return "utf-8", ()


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        head.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _leading(lines: Sequence[str], options: ReadingOptions) -> int:
    """How many lines at the top are blank, or begin with # and have not the cells of the rows below, or are comments."""
    mark = options.comment or "#"
    count = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith(mark)), len(lines))
    if options.comment:
        return count
    rest = [line for line in lines[count:] or lines if line.strip()][:LOOKED_AT]
    delimiter = options.delimiter or _delimiter(rest)
    rows = split_lines(rest, delimiter)
    if count < len(lines) and (not rows or _is_header(rows)):  # nothing comes before a header but comments
        return count
    width = len(rows[0]) if rows else 0
    for number, line in enumerate(lines[:count]):
        cells = split_lines([line], delimiter)
        if cells and len(cells[0]) == width and (len(lines) > count or width > 1) and any(map(_looks_numeric, cells[0])):
            return number  # a row whose first cell begins with #
        if cells and width == 1 and count < len(lines):
            return number
    return count


def _named_in_comment(lines: Sequence[str], delimiter: str, rows: Sequence[Sequence[str]]) -> list[str] | None:
    """The names of the columns in the last line that begins with #, if it has one for each column."""
    if not lines or not rows or not any(map(_looks_numeric, rows[0])):
        return None
    last = lines[-1][1:] if lines[-1].startswith("# ") else lines[-1]
    cells = split_lines([last], delimiter)
    return cells[0] if cells and len(cells[0]) == len(rows[0]) > 1 and not any(map(_looks_numeric, cells[0])) else None


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that parts most lines into equally many cells; of equals the one that makes more cells."""
    best, chosen = (0.0, 1), ","
    for delimiter in (*DELIMITERS, ""):
        widths = Counter(len(row) for row in split_lines(lines, delimiter))
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        if not delimiter and lines and len(lines[0].split()) == 1:
            continue  # text of several words below its name
        if width > 1 and (count / widths.total(), width if delimiter else 1) > best:
            best, chosen = (count / widths.total(), width), delimiter
    return chosen


def split_lines(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of lines, without blanks around them."""
    if not delimiter:
        lines, delimiter = [with_single_blanks(line) for line in lines], " "
    try:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        return [[cell.strip() for cell in row] for row in reader if any(row)]
    except csv.Error:
        return []


def with_single_blanks(line: str) -> str:
    """A line with blanks between cells, none of which is a tab or at an end."""
    return line.strip().replace("\t", " ") + "\n"


def _looks_numeric(cell: str) -> bool:
    return re.fullmatch(NUMBER, cell) is not None


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: some column has numbers below a cell that is not one, or no cell is missing or
    there twice, and either no cell looks like a number or a column repeats cells below one that it does not repeat.
    """
    first, rest = rows[0], rows[1:]
    columns = [[row[k] for row in rest if len(row) > k and row[k]] for k in range(len(first))]
    numeric = [_looks_numeric(cell) for cell in first]
    is_distinct = len(set(first)) == len(first)
    if not first[0] and len(first) > 1:  # R leaves the first name out
        return all(first[1:]) and is_distinct
    for name, is_number, below in zip(first, numeric, columns, strict=True):
        is_word = name and not is_number and name.lower() not in MISSING
        if is_word and below and sum(map(_looks_numeric, below)) > 0.5 * len(below):
            return True
    if not all(first) or not is_distinct:
        return False
    if not any(numeric):
        return not rest or not all(name in below for name, below in zip(first, columns, strict=True))
    return any(
        not is_number and name not in below and len(set(below)) < len(below)
        for name, is_number, below in zip(first, numeric, columns, strict=True)
    )
