"""Tables in text files: encoding, comments, delimiter and header are recognised, reported and can be set; rows come in pieces.

A piece is a frame of text (polars), so that a file larger than the memory can be read; nothing is made a number here.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.options import ReadingOptions

PIECE = 2**22  # bytes of a file that are read together
SOME = 2**17  # of these bytes that are looked at together
HEAD = 2**18  # bytes in which the format is recognised
LOOKED_AT = 100  # lines
DELIMITERS = (",", ";", "\t", "|")
FALLBACK = "windows-1252"
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
NUMBER = r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?"


@attrs.frozen
class Piece:
    """Rows of a table: text (N, columns), null where a cell is empty, the place of each row (N,), and how many rows were blank.

    `is_plain` where cells are known to hold digits, points and minus signs alone, and none has a zero in front of a digit.
    """

    frame: pl.DataFrame
    places: np.ndarray
    blank: int = 0
    is_plain: bool = False


@attrs.frozen
class TextFormat:
    """How a text file is a table: `skipped` lines come before the header or the first row; `delimiter` "" stands for blanks."""

    encoding: str
    delimiter: str
    comment: str
    header: tuple[str, ...] | None
    skipped: int
    width: int
    notes: tuple[str, ...]


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, inflated where it is a .gz."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else open(path, "rb")  # type: ignore[return-value]


def recognise(path: Path, options: ReadingOptions) -> TextFormat:
    """The format of a text file, from its first lines and what `options` set. Raises DataError, OSError."""
    with opened(path) as file:
        head = file.read(HEAD)
    if not head.strip():
        raise qs.DataError(f"{path}: is empty")
    encoding, note = _encoding(path, head, options.encoding)
    text = codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    lines = text.splitlines(keepends=True)[:-1] if len(head) == HEAD else text.splitlines(keepends=True)
    lines = lines[: 10 * LOOKED_AT]
    if "\0" in text:
        raise qs.DataError(f"{path}: is not text: it holds bytes that are 0  (source.encoding sets how text is encoded)")
    leading = _leading(lines)
    body = [line for line in lines[leading:] if line.strip() and not (options.comment and line.startswith(options.comment))]
    delimiter = options.delimiter or _delimiter(body[:LOOKED_AT])
    rows = split_lines(body[:LOOKED_AT], delimiter)
    named = _named_in_comment(lines[:leading], delimiter, rows)
    if named and not options.comment:
        leading -= 1
        rows = [named, *rows]
    if not rows:
        raise qs.DataError(f"{path}: holds no rows, only {leading} lines that begin with #")
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    has_header = options.header == "yes" or (options.header == "auto" and (bool(named) or _is_header(rows)))
    first = leading + 1
    if has_header and len(rows[0]) == width - 1 and options.header == "auto":  # R writes no name for the names of rows
        rows[0] = ["", *rows[0]]
    if has_header and len(rows[0]) != width:
        raise qs.DataError(f"{path}: line {first} has {len(rows[0])} cells, the lines below have {width}  ({_DELIMITED})")
    parted = {"": "blanks", "\t": "tabs"}.get(delimiter, f"{delimiter!r}")
    notes = [
        *note,
        f"columns are parted by {parted} (source.delimiter), "
        + (f"line {first} is the header" if has_header else "there is no header")
        + " (source.header)",
    ]
    if leading:
        notes.append(f"{leading} lines at the top that begin with # are comments (source.comment)")
    return TextFormat(encoding, delimiter, options.comment, tuple(rows[0]) if has_header else None, leading, width, tuple(notes))


_DELIMITED = "source.delimiter sets the sign between cells, source.header whether there is a header"


def _encoding(path: Path, head: bytes, given: str) -> tuple[str, tuple[str, ...]]:
    if given:
        try:
            head.decode(codecs.lookup(given).name, errors="ignore")
        except LookupError:
            raise qs.DataError(f"source.encoding: there is no encoding {given!r}, expected one such as utf-8 or latin-1") from None
        return given, ()
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding, () if encoding == "utf-8-sig" else (f"text is read as {encoding} (source.encoding)",)
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head, final=False)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        note = f"line {line} is not UTF-8, so that text is read as {FALLBACK} (source.encoding)"
        return FALLBACK, (note,)
    return "utf-8", ()


def _leading(lines: Sequence[str]) -> int:
    """How many lines at the top are blank, or begin with # and have not the cells of the rows below."""
    count = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    rest = [line for line in lines[count:] if line.strip()][:LOOKED_AT]
    delimiter = _delimiter(rest)
    width = len(split_lines(rest[:1], delimiter)[0]) if rest else 0
    for number, line in enumerate(lines[:count]):
        cells = split_lines([line], delimiter)
        if cells and len(cells[0]) == width and (width == 1 or any(map(_looks_numeric, cells[0]))):
            return number  # a row whose first cell begins with #
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
        if width > 1 and (count / widths.total(), width if delimiter else 1) > best:
            best, chosen = (count / widths.total(), width), delimiter
    return chosen


def split_lines(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of lines, without blanks around them."""
    if not delimiter:
        return [line.split() for line in lines if line.strip()]
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if any(row)]
    except csv.Error:
        return []


def _looks_numeric(cell: str) -> bool:
    return re.fullmatch(NUMBER, cell) is not None


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has the names of columns: none of its cells is missing or there twice, and either no cell looks like
    a number, or some column has numbers below a cell that is none, or repeats cells below one that it does not repeat.
    """
    first, rest = rows[0], rows[1:]
    names = first if first and first[0] else first[1:]  # R leaves the first name out
    if not names or not all(names) or len(set(first)) < len(first):
        return False
    if not first[0] and len(first) > 1:
        return True
    numeric = [_looks_numeric(cell) for cell in first]
    if not any(numeric):
        return not rest or not all(first[k] in {row[k] for row in rest if len(row) > k} for k in range(len(first)))
    for k, is_number in enumerate(numeric):
        below = [row[k] for row in rest if len(row) > k and row[k]]
        looks = sum(map(_looks_numeric, below))
        if not is_number and below and (looks > 0.5 * len(below) or (first[k] not in below and len(set(below)) < len(below))):
            return True
    return False


def pieces(path: Path, form: TextFormat) -> Iterator[Piece]:
    """The rows of a text file below its header. Raises DataError naming the line that does not fit, OSError."""
    place, read, rest, first = 1, 0, b"", True
    decoder = codecs.getincrementaldecoder(form.encoding)("strict")
    try:
        with opened(path) as file:
            while True:
                raw = file.read(PIECE)
                read += len(raw)
                if path.suffix.lower() == ".gz":
                    qs.refuse_large(read)  # what a small file inflates to
                plain = form.encoding == "utf-8"
                data = rest + (raw if plain else decoder.decode(raw, final=not raw).encode())
                if b"\r" in data:
                    held = data[-1:] if raw and data.endswith(b"\r") else b""  # may be one half of a line end
                    data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                else:
                    held = b""
                end = len(data) if not raw else _last_line_end(data)
                if raw and not end:
                    qs.refuse_large(16 * len(data))
                    rest = data + held
                    continue
                block, rest = data[:end], data[end:] + held
                if first:
                    skipped = form.skipped + (form.header is not None)
                    block, lost = _without_lines(block, skipped, blank=form.header is not None)
                    place, first = place + lost, False
                if block:
                    yield _piece(path, form, block, place)
                    place += block.count(b"\n")
                if not raw:
                    return
    except UnicodeDecodeError as error:
        raise qs.DataError(
            f"{path}: byte {error.start} of a block of {form.encoding} text is not ({error.reason}); source.encoding sets another"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise qs.DataError(f"{path}: is not a .gz file, or is damaged: {error}") from error


def _last_line_end(data: bytes) -> int:
    """Where the last line ends that no quoted cell goes beyond; 0 where there is no such line."""
    end, quotes = data.rfind(b"\n") + 1, 0
    quotes = data.count(b'"', 0, end)
    for _ in range(1000):
        if end <= 0 or quotes % 2 == 0:
            return max(end, 0)
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return 0


def _without_lines(block: bytes, count: int, blank: bool) -> tuple[bytes, int]:
    """Without so many lines at the start, and how many lines that were; a header may have cells of several lines, and blank
    lines before it.
    """
    lost = 0
    for number in range(count):
        while blank and number == count - 1 and block[:1] == b"\n":
            block, lost = block[1:], lost + 1
        end = block.find(b"\n") + 1 or len(block)
        while number == count - 1 and block.count(b'"', 0, end) % 2 and end < len(block):
            end = block.find(b"\n", end) + 1 or len(block)
        lost += block.count(b"\n", 0, end)
        block = block[end:]
    return block, lost


def _piece(path: Path, form: TextFormat, block: bytes, place: int) -> Piece:
    delimiter = form.delimiter or "\t"
    if not form.delimiter:
        block = b"\n".join(b"\t".join(line.split()) for line in block.split(b"\n"))
    schema = {str(number): pl.String for number in range(form.width)}
    kwargs: dict[str, Any] = {"comment_prefix": form.comment} if form.comment else {}
    try:
        frame = pl.read_csv(
            io.BytesIO(block), has_header=False, infer_schema=False, schema=schema, separator=delimiter, raise_if_empty=False, **kwargs
        )
    except pl.exceptions.PolarsError as error:
        block.decode()  # raises where the text has another encoding
        raise _uneven(path, form, block, place) or qs.DataError(
            f"{path}: is not a table of text: {str(error).splitlines()[0][:120]}  ({_DELIMITED})"
        ) from error
    places = _places(form, block, place, frame)
    is_blank = _are_blank(frame)
    inside = frame.select(pl.sum_horizontal(pl.all().str.count_matches(delimiter, literal=True).sum())).item() if b'"' in block else 0
    # polars fills a row up where cells lack: that delimiters lack is the sign of it
    there = int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord(delimiter)))
    lacking = len(frame) * (form.width - 1) - (there - inside)
    if lacking > 0 and lacking > _bare(block) * (form.width - 1):
        uneven = _uneven(path, form, block, place)
        if uneven:
            raise uneven
    if form.width == 1:  # a cell that is quoted and empty is a row, an empty line is not
        is_blank = frame.to_series().is_null()
    is_plain = _is_plain(block, delimiter)
    if not is_blank.any():
        return Piece(frame, places, 0, is_plain)
    return Piece(frame.filter(~is_blank), places[~is_blank.to_numpy()], int(is_blank.sum()), is_plain)


def _are_blank(frame: pl.DataFrame) -> pl.Series:
    """Whether all cells of a row are."""
    found = frame.select(pl.first().is_null() | (pl.first().str.strip_chars() == "")).to_series()
    if not found.any():  # most tables have a cell in the first column of each row
        return found
    return frame.select(pl.all_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == ""))).to_series()


def _is_plain(block: bytes, delimiter: str) -> bool:
    if delimiter in ".-" or block.translate(None, f"0123456789.-\n{delimiter}".encode()):
        return False
    for start in range(0, len(block), SOME):  # as much as a cache holds
        signs = np.frombuffer(b"\n" * (not start) + block[max(0, start - 1) : start + SOME + 1], np.uint8)
        found = signs[1:-1] == ord("0")
        found &= signs[2:] - np.uint8(ord("0")) < 10
        found &= signs[:-2] - np.uint8(ord(".")) > ord("9") - ord(".")  # neither a digit nor a point: in bytes, -1 is 255
        if found.any():
            return False
    return True


def _bare(block: bytes) -> int:
    """How many lines are empty."""
    ends = np.frombuffer(block, np.uint8) == ord("\n")
    return int((ends[1:] & ends[:-1]).sum()) + bool(ends[:1].any())


def _places(form: TextFormat, block: bytes, place: int, frame: pl.DataFrame) -> np.ndarray:
    """The line of each row: quoted cells may go over several, and comments are left out."""
    if form.comment:
        mark = form.comment.encode()
        lines = [number for number, line in enumerate(block.split(b"\n")) if not line.startswith(mark)]
        if len(lines) >= len(frame):
            return np.asarray(lines[: len(frame)]) + place
    extra = np.zeros(len(frame), np.int64)
    if b'"' in block:
        extra = frame.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True))).to_series().to_numpy().astype(np.int64)
    return place + np.arange(len(frame)) + np.cumsum(extra) - extra


def _uneven(path: Path, form: TextFormat, block: bytes, place: int) -> qs.DataError | None:
    """The message about the first row that has not as many cells as the others."""
    reader = csv.reader(io.StringIO(block.decode(), newline=""), delimiter=form.delimiter or "\t", strict=True)
    before = 0
    try:
        for row in reader:
            if row and len(row) != form.width and not (form.comment and row[0].startswith(form.comment)):
                where = f"line {place + before}"
                return qs.DataError(f"{path}: {where} has {len(row)} cells, the others have {form.width}  ({_DELIMITED})")
            before = reader.line_num
    except csv.Error as error:
        return qs.DataError(f"{path}: line {place + before}: {error}  (is a quotation mark left open? {_DELIMITED})")
    return None
