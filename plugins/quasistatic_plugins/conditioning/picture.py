"""Before and after: a row for each event."""

from __future__ import annotations

import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.conditioning.draws import Draws

MOST = 6  # draws of an event that are shown


def encoded(source: qs.AbstractSource, found: Draws, hidden: np.ndarray | None, form: str) -> bytes:
    """The picture's bytes in this format: what it was, what was seen, draws; without such events a sheet of draws."""
    if found.seen is None:
        return qs.pictures.encode(qs.pictures.samples(source, found.draws[:, 0]), form)
    columns: dict[str, np.ndarray] = {} if found.x is None else {"data": found.x}
    columns["seen"] = found.seen
    shown = found.draws[:, :MOST]
    columns |= {f"draw {number + 1}" if shown.shape[1] > 1 else "draw": shown[:, number] for number in range(shown.shape[1])}
    columns["mean of draws"] = found.draws.mean(axis=1)
    covered = None if hidden is None else np.broadcast_to(hidden, found.seen.shape)
    return qs.pictures.encode(pictures.triptych(source, columns, covered), form)
