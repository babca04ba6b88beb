"""The source of a file, as a component; and that of a run, which needs no file."""

from __future__ import annotations

from typing import Any

import quasistatic as qs
from quasistatic.kits import arrays
from quasistatic_plugins.array import ArrayOptions


def build(options: ArrayOptions) -> arrays.AbstractArraySource:
    """The source of the file that the options name. Raises DataError, which names the file, the place and a way out."""
    if not options.path:
        raise qs.DataError("source.path: must be given, an array (quasistatic run my.npy)")
    return arrays.array_source(qs.files.read_array(options.path, options), options)


def restore(options: ArrayOptions, kept: qs.sources.Kept) -> arrays.AbstractArraySource:
    """The source of a run that is reopened; the file is read when its rows are used."""
    return arrays.restored_array(options, kept)


def from_data(options: ArrayOptions, data: Any) -> arrays.AbstractArraySource:
    """The source of an array (N, ...) in memory, or of a mapping of arrays for events of several parts. Raises DataError."""
    return arrays.array_source(data, options)
