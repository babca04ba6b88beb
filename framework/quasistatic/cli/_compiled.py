"""The folder of compiled programs: native code that jax loads, so this user's alone, bounded in size, and mended where it broke."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quasistatic.cli.parts import echo

VARIABLE = "JAX_COMPILATION_CACHE_DIR"
MOST = 2 * 10**9  # bytes
KEPT = 0.75  # of them, once there are more
ENDINGS = ("-cache", "-atime")  # of the files that jax writes
CLEAR = "quasistatic cache --clear"
_BROKEN = re.compile(r"Error reading persistent compilation cache entry for '(?P<name>[^']*)'")


def compiled_folder() -> Path:
    """Where compiled programs are kept. Raises RuntimeError where the user has no home."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quasistatic" / "compiled"


def prepared(folder: Path) -> str | None:
    """Make the folder this user's alone; why it is not used, or None. A folder of before is closed to others.

    No one else may write there: what lies in it is run.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid():
            return f"it is not yours but user {found.st_uid}'s"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"others can write there; chmod 700 {folder}, after {CLEAR}"
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        return error.strerror or str(error)
    return None


def programs(folder: Path) -> list[tuple[float, int, Path]]:
    """When each file of jax was written, its size, and its path; the oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                if entry.name.endswith(ENDINGS) and entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    found.append((about.st_mtime, about.st_size, Path(entry.path)))
    return sorted(found)


def bound(folder: Path, most: int = MOST) -> None:
    """Remove the oldest programs where all together take more than `most` bytes."""
    found = programs(folder)
    left = sum(size for _, size, _ in found)
    if left > most:
        for _, size, path in found:
            if left <= KEPT * most:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                left -= size


def clear(folder: Path) -> int:
    """Remove all programs; how many there were. What else lies there stays."""
    found = programs(folder)
    for _, _, path in found:
        path.unlink(missing_ok=True)
    return sum(path.name.endswith("-cache") for _, _, path in found)


def mend_broken(folder: Path) -> None:
    """From now on a program that cannot be read is named once, and removed, so that it is compiled and kept anew."""
    show, named = warnings.showwarning, set[str]()
    warnings.filterwarnings("always", message=_BROKEN.pattern)

    def shown(message: Warning | str, *more: Any, **options: Any) -> None:
        found = _BROKEN.search(str(message))
        if found is None:
            show(message, *more, **options)
            return
        for path in _of(folder, found["name"]):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        if not named:
            echo(f"note: a compiled program in {folder} is damaged and is compiled anew; if this comes again: {CLEAR}", err=True)
        named.add(found["name"])

    warnings.showwarning = shown


def _of(folder: Path, name: str) -> Iterator[Path]:
    """The files of the programs of this name."""
    return (path for _, _, path in programs(folder) if path.name.startswith(f"{name}-"))
