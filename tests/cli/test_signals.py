"""Ctrl-C ends every command with code 130 wherever it comes; a terminal that closes lets training save."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from quasistatic._storage import checkpoint
from quasistatic.cli._stop import STOPPING, stop_on_signals

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
updates = {updates}
batch = 16
fuse = 5
validate_every = 20
validation_events = 32
checkpoint_every = 10
[evaluation]
events = 32
samples = 8
"""
COMMANDS = {
    "run": ["run", "tiny.toml", "--out", "new"],
    "check": ["check", "kernel", "gaussian", "--quick"],
    "evaluate": ["evaluate", "kept"],
    "thermo": ["thermo", "kept", "--events", "16", "--paths", "4"],
}


def started(folder, *arguments, **more):
    """The program, which a test that runs in the background has not made deaf to Ctrl-C."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-m", "quasistatic", *arguments], cwd=folder, **{**pipes, **more})
    finally:
        signal.signal(signal.SIGINT, old)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("signals")
    (home / "tiny.toml").write_text(RECIPE.format(updates=60))
    (home / "long.toml").write_text(RECIPE.format(updates=1_000_000))
    with started(home, "run", "tiny.toml", "--out", "kept", "-q") as process:
        assert process.wait(300) == 0
    return home


def interrupted(folder, command, after, to):
    """The exit code, and what the program has on stderr, after Ctrl-C so many seconds from where it has begun."""
    arguments = [to if word == "new" else word for word in COMMANDS[command]]
    with started(folder, *arguments) as process:
        time.sleep(after)
        if process.poll() is not None:
            return None, ""
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_at_any_instant_is_130(folder, tmp_path, command):
    """Not before the interpreter has come to the program; and when it has ended its work, a signal is that of the interpreter."""
    draw, codes = random.Random(command), []
    for number in range(5):
        code, said = interrupted(folder, command, draw.uniform(0.3, 4.0), str(tmp_path / str(number)))
        assert "Traceback" not in said and "terminate called" not in said and "defect" not in said
        codes.append(code)
    # 0: the signal came when all was done, between the end of the work and that of the process
    assert set(codes) <= {130, -signal.SIGINT, None, 0} and 130 in codes


def test_ctrl_c_while_threads_compile_is_130(tmp_path):
    with started(tmp_path, *COMMANDS["check"], env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}) as process:
        for _ in range(3):
            process.stderr.readline()  # laws are being read
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="terminals of Unix")
def test_a_terminal_that_is_closed_lets_training_save(folder, tmp_path):
    """SIGHUP comes, and nothing can be written to the terminal any more."""
    ours, theirs = os.openpty()
    run = tmp_path / "run"
    process = started(
        folder, "train", "long.toml", "--out", run, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    while not checkpoint.steps(run / "checkpoints"):
        os.read(ours, 4096)
        assert process.poll() is None
    before = max(checkpoint.steps(run / "checkpoints"))
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # the system sends it to the process that leads the terminal
    assert process.wait(60) == 128 + signal.SIGHUP
    kept = max(checkpoint.steps(run / "checkpoints"))
    assert kept > before
    checkpoint.verify(run / "checkpoints" / checkpoint.step_name(kept))


def test_signals_that_are_ignored_stay_ignored_and_handlers_come_back():
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop() and stop.exit_code == 143
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
    assert {number: signal.getsignal(number) for number in STOPPING} == before
