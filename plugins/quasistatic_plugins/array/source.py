"""The source of a file, as a component; and that of a run, which needs no file."""

from __future__ import annotations

from typing import Any

import quasistatic as qs
from quasistatic_plugins.array import ArrayOptions


def build(options: ArrayOptions) -> qs.ArraySource:
    """The source of the file that the options name. Raises DataError, which names the file, the place and a way out."""
    if not options.path:
        raise qs.DataError("source.path: must be given, an array (quasistatic run my.npy)")
    return qs.ArraySource(qs.read_array(options.path, options), options)


def restore(options: ArrayOptions, kept: qs.Kept) -> qs.ArraySource:
    """The source of a run that is reopened; the file is read when its rows are asked for."""
    return qs.ArraySource.restored(options, kept)


def from_data(options: ArrayOptions, data: Any) -> qs.ArraySource:
    """The source of an array (N, ...) in memory, or of a mapping of arrays for events of several parts. Raises DataError."""
    return qs.ArraySource(data, options)
