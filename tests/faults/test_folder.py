"""The run folder: who may start, open, lock and name one."""

from __future__ import annotations

import builtins
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quasistatic._storage.files import LIMIT, PARTIAL
from quasistatic._storage.folder import RunFolder, default_path
from quasistatic.errors import QuasistaticError, RunError

RECIPE = 'seed = 0\n[kernel]\nuse = "gaussian"\n'
ABOUT = {"python": "3.11", "plugins": {"gaussian": "0.1"}}
ARRAYS = {"test": np.arange(7), "scale": np.array(0.25)}
SEALED = ["recipe.toml", "run.json", "data.safetensors"]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", RECIPE, ABOUT, ARRAYS)


def assert_given(folder: Path) -> None:
    opened = RunFolder.open(folder)
    assert opened.read_recipe().decode() == RECIPE and opened.read_about() == ABOUT
    assert {name: array.tolist() for name, array in opened.read_arrays().items()} == {"test": list(range(7)), "scale": 0.25}


def test_made_and_opened(run: RunFolder) -> None:
    opened = RunFolder.open(str(run.path))
    assert opened == run
    assert_given(run.path)
    paths = (opened.checkpoints, opened.metrics, opened.pictures, opened.report)
    assert [p.name for p in paths] == ["checkpoints", "metrics.jsonl", "pictures", "report.html"]
    assert not any(p.exists() for p in paths) and {p.parent for p in paths} == {run.path}


def test_a_run_is_never_overwritten(run: RunFolder) -> None:
    before = {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file()}
    with pytest.raises(RunError, match=f"holds a run; 'quasistatic resume {run.path}'"):
        RunFolder.create(run.path, "", {})
    assert {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file()} == before


@pytest.mark.parametrize("name", ["recipe.toml", "thesis.tex", "checkpoints", "checkpoints/000000001", "Mail/inbox"])
def test_a_foreign_folder_is_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        RunFolder.create(tmp_path, RECIPE, ABOUT)
    assert path.read_text() == "mine" and len(os.listdir(tmp_path)) == 1


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is no folder"):
        RunFolder.create(tmp_path / "file", RECIPE, ABOUT)
    with pytest.raises(QuasistaticError, match="Not a directory") as caught:
        RunFolder.create(tmp_path / "file" / "run", RECIPE, ABOUT)
    assert caught.value.exit_code == 2
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    with pytest.raises(RunError, match="is no folder"):
        RunFolder.create(tmp_path / "dangling", RECIPE, ABOUT)


def test_an_empty_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RunFolder.create(".", RECIPE, ABOUT, ARRAYS)
    assert_given(Path("."))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("mkdir", "open"):
        with (
            monkeypatch.context() as patch,
            pytest.raises(QuasistaticError, match="Permission denied; nothing was") as e,
        ):
            patch.setattr(os, name, refuse)
            RunFolder.create(tmp_path / name, RECIPE, ABOUT)
        assert e.value.exit_code == 2


def test_another_process_was_faster(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that appears between the first look and the lock is not overwritten."""
    seal, lock = (run.path / "seal.json").rename(run.path.parent / "seal.json"), RunFolder.lock

    @contextlib.contextmanager
    def late(self: RunFolder) -> Iterator[None]:
        seal.rename(self.path / "seal.json")
        with lock(self):
            yield

    monkeypatch.setattr(RunFolder, "lock", late)
    with pytest.raises(RunError, match="holds a run"):
        RunFolder.create(run.path, "", {})
    assert_given(run.path)


def test_a_killed_start_can_be_repeated(disk: Any, killed: type[BaseException]) -> None:
    kills = 0
    for call in range(1, 100):
        path = disk.root / str(call)
        disk.die(call)
        try:
            RunFolder.create(path, RECIPE, ABOUT, ARRAYS)
        except killed:
            kills += 1
        missed = disk.calls < call
        disk.heal()
        if not (path / "seal.json").exists():
            with pytest.raises(RunError):
                RunFolder.open(path)
            RunFolder.create(path, RECIPE, ABOUT, ARRAYS)
        assert_given(path)
        if missed:
            break
    assert kills > 10


def test_a_power_cut_while_starting(disk: Any, killed: type[BaseException]) -> None:
    for call in range(1, 100):
        path = disk.root / str(call)
        disk.die(call)
        try:
            RunFolder.create(path, RECIPE, ABOUT, ARRAYS)
            made = True
        except killed:
            made = False
        missed = disk.calls < call
        disk.power_cut(names=True)
        if made or (path / "seal.json").exists():
            assert_given(path)
        else:
            RunFolder.create(path, RECIPE, ABOUT, ARRAYS)
        if missed:
            break


@pytest.mark.parametrize("missing", ["run.json", "recipe.toml", "seal.json"])
def test_what_is_missing_is_said(run: RunFolder, missing: str) -> None:
    (run.path / missing).unlink()
    how = f"run {run.recipe}' starts it anew" if missing == "seal.json" else f"run RECIPE --out {run.path}' starts one"
    with pytest.raises(RunError, match=rf"holds no run .*{missing}.*'quasistatic {how}"):
        RunFolder.open(run.path)


@pytest.mark.parametrize("name", ["absent", "", "file"])
def test_no_run_is_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"holds no run .*recipe.toml and run.json and seal.json"):
        RunFolder.open(tmp_path / name)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 3}', '{"format": "2"}', "[" * 100_000])
def test_a_damaged_or_newer_run(run: RunFolder, text: str) -> None:
    (run.path / "seal.json").write_text(text)
    with pytest.raises(RunError, match=r"seal\.json: (damaged|not of format 2)"):
        RunFolder.open(run.path)


# the seal


@pytest.mark.parametrize("name", [*SEALED, "seal.json"])
def test_a_changed_byte_is_seen(run: RunFolder, name: str) -> None:
    data = (run.path / name).read_bytes()
    for place in range(0, len(data), max(1, len(data) // 40)):
        (run.path / name).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(RunError, match=f"^{run.path}/.*seal.json") as caught:
            RunFolder.open(run.path)
        said = f"{run.path / name}: was changed after the run was started (seal.json is of another one)"
        again = f"; a changed recipe is a new run: quasistatic run {run.path / 'recipe.toml'}"
        if name != "seal.json":
            assert str(caught.value) == said + again * (name == "recipe.toml")
    (run.path / name).write_bytes(data)
    assert_given(run.path)


def test_numbers_of_the_data_neither_go_nor_come(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "data.safetensors").rename(tmp_path / "data.safetensors")
    with pytest.raises(RunError, match=r"data\.safetensors: is missing, and was there when the run was started"):
        RunFolder.open(run.path)
    bare = RunFolder.create(tmp_path / "bare", RECIPE, ABOUT)
    assert RunFolder.open(bare.path).read_arrays() == {}
    (tmp_path / "data.safetensors").rename(bare.path / "data.safetensors")
    with pytest.raises(RunError, match=r"data\.safetensors: was changed"):
        RunFolder.open(bare.path)


def test_a_file_above_the_limit_is_not_read(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    os.truncate(run.path / "recipe.toml", 4 * 10**10)
    with pytest.raises(RunError, match=r"recipe\.toml: it takes 40 GB, above the limit of 1 GB; QUASISTATIC_LIMIT_GB=N"):
        RunFolder.open(run.path)
    for text in ("", "much", "nan", "1e999"):
        monkeypatch.setenv(LIMIT, text)
        with pytest.raises(QuasistaticError, match="expected a number of gigabytes, such as 4"):
            RunFolder.open(run.path)


# the lock


@pytest.fixture
def holder(run: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    code = (
        "import sys; from quasistatic._storage.folder import RunFolder\n"
        "with RunFolder.open(sys.argv[1]).lock(): print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(run.path)], **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused(run: RunFolder, holder: subprocess.Popen[str]) -> None:
    for _ in range(2):  # being refused changes nothing
        with pytest.raises(RunError) as caught, run.lock():
            raise AssertionError("locked twice")
        assert str(caught.value).startswith(f"{run.path}: in use by process {holder.pid} on ")
        assert str(caught.value).endswith("; wait for it or stop it")
    holder.kill()  # as kill -9 does
    holder.wait()
    with run.lock():
        assert f"process {os.getpid()} on" in (run.path / ".lock").read_text()


def test_a_start_in_use_is_refused(run: RunFolder, holder: subprocess.Popen[str]) -> None:
    (run.path / "seal.json").unlink()
    with pytest.raises(RunError, match="in use by process"):
        RunFolder.create(run.path, RECIPE, ABOUT)


def test_the_lock_ends_with_its_block(run: RunFolder) -> None:
    with pytest.raises(KeyError), run.lock():
        with pytest.raises(RunError, match="in use"), run.lock():
            pass
        raise KeyError
    with run.lock():
        pass


def test_the_lock_sweeps(run: RunFolder) -> None:
    for folder in (run.path, run.checkpoints, run.pictures):
        folder.mkdir(exist_ok=True)
        (folder / f"{PARTIAL}0123456789abcdef").mkdir()
        (folder / f"{PARTIAL}fedcba9876543210").write_text("half")
    with run.lock():
        assert not list(run.path.rglob(f"{PARTIAL}*"))
    assert RunFolder.open(run.path) == run


def test_the_lock_sweeps_nothing_that_it_did_not_name(run: RunFolder, tmp_path: Path) -> None:
    ours = f"{PARTIAL}0123456789abcdef"
    for folder in (tmp_path / "elsewhere", run.checkpoints / "000000001", run.path / "mine"):
        folder.mkdir(parents=True)
        (folder / ours).write_text("mine")
    (run.path / "link").symlink_to(tmp_path / "elsewhere")
    (run.path / ours).symlink_to(tmp_path / "elsewhere")  # a link itself goes
    for name in (f"{PARTIAL}x", f"{PARTIAL}0123456789abcdef.tex", f"x{ours}"):
        (run.path / name).write_text("mine")
    before = {path for path in tmp_path.rglob("*")} - {run.path / ours, run.path / ".lock"}
    with run.lock():
        assert {path for path in tmp_path.rglob("*")} - {run.path / ".lock"} == before


@pytest.mark.parametrize("name", ["checkpoints", "pictures", "metrics.jsonl", "report.html", ".lock", *SEALED])
@pytest.mark.parametrize("kind", ["a link", "a pipe", "a device or a socket", "the other"])
def test_what_is_no_file_and_no_folder_is_refused(run: RunFolder, tmp_path: Path, name: str, kind: str) -> None:
    path, is_folder = run.path / name, name in ("checkpoints", "pictures")
    path.unlink(missing_ok=True)
    (tmp_path / "elsewhere").mkdir()
    match kind:
        case "a link":
            path.symlink_to(tmp_path / "elsewhere")
        case "a pipe":
            os.mkfifo(path)
        case "a device or a socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(os.path.relpath(path))  # such a name must be short
        case _:
            kind = "a file" if is_folder else "a folder"
            path.touch() if is_folder else path.mkdir()
    said = f"{path}: expected {'a folder' if is_folder else 'a file'}, but this is {kind}"
    with pytest.raises(RunError, match=said):
        RunFolder.open(run.path)
    with pytest.raises(RunError, match=said), run.lock():
        raise AssertionError("locked")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_lock_follows_no_link(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (run.path / ".lock").unlink()
    (run.path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(QuasistaticError, match="expected a file, but this is a link"), run.lock():
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_the_lock_is_not_written_where_it_is_another_file_too(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (run.path / ".lock").unlink()
    os.link(tmp_path / "precious", run.path / ".lock")
    with run.lock():
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_holder_cannot_write_on_the_screen(run: RunFolder, holder: subprocess.Popen[str]) -> None:
    (run.path / ".lock").write_bytes(b"\x1b[31mred\n\xff" + b"x" * 1000)
    with pytest.raises(RunError) as caught, run.lock():
        pass
    message = str(caught.value)
    assert "\x1b" not in message and "\n" not in message and len(message) < len(str(run.path)) + 300


def test_a_system_without_locks(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "fcntl":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RunError, match="no fcntl"), run.lock():
        pass


# names


def test_default_names_count_up(tmp_path: Path) -> None:
    base = tmp_path / "runs"
    assert [default_path("swiss-roll", base).name for _ in range(3)] == [f"swiss-roll-00{n}" for n in (1, 2, 3)]
    assert default_path("heartbeat", base) == base / "heartbeat-001"
    (base / "swiss-roll-004").symlink_to(tmp_path / "elsewhere")
    assert default_path("swiss-roll", base).name == "swiss-roll-005"
    RunFolder.create(default_path("x", base), RECIPE, ABOUT)


def test_no_two_get_the_same_name(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: default_path("x", tmp_path), range(40)))
    assert len(set(paths)) == 40


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "-rf",
        ".hidden",
        "a b",
        "~",
        "a\u202eb",
        "$HOME",
        "a:b",
        "x" * 200,
    ],
)
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="give --out FOLDER"):
        default_path(name, tmp_path / "runs")
    assert not list(tmp_path.iterdir())


def test_a_base_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(QuasistaticError, match="cannot be written"):
        default_path("x", tmp_path / "runs")
