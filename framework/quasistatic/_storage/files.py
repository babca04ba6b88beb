"""Files that are whole or absent, whatever kills the process: written aside, fsynced, renamed, the folder fsynced."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from quasistatic.errors import QuasistaticError

# what is half written or half removed carries this name; nobody reads it, and whoever holds the run's lock may sweep it
PARTIAL = ".partial-"
UNTOUCHED = "what was there before is untouched"
UNSURE = "it is written, but may not survive a power cut"

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be larger than this system allows (see 'ulimit -f')",
}


@contextlib.contextmanager
def explained(path: Path, consequence: str) -> Iterator[None]:
    """Turn an error of the system while `path` is written into one sentence. Raises QuasistaticError."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise QuasistaticError(f"{path}: cannot be written: {reason}; {consequence}") from error


def aside(path: Path) -> Path:
    """A fresh name beside `path`, for what is not to be seen yet, or any more."""
    return path.with_name(PARTIAL + secrets.token_hex(8))


@contextlib.contextmanager
def committed(path: Path) -> Iterator[Path]:
    """A fresh name beside `path`: what the block writes there becomes `path` when it ends, and goes when it fails.

    Raises QuasistaticError, saying why, when the disk is full, read-only or forbidden; what `path` was before stays.
    """
    draft = aside(path)
    with explained(path, UNTOUCHED):
        try:
            yield draft
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(draft)
            raise
    with explained(path, UNSURE):
        sync_folder(path.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Replace the file `path` by these bytes, all or nothing, also when the power fails.

    Raises QuasistaticError, saying why, when the disk is full, read-only or forbidden; an old file stays.
    """
    with committed(path) as draft:
        write_synced(draft, data)


def write_synced(path: Path, data: bytes) -> None:
    """Create `path` with these bytes and wait until they are on the disk. Raises OSError; an existing file is one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(data)
        while left:  # one call may write less than it was given
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Wait until the names in this folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems sync names by themselves and refuse this
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what killed writers left below `folder`.

    For the holder of the run's lock alone: the half file of another that still writes goes too.
    """
    for left in list(folder.rglob(f"{PARTIAL}*")):
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def json_bytes(fields: Mapping[str, Any]) -> bytes:
    """JSON, one value per line. Raises TypeError for what JSON does not have."""
    return (json.dumps(fields, indent=1) + "\n").encode()


def read_plain(path: Path) -> bytes:
    """The bytes of an ordinary file. Raises OSError, for a link and a pipe too."""
    # a link could lead out of the folder, a pipe would wait for ever
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file")
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)
