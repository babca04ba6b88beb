"""Real runs of the command line, killed, stopped, locked out and damaged: they always end with the same bits."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quasistatic._storage import checkpoint
from quasistatic._storage.files import PARTIAL
from quasistatic._storage.folder import RunFolder

RECIPE = """
seed = 5
[source]
use = "swiss-roll"
[kernel]
use = "gaussian"
[model]
use = "dense"
width = 16
depth = 1
[trajectory]
steps = 5
[training]
updates = 60
batch = 16
fuse = 5
validate_every = 20
validation_events = 32
checkpoint_every = 10
observers = ["jsonl"]
[evaluation]
events = 32
samples = 8
"""

# an observer that sends its own process a signal after update 25, once
SIGNALLER = """
import os
import attrs
import quasistatic as qs

@attrs.frozen
class Options:
    '''None.'''

class Signaller(qs.AbstractObserver):
    def __init__(self, options, out): ...
    def start(self, info): ...
    def progress(self, update, metrics):
        if update == 25:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    def validation(self, update, ledger, diffusion): ...
    def finish(self, update, reason): ...

@qs.hookimpl
def quasistatic_observers():
    return [qs.Component("observer", "signaller", Options, Signaller)]
"""


class Runs:
    """Starts the command line, with a compile cache of its own: a kill may spoil what it is writing there."""

    def __init__(self, home: Path):
        self.home, self.recipe = home, home / "tiny.toml"
        self.recipe.write_text(RECIPE)
        (home / "signaller.py").write_text(SIGNALLER)
        self.env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(home / "cache")}

    def start(self, *arguments: Any, before: tuple[str, ...] = (), **more: Any) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-m", "quasistatic", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.home, **{"env": self.env, **pipes, **more})

    def __call__(self, *arguments: Any, code: int = 0, **more: Any) -> str:
        """What it says on stderr, having ended with this code."""
        with self.start(*arguments, **more) as process:
            _, said = process.communicate(timeout=300)
        assert process.returncode == code, said
        assert "Traceback" not in said
        return said

    def train(self, folder: Path, *more: Any, **options: Any) -> str:
        return self("train", self.recipe, "--out", folder, "-q", *more, **options)

    def stopped(self, folder: Path, signal: int = 15) -> str:
        """A run that a signal stopped after update 25."""
        seen = ("--set", 'training.observers=["jsonl", "signaller"]')
        env = {**self.env, "SIGNAL": str(signal)}
        return self("-p", "signaller", "train", self.recipe, "--out", folder, "-q", *seen, code=128 + signal, env=env)

    def resume(self, folder: Path, **options: Any) -> str:
        return self("-p", "signaller", "resume", folder, "-q", **options)


def ending(folder: Path) -> tuple[dict[str, bytes], Any]:
    """The bits of the last state, and what is known of the best one."""
    found = checkpoint.newest(folder / "checkpoints")
    assert found.step == 60 and not found.skipped
    arrays, meta = checkpoint.load(found.path)
    assert arrays[".update"] == 60
    checkpoint.verify(found.path.with_name(checkpoint.step_name(meta["best"]["update"])))
    return {name: array.tobytes() for name, array in arrays.items()}, meta


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def uninterrupted(runs: Runs) -> tuple[dict[str, bytes], Any]:
    runs.train(runs.home / "uninterrupted")
    return ending(runs.home / "uninterrupted")


def killed_run(runs: Runs, folder: Path, kills: int, draw: random.Random, first: str = "train") -> int:
    """Start a run, go on with it after each kill, let it end at last. How often it was really killed."""
    checkpoints, done = folder / "checkpoints", 0
    for _ in range(kills):
        begun = (folder / "seal.json").exists()
        arguments = ("resume", folder) if begun else (first, runs.recipe, "--out", folder)
        before = checkpoint.steps(checkpoints)
        # while it starts, as soon as it has saved once more, or while it writes its report
        patience = draw.choice((draw.uniform(0, 3), 300 if max(before, default=0) < 60 else draw.uniform(2, 8)))
        started = time.monotonic()
        with runs.start(*arguments, "-q") as process:
            while process.poll() is None and checkpoint.steps(checkpoints) == before:
                if time.monotonic() - started > patience:
                    break
                time.sleep(0.003)
            time.sleep(draw.uniform(0, 0.05))
            process.kill()
        assert process.returncode in (0, -9)
        done += process.returncode < 0
        kept = checkpoint.steps(checkpoints)
        assert all(checkpoint.verify(checkpoints / checkpoint.step_name(step)) for step in kept)
        assert max(kept, default=0) >= max(before, default=0)  # nothing saved is ever lost
        report = folder / "report.html"
        assert not report.exists() or report.read_text().endswith("</html>\n")
        assert all(picture.read_bytes().endswith(b"IEND\xaeB`\x82") for picture in folder.glob("pictures/*.png"))
    (runs.resume if (folder / "seal.json").exists() else runs.train)(folder)
    assert not list(folder.rglob(f"{PARTIAL}*"))
    return done


def test_kill_9_three_times(runs: Runs, uninterrupted: Any, tmp_path: Path) -> None:
    assert killed_run(runs, tmp_path / "run", 3, random.Random(0)) > 0
    assert ending(tmp_path / "run") == uninterrupted


@pytest.mark.benchmark
@pytest.mark.parametrize("first", ["train", "run"])
def test_kill_9_of_runs_and_resumes(runs: Runs, uninterrupted: Any, tmp_path: Path, first: str, capsys: Any) -> None:
    draw, kills, number = random.Random(first), 0, 0
    while kills < 150:
        number += 1
        kills += killed_run(runs, tmp_path / str(number), 10, draw, first)
        assert ending(tmp_path / str(number)) == uninterrupted
    with capsys.disabled():
        print(f"\n{first} and resume: {kills} kills, {number} runs, all end with the same bits")


WRITERS: dict[str, Any] = {
    "sample": lambda run, out: ("sample", run, "-n", "9", "-o", out / "x.csv"),
    "evaluate": lambda run, out: ("evaluate", run, "--per-event", out / "x.csv"),
    "strip": lambda run, out: ("strip", run, "-o", out / "stripped"),
    "schedule": lambda run, out: ("schedule", run, "-n", "8", "--rounds", "1", "-o", out / "grid.json"),
    "thermo": lambda run, out: ("thermo", run, "-n", "4", "--paths", "2", "-o", out / "x.svg"),
    "landscape": lambda run, out: ("landscape", run, "-n", "4", "-o", out / "x.svg"),
    "condition": lambda run, out: ("denoise", run, "--noise", "1", "--particles", "2", "-o", out / "x.npz"),
    "new-plugin": lambda run, out: ("new-plugin", "mine", "--kind", "sampler", "--into", out / "mine"),
}
ADDED = {"schedule.html": b"</html>\n", "pictures/schedule.png": b"IEND\xaeB`\x82"}  # to a run by `schedule`, and how they end


def killed_writer(runs: Runs, place: Path, command: str, kills: int) -> tuple[int, int]:
    """Its output is there and whole, or not there; what it reads is as it was. How often it was killed, and how often too late."""
    run = shutil.copytree(runs.home / "uninterrupted", place / "run")
    before, draw, done, late = contents(run), random.Random(command), 0, 0
    (place / "whole").mkdir()
    began = time.monotonic()
    runs(*WRITERS[command](run, place / "whole"))
    lasts, expected = time.monotonic() - began, contents(place / "whole")
    while done < kills:
        out = place / str(done)
        out.mkdir(exist_ok=True)
        with runs.start(*WRITERS[command](run, out)) as process:
            # most at any instant, some where it writes
            time.sleep(draw.uniform(0, lasts) if draw.random() < 0.7 else lasts * draw.uniform(0.85, 1.05))
            process.kill()
        done, late = done + (process.returncode < 0), late + (process.returncode == 0)
        found = contents(out)
        assert found.keys() in (set(), expected.keys()), (command, found.keys())
        assert all(len(data) == len(expected[name]) for name, data in found.items() if not name.endswith(".svg"))
        assert all(data.endswith(b"</svg>\n") for name, data in found.items() if name.endswith(".svg"))
        now = contents(run)
        assert all(data.endswith(ADDED[name]) for name, data in now.items() if name in ADDED)
        assert {name: data for name, data in now.items() if name not in ADDED} == before
        shutil.rmtree(out)
    return done, late


@pytest.mark.slow
@pytest.mark.parametrize("command", WRITERS)
def test_kill_9_of_each_command_that_writes(runs: Runs, uninterrupted: Any, tmp_path: Path, command: str) -> None:
    assert killed_writer(runs, tmp_path, command, 2)[0] == 2


@pytest.mark.benchmark
@pytest.mark.parametrize("command", WRITERS)
def test_kill_9_of_whatever_writes(runs: Runs, uninterrupted: Any, tmp_path: Path, command: str, capsys: Any) -> None:
    kills, late = killed_writer(runs, tmp_path, command, int(os.environ.get("KILLS", "60")))
    with capsys.disabled():
        print(f"\n{command}: {kills} kills, {late} too late, no half file")


def contents(folder: Path) -> dict[str, bytes]:
    """What a person finds there; half files have a name that nobody reads."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if PARTIAL not in name}


@pytest.mark.parametrize("signal", [15, 2], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_saves_and_stops(runs: Runs, uninterrupted: Any, tmp_path: Path, signal: int) -> None:
    said = runs.stopped(tmp_path / "run", signal)
    assert "stopped after update 25" in said and f"quasistatic resume {tmp_path / 'run'}" in said
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step == 25
    runs.resume(tmp_path / "run")
    assert ending(tmp_path / "run") == uninterrupted


def test_a_second_process_is_refused(runs: Runs, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", RECIPE, {})
    with folder.lock():
        said = runs.resume(folder.path, code=2)
    assert said == f"Error: {folder.path}: in use by process {os.getpid()} on {os.uname().nodename}; wait for it or stop it\n"
    assert not folder.checkpoints.exists()


def test_a_folder_that_holds_a_run_is_refused(runs: Runs, tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", RECIPE, {})
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    said = runs.train(tmp_path / "run", code=2)
    assert said == f"Error: {tmp_path / 'run'}: holds a run; 'quasistatic resume {tmp_path / 'run'}' goes on with it\n"
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_damaged_checkpoint_is_passed_over(runs: Runs, uninterrupted: Any, tmp_path: Path) -> None:
    shutil.copytree(runs.home / "uninterrupted", tmp_path / "run")
    state = tmp_path / "run" / "checkpoints" / checkpoint.step_name(60) / checkpoint.STATE
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 16
    state.write_bytes(data)
    said = runs.resume(tmp_path / "run")
    assert "note: passed over the damaged checkpoint 000000060" in said
    assert ending(tmp_path / "run") == uninterrupted


def test_with_every_checkpoint_damaged_each_is_named(runs: Runs, uninterrupted: Any, tmp_path: Path) -> None:
    shutil.copytree(runs.home / "uninterrupted", tmp_path / "run")
    for state in (tmp_path / "run" / "checkpoints").glob(f"*/{checkpoint.STATE}"):
        state.write_bytes(b"")
    said = runs.resume(tmp_path / "run", code=2)
    assert "no whole checkpoint" in said and "000000050" in said and "000000060" in said


def test_a_disk_that_refuses_loses_nothing(runs: Runs, tmp_path: Path) -> None:
    runs.stopped(tmp_path / "run")
    before = checkpoint.load(checkpoint.newest(tmp_path / "run" / "checkpoints").path)[0]
    # as a full disk does, the system refuses in the middle of a state: no file above 8 blocks of 512 bytes
    limited = ("sh", "-c", 'ulimit -S -f 8; exec "$@"', "sh")
    said = runs.resume(tmp_path / "run", code=1, before=limited)
    assert said.startswith(f"Error: {tmp_path / 'run' / 'checkpoints'}") and "cannot be written" in said
    found = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert found.step == 25 and not list((tmp_path / "run").rglob(f"{PARTIAL}*"))
    assert all(np.array_equal(array, before[name]) for name, array in checkpoint.load(found.path)[0].items())
