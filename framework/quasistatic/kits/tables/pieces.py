"""Rows of tables in text files, in pieces.

A piece is a frame of text (polars), so that a file larger than the memory can be read; nothing is made a number here.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.text import DELIMITED, TextFormat, not_decoded, opened, with_single_blanks

PIECE = 2**22  # bytes of a file that are read together
SOME = 2**17  # of these bytes that are looked at together: as many as a cache holds
DIGITS = "0123456789.-"


@attrs.frozen
class Piece:
    """Rows of a table: text (N, columns), null where a cell is empty, the place of each row (N,), and how many rows were blank.

    `is_plain` where cells are known to hold digits, points and minus signs alone, and none begins with a zero in front of a digit.
    """

    frame: pl.DataFrame
    places: np.ndarray
    blank: int = 0
    is_plain: bool = False


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
                    qs.files.refuse_large(read)  # what a small file inflates to
                plain = form.encoding == "utf-8"
                data = rest + (raw if plain else decoder.decode(raw, final=not raw).encode())
                held = data[-1:] if raw and data.endswith(b"\r") else b""  # may be one half of a line end
                data = data[: len(data) - len(held)]
                if b"\r" in data and data.count(b"\r") > data.count(b"\r\n"):
                    data = re.sub(rb"\r(?!\n)", b"\n", data)
                end = len(data) if not raw else _last_line_end(data)
                if raw and not end:
                    qs.files.refuse_large(16 * len(data))
                    rest = data + held
                    continue
                block, rest = data[:end], data[end:] + held
                if first:
                    skipped = form.skipped + (form.header is not None)
                    block, lost = _without_lines(block, skipped, blank=form.header is not None)
                    place, first = place + lost, False
                if block:
                    yield _piece(path, form, block, place)
                    place += _count(block, "\n")
                if not raw:
                    return
    except UnicodeDecodeError as error:
        raise not_decoded(path, form.encoding, error) from error


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
        if blank and number == count - 1:
            block, before = _without_blank(block)
            lost += before
        end = block.find(b"\n") + 1 or len(block)
        while number == count - 1 and block.count(b'"', 0, end) % 2 and end < len(block):
            end = block.find(b"\n", end) + 1 or len(block)
        lost += block.count(b"\n", 0, end)
        block = block[end:]
    return block, lost


def _without_blank(block: bytes) -> tuple[bytes, int]:
    """Without the blank lines at its start, and how many those were."""
    end = re.match(rb"(?:\r?\n)*+", block).end()  # type: ignore[union-attr]  # it always fits
    return block[end:], block.count(b"\n", 0, end)


def _piece(path: Path, form: TextFormat, block: bytes, place: int) -> Piece:
    block, blank = _without_blank(block)
    found = None
    if not form.is_spaced and (form.delimiter or b'"' not in block):
        found = _quickly(form, block)
    if found is None:
        frame, places = _row_by_row(path, form, block, place + blank)
    else:
        frame, places = found, _places(form, block, found)
    is_plain = found is not None and _is_plain(form, block)
    is_blank = _are_blank(frame)
    if form.width == 1:  # a cell that is quoted and empty is a row, an empty line is not
        is_blank = frame.to_series().is_null()
    places = places + (place + blank)
    if not is_blank.any():
        return Piece(frame, places, blank, is_plain)
    return Piece(frame.filter(~is_blank), places[~is_blank.to_numpy()], int(is_blank.sum()) + blank, is_plain)


def _are_blank(frame: pl.DataFrame) -> pl.Series:
    """Whether all cells of a row are."""
    found = frame.select(pl.first().is_null() | (pl.first().str.strip_chars() == "")).to_series()
    if not found.any():  # most tables have a cell in the first column of each row
        return found
    return frame.select(pl.all_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == ""))).to_series()


def _is_plain(form: TextFormat, block: bytes) -> bool:
    """Whether all cells are, as pieces have it."""
    between = form.delimiter or " \t"
    if between in DIGITS or block.translate(None, f"{DIGITS}\r\n{between}".encode()):
        return False
    for start in range(0, len(block), SOME):
        signs = np.frombuffer(b"\n" * (not start) + block[max(0, start - 1) : start + SOME + 1], np.uint8)
        found = signs[1:-1] == ord("0")
        found &= signs[2:] - np.uint8(ord("0")) < 10
        found &= signs[:-2] - np.uint8(ord(".")) > ord("9") - ord(".")  # neither a digit nor a point: in bytes, -1 is 255
        if found.any():
            return False
    return True


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
    lacking = len(frame) * (form.width - 1) - (_count(block, delimiter) - inside)
    return None if lacking > 0 and lacking > _bare(block) * (form.width - 1) else frame


def _count(block: bytes, sign: str) -> int:
    """How often it is there: faster than bytes.count where that is often."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord(sign)))


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
    lines = text if form.delimiter else (with_single_blanks(line) for line in text)
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
                raise qs.DataError(f"{path}: {where} has {len(row)} cells, the others have {form.width}  ({DELIMITED})")
            elif not is_comment:
                nothing: list[str | None] = [None] * form.width
                rows.append(nothing)
                places.append(before)
            before = reader.line_num
    except csv.Error as error:
        where = f"line {place + before}"
        raise qs.DataError(f"{path}: {where}: {error}  (is a quotation mark left open? {DELIMITED})") from error
    schema = {str(number): pl.String for number in range(form.width)}
    return pl.DataFrame(rows, schema=schema, orient="row"), np.asarray(places, np.int64)
