"""The folder of a run: what it holds, under which names, and who may write in it.

    recipe.toml         the resolved recipe              checkpoints/    one folder per step
    run.json            versions, plugins and data
    data.safetensors    numbers that come from the data, where there are any
    seal.json           size and sha256 of these files   refit/          the same, of training on all rows
    places.json         where its data are, signed by whoever named them

The seal is written last and makes the folder a run; a file that no longer is what it was is never read. Observers and
reports add metrics.jsonl, pictures/ and report.html, and what observers write besides.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from quasistatic._storage import arrays as named_arrays
from quasistatic._storage import files, signing
from quasistatic.errors import RunError

FORMAT = 2
LOCK, SEAL = ".lock", "seal.json"
RECIPE, ABOUT, ARRAYS = SEALED = "recipe.toml", "run.json", "data.safetensors"
CHECKPOINTS, REFIT, PICTURES, METRICS, REPORT = "checkpoints", "refit", "pictures", "metrics.jsonl", "report.html"
PLACES = "places.json"
FOLDERS, FILES = (CHECKPOINTS, REFIT, PICTURES), (*SEALED, SEAL, LOCK, METRICS, REPORT, PLACES)
LARGEST = {RECIPE: 1_000_000, ABOUT: 2**26, SEAL: 1_000_000, PLACES: 1_000_000}  # bytes
NOTHING = "nothing was changed"


@attrs.frozen
class Named:
    """What a user has recorded about a run: where its data are, and that it is their own, with every path in its recipe."""

    places: tuple[str, ...] = ()
    is_own: bool = False


@attrs.frozen
class RunFolder:
    """A run on disk. Made by `create` or `open`; the attributes are paths, which need not exist yet.

    What it was started with is read once, and verified: `read_recipe`, `read_about`, `read_arrays`.
    """

    path: Path = attrs.field(converter=Path)
    _sealed: Mapping[str, bytes] = attrs.field(factory=dict, eq=False, repr=False)

    @property
    def recipe(self) -> Path:
        return self.path / RECIPE

    @property
    def checkpoints(self) -> Path:
        return self.path / CHECKPOINTS

    @property
    def refit(self) -> Path:
        return self.path / REFIT

    @property
    def metrics(self) -> Path:
        return self.path / METRICS

    @property
    def pictures(self) -> Path:
        return self.path / PICTURES

    @property
    def report(self) -> Path:
        return self.path / REPORT

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        recipe: str,
        about: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        places: Sequence[str] | None = None,
    ) -> RunFolder:
        """Start a run in a new or empty folder: its recipe as TOML text, `about` (versions, plugins) as JSON values.

        `arrays` are numbers that it needs of its data, `places` where these are; None for a recipe without a path. A kill on the
        way leaves a folder that can be given again. Raises RunError for a folder that holds a run or anything else, or is in use;
        QuasistaticError when it cannot be written.
        """
        sealed = _sealed_files(recipe, about, arrays)
        run = cls(path, sealed)
        with files.explained(run.path, NOTHING):
            run.refuse_used()
            run.path.mkdir(parents=True, exist_ok=True)
            files.sync_folder(run.path.absolute().parent)
        with run.lock():
            run.refuse_used()  # again: another process may have been faster
            if places is not None:
                run.name(Named(tuple(places), is_own=True))
            for name, data in {**sealed, SEAL: _seal(sealed)}.items():
                files.write_durably(run.path / name, data)
        return run

    @classmethod
    def write(cls, path: Path, recipe: str, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """The files that make a run, in a folder that no one sees yet. Raises OSError."""
        sealed = _sealed_files(recipe, about, arrays)
        for name, data in {**sealed, SEAL: _seal(sealed)}.items():
            files.write_synced(path / name, data)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The run in this folder.

        Raises RunError when there is none, one of a newer quasistatic, or one that was changed after its start.
        """
        path = Path(path)
        missing = [name for name in (RECIPE, ABOUT, SEAL) if not os.path.lexists(path / name)]
        if missing:
            # the seal comes last: a start that was cut short lacks it, and so does what an older version made
            again = f"run {path / RECIPE}' starts it anew" if missing == [SEAL] else f"run RECIPE --out {path}' starts one"
            raise RunError(f"{path}: holds no run (it lacks {' and '.join(missing)}); 'quasistatic {again}")
        _refuse_strange(path)
        return cls(path, _verified(path))

    def read_recipe(self) -> bytes:
        """The recipe, as TOML."""
        return self._sealed[RECIPE]

    def read_about(self) -> dict[str, Any]:
        """What `create` recorded of the run. Raises RunError."""
        fields = _json(self.path / ABOUT, self._sealed[ABOUT])
        if not isinstance(fields, dict):
            raise RunError(f"{self.path / ABOUT}: expected a table of values")
        return fields

    def read_arrays(self) -> dict[str, np.ndarray]:
        """The numbers that the run needs of its data; none where there are none. Raises RunError."""
        try:
            return named_arrays.decode(self._sealed[ARRAYS]) if ARRAYS in self._sealed else {}
        except ValueError as error:
            raise RunError(f"{self.path / ARRAYS}: {error}") from error

    def name(self, named: Named) -> None:
        """Keep what this user says about the run. Raises QuasistaticError when it cannot be written.

        Without a key to sign with nothing is kept: it would not be believed.
        """
        record = {"is_own": named.is_own, "places": list(named.places)}
        if found := signing.signature(self._statement(record)):
            files.write_durably(self.path / PLACES, files.json_bytes({**record, "signature": found}))

    def named(self) -> Named:
        """What this user has recorded about this very run; what anyone else has written there does not count."""
        with contextlib.suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
            record = json.loads(files.read_plain(self.path / PLACES, LARGEST[PLACES]))
            if signing.is_signed(self._statement(record), record["signature"]):
                return Named(tuple(record["places"]), record["is_own"])
        return Named()

    def _statement(self, record: Mapping[str, Any]) -> bytes:
        about = {"seal": files.digest(_seal(self._sealed)), "is_own": record["is_own"], "places": record["places"]}
        return files.json_bytes(about)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that writes here, and sweep what killed ones left.

        The lock ends with the process, however it ends. Raises RunError naming the holder when another has it, and where
        something else has the name of a file or a folder of a run.
        """
        _refuse_strange(self.path)
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
                if os.fstat(handle).st_nlink == 1:  # with another name it may be another user's file
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
                files.sweep(self.path, self.checkpoints, self.refit, self.pictures)
            yield

    def refuse_used(self) -> None:
        """Raises RunError where `create` would."""
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise RunError(f"{self.path}: is no folder; give a new or an empty one")
        names = sorted(os.listdir(self.path)) if self.path.exists() else []
        if SEAL in names:
            raise RunError(f"{self.path}: holds a run; 'quasistatic resume {self.path}' goes on with it")
        begun = {LOCK, PLACES, *SEALED} if LOCK in names else set()  # a start that was killed
        foreign = [n for n in names if n not in begun and not files.is_partial(n)]
        if foreign:
            raise RunError(f"{self.path}: is not empty (it has {foreign[0]!r}); give a new or an empty folder")


def _refuse_strange(path: Path) -> None:
    """Nothing outside of a run is read, written or removed, and nothing is waited for or read without end.

    Raises RunError where a name that this program uses is not that of an ordinary file or folder, or of one too large.
    """
    for name in filter(lambda name: os.path.lexists(path / name), (*FOLDERS, *FILES)):
        found, expected = files.kind_of(path / name), "a folder" if name in FOLDERS else "a file"
        if found != expected:
            raise RunError(f"{path / name}: expected {expected}, but this is {found}; a run keeps all of its own in its folder")
        if expected == "a file":
            try:
                files.refuse_large((path / name).lstat().st_size)
            except OSError as error:
                raise RunError(f"{path / name}: {files.reason(error)}") from error


def _verified(path: Path) -> dict[str, bytes]:
    """The sealed files of a run, as they were when it was started. Raises RunError naming the one that is not."""
    names = [name for name in SEALED if os.path.lexists(path / name)]
    sealed, seal = {name: _read(path / name) for name in names}, _read(path / SEAL)
    if seal == _seal(sealed):
        return sealed
    recorded = _json(path / SEAL, seal)
    if not isinstance(recorded, dict) or recorded.get("format") != FORMAT:
        raise RunError(f"{path / SEAL}: not of format {FORMAT}, the one this quasistatic reads; install a newer one")
    digests = recorded.get("files")
    digests = digests if isinstance(digests, dict) else {}
    now = {name: files.digest(data) for name, data in sealed.items()}
    changed = next((name for name in SEALED if digests.get(name) != now.get(name)), SEAL)
    what = "was changed after the run was started" if changed in now else "is missing, and was there when the run was started"
    again = f"; a changed recipe is a new run: quasistatic run {path / RECIPE}" if changed == RECIPE else ""
    raise RunError(f"{path / changed}: {what} ({SEAL} is of another one){again}")


def _sealed_files(recipe: str, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None) -> dict[str, bytes]:
    sealed = {RECIPE: recipe.encode(), ABOUT: files.json_bytes(about)}
    return sealed | ({ARRAYS: named_arrays.encode(arrays)} if arrays else {})


def _seal(sealed: Mapping[str, bytes]) -> bytes:
    return files.manifest(sealed, format=FORMAT)


def _read(path: Path) -> bytes:
    try:
        return files.read_plain(path, LARGEST.get(path.name))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {files.reason(error)}") from error


def _json(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from error


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
