"""The folder of a run: what it holds, under which names, and who may write in it.

    recipe.toml    the resolved recipe        checkpoints/    one folder per step
    run.json       versions and plugins

Observers and reports add metrics.jsonl, tensorboard/, pictures/ and report.html.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from quasistatic._storage import files
from quasistatic.errors import RunError

FORMAT = 1
LOCK = ".lock"
NOTHING = "nothing was changed"


@attrs.frozen
class RunFolder:
    """A run on disk. Made by `create` or `open`; the attributes are paths, which need not exist yet."""

    path: Path = attrs.field(converter=Path)

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def about(self) -> Path:
        return self.path / "run.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @classmethod
    def create(cls, path: str | os.PathLike[str], recipe: str, about: Mapping[str, Any]) -> RunFolder:
        """Start a run in a new or empty folder: its recipe as TOML text, `about` (versions, plugins) as JSON values.

        A kill on the way leaves a folder that can be given again. Raises RunError for a folder that holds a run or
        anything else, or is in use; QuasistaticError when it cannot be written.
        """
        run = cls(path)
        with files.explained(run.path, NOTHING):
            run._refuse_used()
            run.path.mkdir(parents=True, exist_ok=True)
            files.sync_folder(run.path.absolute().parent)
        with run.lock():
            run._refuse_used()  # again: another process may have been faster
            files.write_durably(run.about, files.json_bytes({"format": FORMAT, **about}))
            files.write_durably(run.recipe, recipe.encode())  # last: this makes it a run
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The run in this folder. Raises RunError when there is none, or one of a newer quasistatic."""
        run = cls(path)
        missing = [p.name for p in (run.recipe, run.about) if not p.exists()]
        if missing:
            what = f"{path}: holds no run (it lacks {' and '.join(missing)})"
            raise RunError(f"{what}; 'quasistatic run RECIPE --out {path}' starts one")
        run.read_about()
        return run

    def read_about(self) -> dict[str, Any]:
        """What `create` was told about the run, and the format. Raises RunError."""
        try:
            fields = json.loads(files.read_plain(self.about))
        except OSError as error:
            raise RunError(f"{self.about}: cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.about}: damaged: {error}") from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise RunError(f"{self.about}: not of format {FORMAT}, the one this quasistatic reads; install a newer one")
        return fields

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that writes here, and sweep what killed ones left.

        The lock ends with the process, however it ends. Raises RunError naming the holder when another has it.
        """
        try:
            import fcntl
        except ImportError as error:
            raise RunError(f"{self.path}: runs need file locks, which this system lacks (no fcntl)") from error
        with contextlib.ExitStack() as stack:
            with files.explained(self.path / LOCK, NOTHING):
                # never through a link: the file is written to
                handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
                stack.callback(os.close, handle)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    holder = "".join(filter(str.isprintable, os.pread(handle, 200, 0).decode(errors="replace")))
                    what = f"{self.path}: in use by {holder or 'another process'}"
                    raise RunError(f"{what}; wait for it or stop it") from error
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
                files.sweep(self.path)
            yield

    def _refuse_used(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is no folder; give a new or an empty one")
        names = sorted(os.listdir(self.path)) if self.path.exists() else []
        if self.recipe.name in names and self.about.name in names:
            raise RunError(f"{self.path}: holds a run; 'quasistatic resume {self.path}' goes on with it")
        foreign = [n for n in names if n not in (LOCK, self.about.name) and not n.startswith(files.PARTIAL)]
        if foreign:
            raise RunError(f"{self.path}: is not empty (it has {foreign[0]!r}); give a new or an empty folder")


def default_path(name: str, base: str | os.PathLike[str] = "runs") -> Path:
    """A new, empty folder base/name-001, or the next free number; no two processes get the same.

    Raises RunError for a name that is not a plain word, QuasistaticError when it cannot be made.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise RunError(f"{name!r}: cannot name a folder; letters, digits, '_', '-' and '.' can, or give --out FOLDER")
    with files.explained(Path(base), NOTHING):
        Path(base).mkdir(parents=True, exist_ok=True)
        numbers = itertools.count(1)
        while True:
            path = Path(base, f"{name}-{next(numbers):03d}")
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path
