"""Whatever call fails, and whenever the process or the power goes: what was committed is there, exactly."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quasistatic._storage import checkpoint
from quasistatic._storage import files as _files
from quasistatic._storage.files import PARTIAL, write_durably
from quasistatic.cli import _new_plugin as new_plugin
from quasistatic.errors import QuasistaticError

Arrays = dict[str, np.ndarray]
Make = Callable[[int], Arrays]
SAVER = Path(__file__).with_name("saver.py")


def assert_exact(folder: Path, step: int, make: Make) -> None:
    arrays, meta = checkpoint.load(folder / checkpoint.step_name(step))
    assert meta["step"] == step and arrays.keys() == make(step).keys()
    assert all((arrays[name] == array).all() for name, array in make(step).items())


def folders(disk: Any, make: Make, damaged: bool) -> Iterator[tuple[int, Path]]:
    """Call numbers 1, 2, .. each with a fresh folder that holds step 1 and, if asked, a damaged step 2."""
    for call in range(1, 100):
        disk.heal()
        folder = disk.root / str(call)
        folder.mkdir()
        checkpoint.save(folder, 1, make(1), {"step": 1})
        if damaged:
            path = checkpoint.save(folder, 2, make(2), {"step": 2})
            (path / checkpoint.STATE).write_bytes(b"")
        _files.sync_folder(disk.root)
        yield call, folder


@pytest.mark.parametrize("damaged", [False, True], ids=["new", "replaces"])
def test_an_error_in_any_call(disk: Any, arrays_of: Make, damaged: bool) -> None:
    failures = 0
    for call, folder in folders(disk, arrays_of, damaged):
        disk.fail(call)
        try:
            checkpoint.save(folder, 2, arrays_of(2), {"step": 2})
        except QuasistaticError as error:
            assert str(folder) in str(error) and str(error).count("\n") == 0
            failures += 1
        missed = disk.calls < call
        disk.heal()
        assert not missed or checkpoint.newest(folder).step == 2
        assert_exact(folder, checkpoint.newest(folder).step, arrays_of)
        checkpoint.save(folder, 2, arrays_of(2), {"step": 2})  # and the training goes on
        assert_exact(folder, checkpoint.newest(folder).step, arrays_of)
        assert checkpoint.newest(folder).step == 2
        if missed:
            break
    assert failures >= 10


@pytest.mark.parametrize("damaged", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize("names", [False, True], ids=["keeps-names", "loses-names"])
def test_a_power_cut_at_any_call(disk: Any, killed: type[BaseException], arrays_of: Make, damaged: bool, names: bool) -> None:
    cuts = 0
    for call, folder in folders(disk, arrays_of, damaged):
        disk.die(call)
        try:
            checkpoint.save(folder, 2, arrays_of(2), {"step": 2})
            saved = True
        except killed:
            saved = False
            cuts += 1
        missed = disk.calls < call
        disk.power_cut(names)
        found = checkpoint.newest(folder)
        assert found.step == 2 or not saved
        assert damaged or not found.skipped  # what has the name of a checkpoint is one
        assert_exact(folder, found.step, arrays_of)
        checkpoint.prune(folder, keep=5)
        assert not list(folder.rglob(f"{PARTIAL}*"))
        if missed:
            break
    assert cuts >= 10


def test_the_first_checkpoint_outlives_a_power_cut(disk: Any, arrays_of: Make) -> None:
    """Its folder is new as well."""
    checkpoint.save(disk.root / "checkpoints", 1, arrays_of(1), {"step": 1})
    disk.power_cut(True)
    assert_exact(disk.root / "checkpoints", 1, arrays_of)


def test_a_kill_while_pruning(disk: Any, killed: type[BaseException], arrays_of: Make) -> None:
    kills = 0
    for call, folder in folders(disk, arrays_of, damaged=False):
        for step in (2, 3, 4):
            checkpoint.save(folder, step, arrays_of(step), {"step": step})
        disk.die(call)
        try:
            checkpoint.prune(folder, keep=1, spare={2})
        except killed:
            kills += 1
        missed = disk.calls < call
        disk.heal()
        for step in checkpoint.steps(folder):  # none is half removed
            assert_exact(folder, step, arrays_of)
        assert {2, 4} <= set(checkpoint.steps(folder))
        checkpoint.prune(folder, keep=1, spare={2})
        assert sorted(p.name for p in folder.iterdir()) == ["000000002", "000000004"]
        if missed:
            break
    assert kills >= 4


@pytest.mark.parametrize("names", [False, True], ids=["keeps-names", "loses-names"])
def test_a_file_is_old_or_new(disk: Any, killed: type[BaseException], names: bool) -> None:
    for call in range(1, 20):
        file = disk.root / str(call)
        disk.heal()
        write_durably(file, b"old")
        disk.die(call)
        try:
            write_durably(file, b"new and longer")
            allowed = {b"new and longer"}
        except killed:
            allowed = {b"old", b"new and longer"}
        missed = disk.calls < call
        disk.power_cut(names)
        assert file.read_bytes() in allowed
        if missed:
            break
    assert call > 5


def test_a_kill_leaves_no_half_project(disk: Any, killed: type[BaseException]) -> None:
    files = new_plugin.project_files("mine", "command", "0.1.0")
    kills = 0
    for call in range(1, 200, 7):
        folder = disk.root / str(call)
        disk.die(call)
        try:
            new_plugin._write(folder, files)
        except killed:
            kills += 1
        disk.heal()
        if not folder.exists():
            new_plugin._write(folder, files)
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(files)
    assert kills > 3


# the disk refuses


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the disk quota is used up; free some space"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays_of: Make, number: int, reason: str) -> None:
    checkpoint.save(tmp_path, 1, arrays_of(1), {"step": 1})
    file = tmp_path / "file"
    write_durably(file, b"old")

    def refuse(*_arguments: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", refuse)
    for path, write in {
        file: lambda: write_durably(file, b"new"),
        tmp_path / "000000002": lambda: checkpoint.save(tmp_path, 2, arrays_of(2), {"step": 2}),
    }.items():
        with pytest.raises(QuasistaticError) as caught:
            write()
        assert caught.value.exit_code == (2 if number in (errno.EROFS, errno.EACCES) else 1)  # another path would do
        assert str(caught.value) == f"{path}: cannot be written: {reason}; what was there before is untouched"
    assert file.read_bytes() == b"old"
    assert_exact(tmp_path, 1, arrays_of)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000001", "file"]


@pytest.mark.parametrize(
    ("name", "reason"), [("absent/file", "No such file"), ("file/x", "Not a directory"), ("", "Is a directory")]
)
def test_a_wrong_place_is_said(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(QuasistaticError, match=f"cannot be written: {reason}"):
        write_durably(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems."""
    sync = os.fsync

    def refuse(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "not for folders")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    write_durably(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    write_durably(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_file_as_others_make_it(tmp_path: Path) -> None:
    """Neither more private nor more public than the user's umask says."""
    (tmp_path / "plain").write_bytes(b"")
    write_durably(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def start(folder: Path, *limit: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(SAVER), str(folder), *map(str, limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_file_size_limit(tmp_path: Path, arrays_of: Make) -> None:
    """A real refusal of the system, in the middle of a write."""
    checkpoint.save(tmp_path, 1, arrays_of(1), {"step": 1})
    out, err = start(tmp_path, 100_000).communicate(timeout=60)
    assert out == "" and err.count("\n") == 1
    assert "000000002: cannot be written: the file would be larger than this system allows" in err
    assert checkpoint.newest(tmp_path).step == 1 and len(list(tmp_path.iterdir())) == 1
    assert_exact(tmp_path, 1, arrays_of)


def kill_while_saving(folder: Path, lines: int, delay: float) -> None:
    """Kill a saver after it reported `lines` saves: what it reported is there, and nothing half stays."""
    saver = start(folder)
    with saver:
        assert saver.stdout is not None
        reported = [int(saver.stdout.readline()) for _ in range(lines)]
        time.sleep(delay)
        saver.kill()
        reported += [int(line) for line in saver.stdout if line.endswith("\n")]
    assert saver.returncode < 0
    found = checkpoint.newest(folder)
    assert found.step in (reported[-1], reported[-1] + 1) and not found.skipped
    for step in checkpoint.steps(folder):
        arrays, meta = checkpoint.load(folder / checkpoint.step_name(step))
        assert meta["step"] == step and (arrays["x"] == step).all()
    checkpoint.prune(folder, keep=2)
    assert not list(folder.rglob(f"{PARTIAL}*"))


def test_kill_9_while_saving(tmp_path: Path) -> None:
    for lines in (1, 3, 4):
        kill_while_saving(tmp_path, lines, delay=0)


@pytest.mark.benchmark
def test_kill_9_fifty_times(tmp_path: Path) -> None:
    draw = random.Random(0)
    for _ in range(50):
        kill_while_saving(tmp_path, draw.randint(1, 5), delay=draw.uniform(0, 0.03))
