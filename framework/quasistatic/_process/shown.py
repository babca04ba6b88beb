"""Values as a prompt and a notebook show them: in a line, or as a table of a few."""

from __future__ import annotations

import html
from collections.abc import Mapping

from quasistatic.errors import printable

LONGEST = 120  # characters of a value: names may come from anybody's files


def as_line(name: str, rows: Mapping[str, object]) -> str:
    """'Name(first: 1, second: 2)'"""
    return f"{name}({', '.join(f'{label}: {_short(value)}' for label, value in rows.items())})"


def as_table(name: str, rows: Mapping[str, object]) -> str:
    """The same as HTML, all text in it escaped."""
    left = 'style="text-align:left"'
    lines = "".join(
        f"<tr><th {left}>{html.escape(label)}</th><td {left}>{html.escape(_short(value))}</td></tr>"
        for label, value in rows.items()
    )
    return f"<table><caption>{html.escape(name)}</caption><tbody>{lines}</tbody></table>"


def _short(value: object) -> str:
    text = " ".join(printable(str(value)).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
