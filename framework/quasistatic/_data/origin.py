"""Where data came from, to the byte, and how a run finds them again."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import attrs

from quasistatic.errors import DataError

T = TypeVar("T")


@attrs.frozen
class Origin:
    """A file as it was read: its absolute path, its size in bytes and its digest."""

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: str | Path) -> Origin:
        """Reads the whole file once. Raises OSError."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(os.path.abspath(path), file.tell(), digest)


class Reopened(Generic[T]):
    """The data of a run that is reopened: looked for when they are first needed, and the same as they were, to the byte.

    They are looked for where they were, then `elsewhere`, the place that the recipe names. `look(place)` gives the origin of
    what is there, and a function that reads it.
    """

    def __init__(self, origin: Origin, elsewhere: str, look: Callable[[str], tuple[Origin, Callable[[], T]]]):
        self.origin, self._elsewhere, self._look = origin, elsewhere, look

    @functools.cached_property
    def data(self) -> T:
        """What was read. Raises DataError where the data are gone, or were changed."""
        named = os.path.abspath(os.path.expanduser(self._elsewhere)) if self._elsewhere else ""
        there = [place for place in dict.fromkeys((self.origin.path, named)) if os.path.exists(place)]
        if not there and not os.path.isabs(self.origin.path):  # the data of a library are at no place
            there = [self._elsewhere]
        for place in there:
            origin, read = self._look(place)
            if origin.sha256 == self.origin.sha256:
                return read()
        raise self.refusal(there[0] if there else None)

    def refusal(self, place: str | None = None) -> DataError:
        """The error for other data at a place, or by default for none at all."""
        what = "the data of the run are gone" if place is None else "these are not the data of the run: they were changed since"
        return DataError(
            f"{place or self.origin.path}: {what}, so that none of its splits can be measured. `sample` and `evaluate --data FILE` "
            f"do without them; with the same bytes in their place (sha256 {self.origin.sha256[:12]}...) all else goes on"
        )


def unreadable_record(why: object) -> DataError:
    """The error for a record of data in a run that no source of this version writes."""
    return DataError(f"the record of the data in run.json cannot be read by this version: {why!r:.200}")


def origin_of(where: str, files: Mapping[str, bytes]) -> Origin:
    """Of the bytes of several files, by name: their size together, and one digest of all."""
    return origin_of_digests(where, ((name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()))


def origin_of_digests(where: str, files: Iterable[tuple[str, int, str]]) -> Origin:
    """Of several files, given by name, size and digest."""
    named = sorted(files)
    whole = hashlib.sha256("".join(f"{name}\0{digest}\n" for name, _, digest in named).encode(errors="surrogateescape"))
    return Origin(
        where if where == os.path.basename(where) and not os.path.exists(where) else os.path.abspath(where),
        sum(size for _, size, _ in named),
        whole.hexdigest(),
    )
