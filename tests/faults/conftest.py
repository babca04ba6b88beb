"""What the fault tests share: states that tell their step, damage of every kind, a disk that fails and forgets."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from quasistatic._plugins.manager import plugins
from quasistatic._recipes.recipe import Recipe
from quasistatic._runs.job import start
from quasistatic._training.engine import initial_state
from quasistatic._training.store import Measured, Progress, Store

Arrays = dict[str, np.ndarray]
Damage = Callable[[Path, np.random.Generator], None]


@pytest.fixture(scope="session")
def arrays_of() -> Callable[[int], Arrays]:
    """`arrays_of(step)`: a small state that no other step has."""

    def arrays(step: int) -> Arrays:
        return {
            ".step": np.array(step, np.int32),
            ".weights": np.random.default_rng(step).normal(size=(2, 3)).astype(np.float32),
            ".half": np.full(3, step, ml_dtypes.bfloat16),
            ".none": np.zeros((0, 3), np.int8),
        }

    return arrays


@pytest.fixture(scope="session")
def same() -> Callable[[Arrays, Arrays], bool]:
    """Are two states the same, bit for bit?"""

    def compare(a: Arrays, b: Arrays) -> bool:
        return a.keys() == b.keys() and all(
            a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
        )

    return compare


def _flip(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def _truncate(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def _append(path: Path, rng: np.random.Generator) -> None:
    with open(path, "ab") as file:
        file.write(rng.bytes(1 + int(rng.integers(8))))


def _link(path: Path, _rng: np.random.Generator) -> None:
    moved = path.rename(path.with_name("elsewhere"))
    path.symlink_to(moved)


def _folder(path: Path, _rng: np.random.Generator) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Damage] = {
    "flip": _flip,
    "truncate": _truncate,
    "append": _append,
    "delete": lambda path, _rng: path.unlink(),
    "link": _link,
    "folder": _folder,
}


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> Damage:
    """`damage(path, rng)` spoils one file."""
    return DAMAGES[request.param]


@pytest.fixture
def copies(tmp_path: Path) -> Callable[[Path], Path]:
    """`copies(folder)`: a fresh copy of a folder, to be spoilt."""
    made: list[Path] = []

    def copy(folder: Path) -> Path:
        made.append(Path(shutil.copytree(folder, tmp_path / f"copy-{len(made)}")))
        return made[-1]

    return copy


@pytest.fixture(scope="session")
def saved_run() -> Callable[[Path, Recipe], Path]:
    """`saved_run(folder, recipe)`: a run whose checkpoints of updates 2, 4 and 6 hold weights that nobody trained."""

    def save(folder: Path, recipe: Recipe) -> Path:
        job = start(recipe, plugins(), folder)
        state = initial_state(job.task.diffusion, job.task.options)
        measured = Measured(2, -3.0, 0.1, 3), Measured(4, -2.0, 0.1, 3), Measured(6, -2.5, 0.1, 3)
        for update in (2, 4, 6):
            progress = Progress(measured[min(update, 4) // 2 - 1], measured[: update // 2])
            saved = eqx.tree_at(lambda state: state.update, state, jnp.asarray(update, state.update.dtype))
            Store(folder / "checkpoints").save(saved, progress)
        return folder

    return save


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def killed() -> type[BaseException]:
    return Killed


class Disk:
    """The calls of `os` that change something below `root`, counted; one of them may fail, or be the last one ever.

    It also knows what a power cut takes: bytes of a file that was not fsynced, names in a folder that was not.
    """

    def __init__(self, root: Path, attic: Path):
        self.root, self.attic, self.watching = root, attic, True
        self.unsynced: dict[int, bytes] = {}  # by inode: what the disk has of a file that was written to
        self.undo: list[tuple[Path, Callable[[Path], Any]]] = []  # names that changed, and how to change them back
        self.heal()

    def heal(self) -> None:
        """No call fails any more."""
        self.calls, self.at, self.dead = 0, 0, False

    def fail(self, call: int) -> None:
        """The call of this number, counted from now, fails as on a bad disk."""
        self.heal()
        self.at = call

    def die(self, call: int) -> None:
        """The process is killed at the call of this number, counted from now: it and every later one does nothing."""
        self.fail(call)
        self.dead = True

    def power_cut(self, names: bool) -> None:
        """Forget what was not synced, names too if asked."""
        self.heal()
        self.watching = False
        for file in self.root.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.stat().st_ino in self.unsynced:
                file.write_bytes(self.unsynced[file.stat().st_ino])
        while names and self.undo:
            path, undo = self.undo.pop()
            undo(path)
        self.unsynced.clear()
        self.undo.clear()
        self.watching = True

    def counts(self, path: Path) -> bool:
        """Does this call concern us? Raises what it was told to."""
        if not self.watching or not path.is_relative_to(self.root):
            return False
        self.calls += 1
        if self.dead and self.calls >= self.at:
            raise Killed
        if self.calls == self.at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return True

    def keep(self, path: Path) -> Callable[[Path], Any]:
        """How to bring back a file, an empty folder, or the absence of both."""
        if not os.path.lexists(path):
            return lambda path: shutil.rmtree(path) if path.is_dir() else path.unlink()
        if path.is_dir() and not path.is_symlink():
            return Path.mkdir
        kept = self.attic / str(len(os.listdir(self.attic)))
        os.link(path, kept, follow_symlinks=False)

        def back(path: Path) -> None:
            path.unlink(missing_ok=True)
            os.link(kept, path, follow_symlinks=False)

        return back

    def change(self, path: Path, call: Callable[[], Any]) -> Any:
        """A call that makes or removes a name."""
        if not self.counts(path):
            return call()
        undo = self.keep(path)
        result = call()
        self.undo.append((path, undo))
        return result

    def rename(self, old: Path, new: Path, call: Callable[[], Any]) -> None:
        if not self.counts(new):
            return call()
        undo = self.keep(new) if os.path.lexists(new) else None
        call()
        self.undo += [(new, undo)] if undo else []
        self._moved(old, new)
        self.undo.append((new, lambda new: (new.rename(old), self._moved(new, old))))

    def _moved(self, old: Path, new: Path) -> None:
        below = [path != old and path.is_relative_to(old) for path, _ in self.undo]
        self.undo = [
            (new / path.relative_to(old) if moved else path, undo) for (path, undo), moved in zip(self.undo, below, strict=True)
        ]

    def write(self, handle: int, data: bytes) -> int:
        if self.counts(place(handle)):
            self.unsynced.setdefault(os.fstat(handle).st_ino, place(handle).read_bytes())
        return REAL["write"](handle, data)

    def fsync(self, handle: int) -> None:
        self.counts(place(handle))
        REAL["fsync"](handle)
        self.unsynced.pop(os.fstat(handle).st_ino, None)
        self.undo = [(path, undo) for path, undo in self.undo if path.parent != place(handle)]


REAL: dict[str, Callable[..., Any]] = {
    name: getattr(os, name) for name in "open write fsync mkdir rename replace unlink rmdir".split()
}


def place(target: Any, dir_fd: int | None = None) -> Path:
    """The path that a call is about."""
    if isinstance(target, int):
        return Path(os.readlink(f"/proc/self/fd/{target}"))
    return Path(os.path.abspath(target if dir_fd is None else place(dir_fd) / os.fspath(target)))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A `Disk` whose root is an empty folder."""
    for name in ("disk", "attic"):
        (tmp_path / name).mkdir()
    disk = Disk(tmp_path / "disk", tmp_path / "attic")

    def changing(name: str) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, dir_fd: int | None = None) -> Any:
            return disk.change(place(path, dir_fd), lambda: REAL[name](path, *arguments, dir_fd=dir_fd))

        return call

    def renaming(name: str) -> Callable[..., Any]:
        return lambda old, new: disk.rename(place(old), place(new), lambda: REAL[name](old, new))

    def opening(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        make = changing("open") if flags & os.O_CREAT else REAL["open"]
        return make(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "write", disk.write)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, renaming(name))
    for name in ("mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, changing(name))
    return disk
