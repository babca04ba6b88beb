"""Whether a file or a folder holds prose: a file of this ending may as well be a table."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import quasistatic as qs

LINES = 50  # of the beginning that are looked at
NUMBERS = re.compile(r"[\s,;:+\-.\deE]+")  # of a row of numbers
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # what no text has
CELLS = re.compile(r"[\t;,]")  # what parts the cells of a row


def accepts(path: Path) -> bool | str | dict[str, str]:
    """True for text whose lines are no rows of a table, and for a folder with a .txt in it or below it; or why not.

    Of text that is not UTF-8, the encoding in which it was read.
    """
    if path.is_dir():
        return next(path.rglob("*.txt"), None) is not None or "holds no .txt"
    text, encoding = _text(path)
    lines = [line for line in text.splitlines()[:LINES] if line.strip()]
    if not lines:
        return "holds no text"
    rows = [line for line in lines if not line.startswith("#")]
    of_numbers = sum(bool(NUMBERS.fullmatch(line)) for line in rows)
    cells = {len(CELLS.findall(line)) for line in rows}
    is_even = len(rows) > 2 and len(cells) == 1 and 0 not in cells
    if is_even or of_numbers > 0.5 * len(rows):
        return "its lines are rows of a table"
    return {"source.encoding": encoding} if encoding != "utf-8" else True


def _text(path: Path) -> tuple[str, str]:
    """The beginning of a file, and its encoding: UTF-8, marked as UTF-16, or Windows' for western languages.

    Raises DataError for what is no text.
    """
    head = qs.files.read_head(path)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head[: len(head) // 2 * 2].decode("utf-16", errors="replace"), "utf-16"
    try:
        return head.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        if len(head) - error.start < 4:  # a letter that was cut
            return head[: error.start].decode("utf-8-sig"), "utf-8"
        if CONTROL.search(head):
            raise qs.DataError(
                f"is not text: it is not UTF-8 ({error.reason} at byte {error.start}) and has signs of control"
            ) from error
        return head.decode("windows-1252", errors="replace"), "windows-1252"
