"""Tables in text files: encoding, comments, delimiter and header are recognised, reported and can be set; rows come in pieces.

A piece is a frame of text (polars), so that a file larger than the memory can be read; nothing is made a number here.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.forms import MISSING
from quasistatic.kits.tables.options import ReadingOptions

PIECE = 2**23  # bytes of a file that are read together
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
class Piece:
    """Rows of a table: text (N, columns), null where a cell is empty, the place of each row (N,), and how many rows were blank."""

    frame: pl.DataFrame
    places: np.ndarray
    blank: int = 0


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


def recognise(path: Path, options: ReadingOptions) -> TextFormat:
    """The format of a text file, from its first lines and what `options` set. Raises DataError, OSError."""
    if len(options.delimiter) > 1 or options.delimiter in ('"', "\n", "\r"):
        raise qs.DataError(f"source.delimiter: expected one sign between cells, not a quotation mark, got {options.delimiter!r}")
    with opened(path) as file:
        head = file.read(HEAD)
    if not head.strip():
        raise qs.DataError(f"{path}: is empty")
    encoding, note = _encoding(path, head, options.encoding)
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    except UnicodeDecodeError as error:
        raise _not_decoded(path, encoding, error) from error
    lines = list(io.StringIO(text, newline=None))  # no other sign than line ends parts lines
    lines = lines[:-1] if len(head) == HEAD and len(lines) > 1 else lines
    lines = lines[: 10 * LOOKED_AT]
    if "\0" in text:
        raise qs.DataError(f"{path}: is not text: it holds bytes that are 0  (source.encoding sets how text is encoded)")
    leading = _leading(lines, options)
    body = [line for line in lines[leading:] if line.strip() and not (options.comment and line.startswith(options.comment))]
    delimiter = options.delimiter or _delimiter(body[:LOOKED_AT])
    rows = split_lines(body[:LOOKED_AT], delimiter)
    named = None if options.comment else _named_in_comment(lines[:leading], delimiter, rows)
    if named:
        leading -= 1
        rows = [named, *rows]
    if not rows:
        raise qs.DataError(f"{path}: holds no rows, only {leading} lines that begin with {options.comment or '#'}")
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    has_header = options.header == "yes" or (options.header == "auto" and (bool(named) or _is_header(rows)))
    first = leading + 1
    if has_header and len(rows[0]) == width - 1 and options.header == "auto":
        ends_empty = not any(row[-1] for row in rows[1:] if len(row) == width)
        rows[0] = [*rows[0], ""] if ends_empty else ["", *rows[0]]  # R writes no name for the names of rows
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
        notes += _about_leading(lines[:leading], options.comment or "#")
    header = tuple(_named(rows[0])) if has_header else None
    is_spaced = any(re.search(rf'(^|{re.escape(delimiter or ",")}) +"', line) for line in body[:LOOKED_AT])
    return TextFormat(encoding, delimiter, options.comment, header, leading, width, is_spaced, tuple(notes))


def _about_leading(lines: Sequence[str], comment: str) -> list[str]:
    count = sum(line.startswith(comment) for line in lines)
    return [f"{count} lines at the top that begin with {comment} are comments (source.comment)"] if count else []


def _named(header: Sequence[str]) -> list[str]:
    """With names for columns that have none, where there are several."""
    if sum(not name for name in header) < 2:
        return list(header)
    return [name or f"column {number}" for number, name in enumerate(header, 1)]


def _not_decoded(path: Path, encoding: str, error: UnicodeDecodeError) -> qs.DataError:
    return qs.DataError(f"{path}: is not {encoding} text: {error.reason} at byte {error.start}  (source.encoding sets another)")


_DELIMITED = "source.delimiter sets the sign between cells, source.header whether there is a header"


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
        if width > 1 and (count / widths.total(), width if delimiter else 1) > best:
            best, chosen = (count / widths.total(), width), delimiter
    return chosen


def split_lines(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of lines, without blanks around them."""
    if not delimiter:
        lines, delimiter = [_with_single_blanks(line) for line in lines], " "
    try:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        return [[cell.strip() for cell in row] for row in reader if any(row)]
    except csv.Error:
        return []


def _with_single_blanks(line: str) -> str:
    """A line with blanks between cells, none of which is a tab or at an end."""
    return line.strip().replace("\t", " ") + "\n"


def _looks_numeric(cell: str) -> bool:
    return re.fullmatch(NUMBER, cell) is not None


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has the names of columns: some column has numbers below a cell that is none, or no cell is missing or
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
                held = data[-1:] if raw and data.endswith(b"\r") else b""  # may be one half of a line end
                data = data[: len(data) - len(held)]
                if data.count(b"\r") > data.count(b"\r\n"):
                    data = re.sub(rb"\r(?!\n)", b"\n", data)
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
        raise _not_decoded(path, form.encoding, error) from error


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
        while blank and number == count - 1 and (end := _line_end(block)):
            block, lost = block[end:], lost + 1
        end = block.find(b"\n") + 1 or len(block)
        while number == count - 1 and block.count(b'"', 0, end) % 2 and end < len(block):
            end = block.find(b"\n", end) + 1 or len(block)
        lost += block.count(b"\n", 0, end)
        block = block[end:]
    return block, lost


def _line_end(block: bytes) -> int:
    """How many bytes of a line end it begins with."""
    return 1 if block[:1] == b"\n" else 2 if block[:2] == b"\r\n" else 0


def _piece(path: Path, form: TextFormat, block: bytes, place: int) -> Piece:
    blank = 0
    while end := _line_end(block):
        block, blank = block[end:], blank + 1
    found = None
    if not form.is_spaced and (form.delimiter or b'"' not in block):
        found = _quickly(form, block)
    if found is None:
        frame, places = _row_by_row(path, form, block, place + blank)
    else:
        frame, places = found, _places(form, block, found)
    is_blank = frame.select(pl.all_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == ""))).to_series()
    if form.width == 1:  # a cell that is quoted and empty is a row, an empty line is not
        is_blank = frame.to_series().is_null()
    return Piece(frame.filter(~is_blank), places[~is_blank.to_numpy()] + place + blank, int(is_blank.sum()) + blank)


def _quickly(form: TextFormat, block: bytes) -> pl.DataFrame | None:
    """The rows as polars reads them, null where a cell is empty; None where that may not be all that is there."""
    delimiter = form.delimiter or "\t"
    if not form.delimiter:
        block = b"\n".join(b"\t".join(line.split()) for line in block.split(b"\n"))
    schema = {str(number): pl.String for number in range(form.width)}
    kwargs: dict[str, Any] = {"comment_prefix": form.comment} if form.comment else {}
    try:
        frame = pl.read_csv(
            io.BytesIO(block),
            has_header=False,
            infer_schema=False,
            schema=schema,
            separator=delimiter,
            raise_if_empty=False,
            **kwargs,
        )
    except pl.exceptions.PolarsError:
        return None
    counts = pl.all().str.count_matches(delimiter, literal=True)
    inside = frame.select(pl.sum_horizontal(counts.sum())).item() if b'"' in block else 0
    # polars fills a row up where cells lack: that delimiters lack is the sign of it
    lacks = block.count(delimiter.encode()) - inside < (len(frame) - _bare(block)) * (form.width - 1)
    return None if lacks else frame


def _bare(block: bytes) -> int:
    """How many lines are empty."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    sizes = np.diff(ends, prepend=-1)
    return int(((sizes == 1) | ((sizes == 2) & (data[ends - 1] == ord("\r")))).sum())


def _places(form: TextFormat, block: bytes, frame: pl.DataFrame) -> np.ndarray:
    """The line of each row, from 0: quoted cells may go over several, and comments are left out."""
    if form.comment:
        mark = form.comment.encode()
        lines = [number for number, line in enumerate(block.split(b"\n")) if not line.startswith(mark)]
        if len(lines) >= len(frame):
            return np.asarray(lines[: len(frame)], np.int64)
    extra = np.zeros(len(frame), np.int64)
    if b'"' in block:
        counts = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True))
        extra = frame.select(counts).to_series().to_numpy().astype(np.int64)
    return np.arange(len(frame)) + np.cumsum(extra) - extra


def _row_by_row(path: Path, form: TextFormat, block: bytes, place: int) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows as a slower reader has them, which knows of quotation marks amid cells and blanks before them, and the line of each.
    Raises DataError naming the line that has not as many cells as the others, UnicodeDecodeError.
    """
    text = io.StringIO(block.decode(), newline="")
    lines = text if form.delimiter else (_with_single_blanks(line) for line in text)
    reader = csv.reader(lines, delimiter=form.delimiter or " ", skipinitialspace=True, strict=True)
    rows, places, before = [], [], 0
    try:
        for row in reader:
            is_comment = bool(form.comment and row and row[0].startswith(form.comment))
            if len(row) == form.width and not is_comment:
                rows.append([cell or None for cell in row] if form.width > 1 else row)
                places.append(before)
            elif any(cell.strip() for cell in row) and not is_comment:
                where = f"line {place + before}"
                raise qs.DataError(f"{path}: {where} has {len(row)} cells, the others have {form.width}  ({_DELIMITED})")
            elif not is_comment:
                rows.append([None] * form.width)
                places.append(before)
            before = reader.line_num
    except csv.Error as error:
        where = f"line {place + before}"
        raise qs.DataError(f"{path}: {where}: {error}  (is a quotation mark left open? {_DELIMITED})") from error
    schema = {str(number): pl.String for number in range(form.width)}
    return pl.DataFrame(rows, schema=schema, orient="row"), np.asarray(places, np.int64)
