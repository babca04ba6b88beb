"""Files that are whole or absent, whatever kills the process: written aside, fsynced, renamed, the folder fsynced."""

from __future__ import annotations

import contextlib
import csv
import errno
import gzip
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from quasistatic.errors import InputError, QuasistaticError

# what is half written or half removed carries this name and 16 hex digits; it is never read, and whoever holds the run's
# lock may sweep it
PARTIAL = ".partial-"
LIMIT = "QUASISTATIC_LIMIT_GB"  # the environment may raise it
WORTH = 64  # bytes of memory that a byte of a file may take
UNTOUCHED = "what was there before is untouched"
UNSURE = "it is written, but may not survive a power cut"

# what another path, or another right to it, would mend: the user's, where the rest is the machine's
_USERS = {getattr(errno, name) for name in "ENOENT ENOTDIR EISDIR ENOTEMPTY ELOOP ENAMETOOLONG EACCES EPERM EROFS".split()}
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be larger than this system allows (see 'ulimit -f')",
    errno.ELOOP: "it is a link",
}


@contextlib.contextmanager
def explained(path: Path, consequence: str) -> Iterator[None]:
    """Turn an error of the system while `path` is written into one sentence.

    Raises InputError where another path would do, QuasistaticError where the disk is at fault.
    """
    try:
        yield
    except OSError as error:
        kind = InputError if error.errno in _USERS else QuasistaticError
        raise kind(f"{path}: cannot be written: {reason(error)}; {consequence}") from error


def reason(error: OSError) -> str:
    """Why the system refused, in words."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


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


def write_synced(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Create `path` with these bytes and wait until they are on the disk. Raises OSError; an existing file is one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
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


def sweep(*folders: Path) -> None:
    """Remove what killed writers left in these folders, by the names that `aside` gives; nothing behind a link.

    For the holder of the run's lock alone: the half file of another that still writes goes too.
    """
    for folder in folders:
        for left in os.listdir(folder) if folder.is_dir() and not folder.is_symlink() else ():
            if is_partial(left):
                _remove(folder / left)


def is_partial(name: str) -> bool:
    """Whether `aside` gave this name."""
    return re.fullmatch(re.escape(PARTIAL) + "[0-9a-f]{16}", name) is not None


def try_out(path: Path) -> None:
    """Find out, before the work, whether its result can be written to the file `path`.

    Raises InputError for a folder, a link or a device of this name, and for a folder in which nothing can be written;
    QuasistaticError when the disk refuses.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise InputError(f"{path}: expected the name of a file, but this is {kind_of(path)}")
    draft = aside(path)
    with explained(path, UNTOUCHED):
        try:
            write_synced(draft, b"")
        finally:
            draft.unlink(missing_ok=True)


def kind_of(path: Path) -> str:
    """'a file', 'a folder', 'a link', or what else a name stands for, without following or opening it."""
    kinds = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(path.lstat().st_mode), "a device or a socket")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def json_bytes(fields: Mapping[str, Any]) -> bytes:
    """JSON, one value per line. Raises TypeError for what JSON does not have."""
    return (json.dumps(fields, indent=1) + "\n").encode()


def csv_bytes(names: Iterable[str], columns: Iterable[Iterable[Any]]) -> bytes:
    """A table with a header, of columns of equal length. Raises ValueError for others."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


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
    if at_most is not None and size > at_most:
        raise OSError(f"it has {size} bytes, expected at most {at_most}")
    if at_most is None and size > limit():
        raise OSError(f"it takes {size / 1e9:.3g} GB, above the limit of {limit() / 1e9:.3g} GB; {LIMIT}=N allows N GB")


def refuse_costly(cost: int, size: int) -> None:
    """Raises OSError where what is read out of `size` bytes costs more memory, or time that stands for it, than they are worth.

    That is so many bytes for each of them, and the limit: what is refused is much out of little.
    """
    refuse_large(max(0, cost - WORTH * size))


def read_head(path: str | Path, count: int = 65_536) -> bytes:
    """The first bytes of an ordinary file, inflated where its name ends in .gz: enough for a look at what it holds.

    Raises OSError, also for a pipe and for what is no .gz file, or a damaged one.
    """
    handle = os.open(Path(path).expanduser(), os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for ever
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("not an ordinary file")
        try:
            return gzip.open(file).read(count) if str(path).lower().endswith(".gz") else file.read(count)
        except (EOFError, zlib.error) as error:
            raise OSError(f"it is a damaged .gz file: {error}") from error


def read_plain(path: str | Path, at_most: int | None = None, folder: int | None = None, follow: bool = False) -> bytes:
    """The bytes of an ordinary file, by its name in an open `folder` or by its path.

    Raises OSError, also for a pipe, one that is larger than `at_most`, and a link unless `follow` is true.
    """
    # a link could lead out of the folder, a pipe would wait for ever
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags, dir_fd=folder)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not an ordinary file")
        refuse_large(found.st_size, at_most)
        with open(handle, "rb", closefd=False) as file:
            return file.read(found.st_size)
    finally:
        os.close(handle)
