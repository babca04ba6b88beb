"""Files that are whole or absent, whatever kills the process: written aside, fsynced, renamed, the folder fsynced."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from quasistatic.errors import InputError, QuasistaticError

# what is half written or half removed carries this name and 16 hex digits; nobody reads it, and whoever holds the run's
# lock may sweep it
PARTIAL = ".partial-"
LIMIT = "QUASISTATIC_LIMIT_GB"  # the environment may raise it
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


def manifest(contents: Mapping[str, bytes], **fields: Any) -> bytes:
    """JSON with these fields, and size and sha256 of some files by their names."""
    return json_bytes({**fields, "files": {name: digest(data) for name, data in contents.items()}})


def digest(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def limit() -> int:
    """The most bytes that one thing may take in memory when it is read: a billion, or what the environment says.

    Raises InputError where that is not a number.
    """
    text = os.environ.get(LIMIT, "1")
    try:
        return int(float(text) * 1e9)
    except (ValueError, OverflowError):
        raise InputError(f"{LIMIT}: expected a number of gigabytes, such as 4, got {text!r:.80}") from None


def refuse_large(size: int, at_most: int | None = None) -> None:
    """Raises OSError for more bytes than `at_most`, by default the limit."""
    most = limit() if at_most is None else at_most
    if size > most:
        raise OSError(errno.EFBIG, f"{size / 1e9:.3g} GB, above the limit of {most / 1e9:.3g} GB; {LIMIT}=N allows N GB")


def read_plain(path: str | Path, at_most: int | None = None, folder: int | None = None) -> bytes:
    """The bytes of an ordinary file, by its name in an open `folder` or by its path.

    Raises OSError, also for a link, a pipe, and one that is larger than `at_most`.
    """
    # a link could lead out of the folder, a pipe would wait for ever
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, dir_fd=folder)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file")
        refuse_large(found.st_size, at_most)
        with open(handle, "rb", closefd=False) as file:
            return file.read(found.st_size)
    finally:
        os.close(handle)
