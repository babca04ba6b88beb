"""Where data came from, to the byte, and how a run finds them again."""

from __future__ import annotations

import functools
import hashlib
import os
import shlex
import stat
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
        """Reads the whole file once. Raises OSError, also for a pipe."""
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for ever
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(f"{path}: not an ordinary file")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(os.path.abspath(path), file.tell(), digest)


@attrs.frozen
class Places:
    """Where the data of a run that is reopened may be: places that its reader has `named`, by hand or by starting the run.

    `run` is its folder, for messages.
    """

    named: tuple[str, ...] = ()
    run: str = "RUN"


class Reopened(Generic[T]):
    """The data of a run that is reopened: looked for when they are first needed, and the same as they were, to the byte.

    They are looked for at `places` alone, which the reader has named. `look(place)` gives the origin of what is there, and a
    function that reads it. `inside` is the place of data that need no file: those of a library, or that the run has kept itself.
    """

    def __init__(
        self,
        origin: Origin,
        places: Places,
        look: Callable[[str], tuple[Origin, Callable[[], T]]],
        inside: str | None = None,
    ):
        self.origin, self._places, self._look, self._inside = origin, places, look, inside

    @functools.cached_property
    def data(self) -> T:
        """What was read. Raises DataError where the data are gone, were changed, or are at no place that the reader has named."""
        if self._inside is not None and self.origin.path and not os.path.isabs(self.origin.path):
            origin, read = self._look(self._inside)
            if origin.sha256 == self.origin.sha256:
                return read()
            raise self.refusal(origin.path if origin.path == self.origin.path else None)
        there = [place for place in self._places.named if os.path.exists(place)]
        for place in there:
            origin, read = self._look(place)
            if origin.sha256 == self.origin.sha256:
                return read()
        recorded = self.origin.path if self.origin.path in self._places.named else next(iter(there), None)
        raise self.refusal(recorded if recorded in there else None)

    def refusal(self, place: str | None = None) -> DataError:
        """The error for other data at a place, or by default for none at all."""
        named, run = self._places.named, shlex.quote(self._places.run)
        if place is not None:
            what = f"{place}: these are not the data of the run: they were changed since"
        elif named:
            what = f"{self.origin.path if self.origin.path in named else named[0]}: the data of the run are gone"
        else:
            what = f"{run}: you have not named the data of this run, and a path that stands in a run is never followed"
        return DataError(
            f"{what}, so that none of its splits can be measured. `sample` and `evaluate --data FILE` do without them; "
            f"`quasistatic resume {run} --data FILE` names the same bytes (sha256 {self.origin.sha256[:12]}...) at any place, once "
            "and for all commands"
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
