"""The folder of a run: what it holds, under which names, and who may write in it.

    recipe.toml    the resolved recipe        checkpoints/    one folder per step
    run.json       versions and plugins       best.json       the step with the best K so far

Observers and reports add metrics.jsonl, tensorboard/, pictures/ and report.html.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import math
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from quasistatic import _files
from quasistatic.errors import RunError

FORMAT = 1
LOCK = ".lock"
NOTHING = "nothing was changed"
_JSON_MOST = 2**20


@attrs.frozen
class Best:
    """The best K so far and its standard error (nan for a single event), in nats per event, and the step it is of."""

    step: int = attrs.field(converter=int)
    value: float = attrs.field(converter=float)
    standard_error: float = attrs.field(converter=float)


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
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def best(self) -> Path:
        return self.path / "best.json"

    @classmethod
    def create(cls, path: str | os.PathLike[str], recipe: str, about: Mapping[str, Any]) -> RunFolder:
        """Start a run in a new or empty folder: its recipe as TOML text, `about` (versions, plugins) as JSON values.

        A kill on the way leaves a folder that can be given again. Raises RunError for a folder that holds a run or
        anything else, or is in use; QuasistaticError when it cannot be written.
        """
        run = cls(path)
        with _files.explained(run.path, NOTHING):
            run._refuse_used()
            run.path.mkdir(parents=True, exist_ok=True)
        with run.lock(), _files.explained(run.path, NOTHING):
            run._refuse_used()  # again: another process may have been faster
            run.checkpoints.mkdir(exist_ok=True)
            _files.write_durably(run.recipe, recipe.encode())
            _files.write_durably(run.about, _files.json_bytes({"format": FORMAT, **about}))  # last: this makes it a run
            _files.sync_folder(run.path.absolute().parent)
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The run in this folder. Raises RunError when there is none, or one of a newer quasistatic."""
        run = cls(path)
        missing = [p.name for p in (run.about, run.recipe, run.checkpoints) if not os.path.exists(p)]
        if missing:
            what = "holds no run" if os.path.isdir(path) else "is no folder" if os.path.exists(path) else "is not there"
            raise RunError(
                f"{run.path}: {what}; a run folder has run.json, recipe.toml and checkpoints "
                f"(missing: {', '.join(missing)}); 'quasistatic run RECIPE --out {run.path}' starts one"
            )
        run.read_about()
        return run

    def read_about(self) -> dict[str, Any]:
        """What `create` was told about the run, and the format. Raises RunError."""
        fields = _read_json(self.about)
        found = fields.get("format")
        if type(found) is not int or found > FORMAT:
            raise RunError(f"{self.about}: format {found!r}, this quasistatic reads {FORMAT}; install a newer one")
        return fields

    def write_best(self, best: Best) -> None:
        """Replace best.json, durably. Raises QuasistaticError when the disk refuses, ValueError for infinite values."""
        error = None if math.isnan(best.standard_error) else best.standard_error
        fields = {**attrs.asdict(best), "standard_error": error, "unit": "nats", "per": "event"}
        _files.write_durably(self.best, _files.json_bytes(fields))

    def read_best(self) -> Best | None:
        """What was written last, or None. Raises RunError when it is damaged."""
        if not os.path.lexists(self.best):
            return None
        match _read_json(self.best):
            case {"step": int(step), "value": float(value), "standard_error": float() | None as error}:
                return Best(step, value, math.nan if error is None else error)
        raise RunError(f"{self.best}: damaged; remove it, and the newest checkpoint is used")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that writes here, and sweep what killed ones left.

        The lock ends with the process, however it ends. Raises RunError naming the holder when another has it.
        """
        try:
            import fcntl
        except ImportError as error:
            raise RunError(f"{self.path}: runs need file locks, which this system lacks (no fcntl)") from error
        with _files.explained(self.path / LOCK, NOTHING):
            # never through a link: the file is written to
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{self.path}: {_refusal(handle, error)}") from error
            with _files.explained(self.path, NOTHING):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
                _files.sweep(self.path)
            yield
        finally:
            os.close(handle)

    def _refuse_used(self) -> None:
        if os.path.lexists(self.about):
            raise RunError(f"{self.path}: holds a run; 'quasistatic resume {self.path}' goes on with it")
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise RunError(f"{self.path}: is no folder; give a new or an empty one")
        entries = sorted(self.path.iterdir()) if self.path.is_dir() else []
        foreign = [entry.name for entry in entries if not self._begun(entry)]
        if foreign:
            raise RunError(f"{self.path}: is not empty (it has {foreign[0]!r}); give a new or an empty folder")

    def _begun(self, entry: Path) -> bool:
        """Is this what a killed `create` leaves? A recipe without checkpoints/ is the user's own."""
        if entry == self.recipe:
            return self.checkpoints.is_dir()
        if entry == self.checkpoints:
            return entry.is_dir() and not any(entry.iterdir())
        return entry.name == LOCK or entry.name.startswith(_files.PARTIAL)


def default_path(name: str, base: str | os.PathLike[str] = "runs") -> Path:
    """A new, empty folder base/name-001, or the next free number; no two processes get the same.

    Raises RunError for a name that is not a plain word, QuasistaticError when it cannot be made.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise RunError(f"{name!r}: cannot name a folder; letters, digits, '_', '-' and '.' can, or give --out FOLDER")
    numbers = itertools.count(1)
    with _files.explained(Path(base), NOTHING):
        Path(base).mkdir(parents=True, exist_ok=True)
        while True:
            path = Path(base, f"{name}-{next(numbers):03d}")
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path


def _refusal(handle: int, error: OSError) -> str:
    if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
        return f"cannot be locked: {error.strerror}"
    holder = "".join(filter(str.isprintable, os.pread(handle, 200, 0).decode(errors="replace")))
    return f"in use by {holder or 'another process'}; wait for it or stop it"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(_files.read_plain(path, _JSON_MOST))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from error
    if not isinstance(fields, dict):
        raise RunError(f"{path}: damaged: not a table of values")
    return fields
