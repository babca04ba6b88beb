"""Grids, and grids in files: the times of a chain, so that steps which were placed once serve every command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from quasistatic._process.grid import AbstractGrid as AbstractGrid
from quasistatic._process.grid import FixedGrid as FixedGrid
from quasistatic._process.grid import GivenGrid as GivenGrid
from quasistatic._process.grid import LearnedGrid as LearnedGrid
from quasistatic._process.grid import checked_times
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.spacing import spaced as spaced
from quasistatic._storage.files import json_bytes, read_plain, reason, write_durably
from quasistatic.errors import InputError

FORMAT = "quasistatic grid 1"
LARGEST = 2**24  # bytes


def write_grid(path: str | os.PathLike[str], name: str, times: np.ndarray, **about: Any) -> None:
    """Keep the T increasing times (T,) of a chain, the last of which is 1, under a name; `about` are JSON values for people.

    Raises ValueError for times that do not increase within [0, 1].
    """
    checked_times(times)
    fields = {"format": FORMAT, "name": name, "times": np.asarray(times, np.float64).tolist(), **about}
    write_durably(Path(path), json_bytes(fields))


def read_grid(path: str | os.PathLike[str], kernel: AbstractKernel | None = None) -> np.ndarray:
    """The times (T,) of a file of `write_grid`, for chains of `kernel`. Raises InputError for other times."""
    try:
        fields = json.loads(read_plain(Path(path), LARGEST, follow=True))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a grid, a JSON file of `quasistatic schedule`, got no JSON: {error}") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        found = fields.get("format") if isinstance(fields, dict) else fields
        raise InputError(f"{path}: expected a grid with format = {FORMAT!r}, got {found!r:.80}")
    times = fields.get("times")
    if not isinstance(times, list) or not all(isinstance(time, float | int) and not isinstance(time, bool) for time in times):
        raise InputError(f"{path}: times: expected a list of numbers, got {times!r:.80}")
    try:
        checked_times(times, kernel)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: {error!s:.200}") from None
    return np.asarray(times, np.float64)
