"""Whether a file or a folder holds prose: a file of this ending may as well be a table."""

from __future__ import annotations

import re
from pathlib import Path

import quasistatic as qs

LINES = 50  # of the beginning that are looked at
NUMBERS = re.compile(r"[\s,;:+\-.\deE]+")  # of a row of numbers
CELLS = re.compile(r"[\t;,]")  # what parts the cells of a row


def accepts(path: Path) -> bool | str:
    """True for text whose lines are no rows of a table, and for a folder with a .txt in it or below it; or why not."""
    if path.is_dir():
        return next(path.rglob("*.txt"), None) is not None or "holds no .txt"
    lines = [line for line in _text(path).splitlines()[:LINES] if line.strip()]
    if not lines:
        return "holds no text"
    rows = [line for line in lines if not line.startswith("#")]
    of_numbers = sum(bool(NUMBERS.fullmatch(line)) for line in rows)
    cells = {len(CELLS.findall(line)) for line in rows}
    is_even = len(rows) > 2 and len(cells) == 1 and 0 not in cells
    return "its lines are rows of a table" if is_even or of_numbers > 0.5 * len(rows) else True


def _text(path: Path) -> str:
    """The beginning of a file. Raises DataError for what is no text in UTF-8."""
    head = qs.files.read_head(path)
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(head) - error.start < 4:  # a letter that was cut
            return head[: error.start].decode("utf-8-sig")
        raise qs.DataError(f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
