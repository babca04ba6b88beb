"""The folder of compiled programs: whose it may be, how large it gets, and what a broken one does."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from quasistatic.cli import _compiled

RUN = ("train", "swiss-roll", "-q", *(f"--set={each}" for each in (
    "training.updates=2", "training.batch=4", "training.validate_every=2", "training.validation_events=4", "training.fuse=1",
    "model.width=4", "model.depth=1", "trajectory.steps=2", "training.observers=[]")))  # fmt: skip


def call(home: Path, *arguments: str, code: int = 0) -> str:
    """What it says on stderr, as a user without a folder of their own for compiled programs."""
    # jax sets the second where another test has imported it
    inherited = {"JAX_COMPILATION_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL"}
    environment = {key: value for key, value in os.environ.items() if key not in inherited}
    environment["XDG_CACHE_HOME"] = str(home)
    done = subprocess.run(
        [sys.executable, "-m", "quasistatic", *arguments], cwd=home, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_programs_are_kept_for_the_user_alone_and_refused_where_others_write(tmp_path: Path) -> None:
    """In one test: each of its calls takes seconds."""
    folder = tmp_path / "quasistatic" / "compiled"
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # as an older version made it
    assert call(tmp_path, *RUN) == ""
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.glob("*-cache"))
    assert call(tmp_path, *RUN) == ""
    folder.chmod(0o777)
    before = sorted(folder.iterdir())
    said = call(tmp_path, *RUN)
    assert said.startswith(f"note: compiled programs are not kept in {folder}: others can write there; chmod 700")
    assert sorted(folder.iterdir()) == before


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert "not yours" in str(_compiled.prepared(tmp_path))
    monkeypatch.undo()
    assert _compiled.prepared(tmp_path / "a" / "b") is None and (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    assert _compiled.prepared(tmp_path / "file" / "x") == "Not a directory"


def test_the_oldest_programs_go_first(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"p{number}-cache").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"p{number}-cache", (number, number))
    (tmp_path / "mine.txt").write_bytes(b"x" * 1000)
    _compiled.bound(tmp_path, 1000)
    assert len(list(tmp_path.glob("*-cache"))) == 10
    _compiled.bound(tmp_path, 999)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mine.txt", *(f"p{number}-cache" for number in range(3, 10))]


def test_the_command_shows_and_clears(tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    (tmp_path / "jit_f-1-cache").write_bytes(b"x" * 2_000_000)
    (tmp_path / "jit_f-1-atime").write_bytes(b"x")
    (tmp_path / "mine.txt").touch()
    assert cli("cache").stdout == f"{tmp_path}: 1 programs, 2.0 MB of at most 2000 MB\n"
    assert json.loads(cli("cache", "--json").stdout)["programs"] == 1
    assert "removed 1 programs\n" in cli("cache", "--clear").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "gone"))
    assert cli("cache", "--clear").exit_code == 0


def test_a_program_that_cannot_be_read_is_named_once_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name in ("jit_f-1-cache", "jit_f-2-cache", "jit_g-1-cache"):
        (tmp_path / name).touch()
    with warnings.catch_warnings():
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        _compiled.mend_broken(tmp_path)
        for _ in range(2):
            warnings.warn("Error reading persistent compilation cache entry for 'jit_f': ValueError: x", stacklevel=1)
    assert [path.name for path in tmp_path.iterdir()] == ["jit_g-1-cache"]
    said = capsys.readouterr().err
    assert said.count("is damaged and is compiled anew") == 1 and "quasistatic cache --clear" in said
