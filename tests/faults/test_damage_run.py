"""Every file of a run, damaged in every way, read by the commands that read runs: it is seen, and nothing outside is touched."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from quasistatic import load_recipe, train
from quasistatic._storage import checkpoint
from quasistatic.cli import main

RECIPE = """
[source]
use = "swiss-roll"
[kernel]
use = "gaussian"
[model]
use = "dense"
width = 4
depth = 1
[trajectory]
steps = 3
[training]
updates = 6
batch = 4
fuse = 2
validate_every = 2
validation_events = 4
checkpoint_every = 2
observers = ["jsonl", "tensorboard"]
[evaluation]
events = 4
samples = 4
trajectory_steps = [3]
"""
ALL = ("flip", "cut", "empty", "delete", "folder", "link", "pipe")
COMMANDS = ("sample", "evaluate", "resume")


def damage(kind: str, path: Path, elsewhere: Path) -> None:
    data = path.read_bytes()
    if kind != "flip" and kind != "cut":
        path.unlink()
    match kind:
        case "flip":
            draw = random.Random(str(path.name))
            place = draw.randrange(max(len(data), 1))
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :] if data else b"x")
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "link":
            (elsewhere / path.name).write_bytes(data)
            path.symlink_to(elsewhere / path.name)
        case "pipe":
            os.mkfifo(path)


def swap_folder(kind: str, path: Path, elsewhere: Path) -> None:
    """A folder of a run that is one no more."""
    moved = path.rename(elsewhere / path.name)
    match kind:
        case "link":
            path.symlink_to(moved)
        case "pipe":
            os.mkfifo(path)
        case "empty":
            path.mkdir()
        case "folder":  # a file in place of it
            path.touch()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Slow(Exception):
    """It hangs."""


def ask(command: str, run: Path) -> tuple[int, str, Any]:
    """Exit code, what is said, and what comes of it."""

    def late(*_arguments: Any) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    try:
        more = ["-n", "2", "-o", str(run.with_name("x.csv"))] if command == "sample" else ["--json"]
        result = CliRunner().invoke(main, [command, str(run), *more])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, run, result.exception)
    assert "defect" not in result.output and "Traceback" not in result.output, result.output
    if result.exit_code:
        return result.exit_code, result.stderr, None
    match command:
        case "sample":
            return 0, result.stderr, run.with_name("x.csv").read_bytes()
        case "evaluate":
            return 0, result.stderr, result.stdout.replace(str(run), "")
    arrays, meta = checkpoint.newest(run / "checkpoints").content()
    return 0, result.stderr, ({name: array.tobytes() for name, array in arrays.items()}, meta)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained one: what resume finds empty it begins again, and ends with the same bits."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.toml").write_text(RECIPE)
    train(load_recipe(folder / "tiny.toml"), out=folder / "run")
    (folder / "run" / "pictures").mkdir()
    for name in ("report.html", "pictures/samples.png"):
        (folder / "run" / name).write_text("of an earlier report")
    return folder / "run"


@pytest.fixture(scope="module")
def whole(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """What comes of a command where nothing is damaged."""
    known: dict[str, Any] = {}

    def result(command: str) -> Any:
        if command not in known:
            copy = tmp_path_factory.mktemp("copy") / "run"
            shutil.copytree(run, copy)
            code, said, known[command] = ask(command, copy)
            assert code == 0, said
        return known[command]

    return result


def files_of(run: Path) -> list[str]:
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


def check(run: Path, name: str, kind: str, command: str, whole: Callable[[str], Any], place: Path) -> str:
    """'refused', 'said' or 'harmless'; nothing else is right."""
    place.mkdir()
    (place / "elsewhere").mkdir()
    copy = Path(shutil.copytree(run, place / "run"))
    (swap_folder if (copy / name).is_dir() else damage)(kind, copy / name, place / "elsewhere")
    before = snapshot(place / "elsewhere")
    code, said, result = ask(command, copy)
    assert snapshot(place / "elsewhere") == before, (name, kind, command, "something outside was touched")
    shown = Path(name).parts[-1] if not name.startswith("checkpoints/") else Path(name).parts[1]
    if code:
        gone = kind == "delete" or (name == "checkpoints" and "has saved no checkpoint" in said)
        assert code == 2 and (shown in said or gone), (name, kind, command, said)
        return "refused"
    if shown in said:
        return "said"
    assert result == whole(command), (name, kind, command, "it gave something else and did not say why")
    return "harmless"


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("name", ["recipe.toml", "seal.json", f"checkpoints/{checkpoint.step_name(6)}/{checkpoint.STATE}"])
def test_damage_is_seen(run: Path, whole: Callable[[str], Any], tmp_path: Path, name: str, kind: str) -> None:
    assert check(run, name, kind, "sample", whole, tmp_path / "x") in ("refused", "said")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
@pytest.mark.parametrize("name", ["checkpoints", "pictures"])
def test_a_folder_that_is_none_is_refused(run: Path, whole: Callable[[str], Any], tmp_path: Path, name: str, kind: str) -> None:
    assert check(run, name, kind, "resume", whole, tmp_path / "x") == "refused"


def cases(run: Path) -> Iterator[tuple[str, str, str]]:
    folders = ["checkpoints", "pictures", f"checkpoints/{checkpoint.step_name(6)}"]
    return itertools.product((*files_of(run), *folders), ALL, COMMANDS)


@pytest.mark.benchmark
@pytest.mark.parametrize("command", COMMANDS)
def test_every_file_in_every_way(run: Path, whole: Callable[[str], Any], tmp_path: Path, command: str, capsys: Any) -> None:
    counts, wrong, longest = {"refused": 0, "said": 0, "harmless": 0}, [], 0.0
    for number, (name, kind, each) in enumerate(cases(run)):
        if each != command:
            continue
        start = time.monotonic()
        try:
            counts[check(run, name, kind, command, whole, tmp_path / str(number))] += 1
        except Exception as error:
            wrong.append(f"{name} {kind}: {error!r:.400}")
        longest = max(longest, time.monotonic() - start)
        shutil.rmtree(tmp_path / str(number), ignore_errors=True)
    with capsys.disabled():
        print(f"\n{command}: {counts}, {len(wrong)} wrong, at most {longest:.1f} s")
    assert not wrong, "\n".join(wrong[:20])
