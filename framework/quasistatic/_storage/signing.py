"""A key of this user on this machine, with which what they have named themselves is signed, so that it is known again.

Whoever changes a run can seal it again; only this user can sign. The key lies in `quasistatic/key` of XDG_STATE_HOME, by default
`~/.local/state`, is made when it is first needed, and is used only where no one else can read or write it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from quasistatic._storage.files import aside, read_plain, write_synced

BYTES = 32


def key_path() -> Path:
    """Where the key lies. Raises RuntimeError where the user has no home."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "quasistatic" / "key"


def signature(statement: bytes) -> str | None:
    """This user's signature of a statement; None where no key can be kept, as in a home that no one can write to."""
    key = _read_key() or _made_key()
    return None if key is None else _signed(key, statement)


def is_signed(statement: bytes, found: object) -> bool:
    """Whether this user has signed exactly this statement."""
    key = _read_key()
    return key is not None and isinstance(found, str) and hmac.compare_digest(_signed(key, statement).encode(), found.encode())


def _signed(key: bytes, statement: bytes) -> str:
    return hmac.new(key, statement, hashlib.sha256).hexdigest()


def _read_key() -> bytes | None:
    """The key; None where there is none, and where it is not this user's alone."""
    try:
        path = key_path()
        found = path.lstat()
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            return None
        key = read_plain(path, BYTES)
    except (OSError, RuntimeError):
        return None
    return key if len(key) == BYTES else None


def _made_key() -> bytes | None:
    """A new key where there is none; that of another process which was faster."""
    with contextlib.suppress(OSError, RuntimeError):
        path = key_path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = aside(path)
        try:
            write_synced(draft, secrets.token_bytes(BYTES), 0o600)
            os.link(draft, path)  # fails where there is one, unlike a renaming
        finally:
            draft.unlink(missing_ok=True)
    return _read_key()
