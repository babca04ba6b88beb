"""Which file data came from, to the byte."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import attrs

from quasistatic.errors import DataError


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

    def find(self, elsewhere: str) -> Path:
        """The file that this was, here or `elsewhere`. Raises DataError where it is gone or holds anything else."""
        there = [
            path for path in dict.fromkeys((self.path, os.path.abspath(os.path.expanduser(elsewhere)))) if os.path.isfile(path)
        ]
        for path in there:
            if os.path.getsize(path) == self.size and Origin.of(path).sha256 == self.sha256:
                return Path(path)
        what = "is not the file that the run was trained on: it was changed since" if there else "the data file of the run is gone"
        raise DataError(
            f"{there[0] if there else self.path}: {what}, so that nobody can know which rows were trained on, and none of "
            "its splits is measured. `sample` and `evaluate --data FILE` do without it; with a file of the same bytes in "
            f"its place (sha256 {self.sha256[:12]}...) all else goes on"
        )
