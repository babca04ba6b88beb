"""What is found at a path before anything is trained: what a recipe's `inspects` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen(eq=False)
class Inspection:
    """What would be read from a path, and which settings a run of it needs.

    `what` is one line, such as '300 rows'; `notes` are sentences. `options` are settings that are suggested, by dotted path:
    `{"source.drop": ("id",)}`; they take the place of the user's own of the same path. `problem` is why even with them nothing
    could be read, None where it can. `header` and `rows` are a table of words that is shown first. `details` are values of
    JSON of its own for `inspect --json`. `source` is what was built, if it was: its kernel is looked for, and `-o` draws it.
    """

    what: str
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict)
    problem: str | None = None
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    details: Mapping[str, Any] = attrs.field(factory=dict)
    source: Any = None
