"""A library that hangs, crashes or eats the memory ends in its own process, and the user's gets one sentence."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import quasistatic as qs


def back(inputs: list[bytes]) -> list[bytes]:
    return inputs[::-1]


def refuse(inputs: list[bytes]) -> list[bytes]:
    raise ValueError("it is blue")


def panic(inputs: list[bytes]) -> list[bytes]:
    raise BaseException("what is no Exception")


def hang(inputs: list[bytes]) -> list[bytes]:
    time.sleep(60)
    return []


def grow(inputs: list[bytes]) -> list[bytes]:
    return [b"x" * 3_000_000_000]


def abort(inputs: list[bytes]) -> list[bytes]:
    os.abort()


def crash(inputs: list[bytes]) -> list[bytes]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return []


@pytest.fixture(autouse=True)
def _here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def run(task: Any, *inputs: bytes, **bounds: Any) -> list[bytes]:
    return qs.files.isolated(f"test_isolation:{task.__name__}", inputs, **bounds)


def test_what_the_function_gives_comes_back() -> None:
    assert run(back, b"", b"one", b"\0\xff" * 100_000) == [b"\0\xff" * 100_000, b"one", b""]
    with pytest.raises(ValueError, match=r"^it is blue$"):
        run(refuse)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (panic, "its reader fails: BaseException: what is no Exception"),
        (grow, "it takes more than 1 GB to read; QUASISTATIC_LIMIT_GB=N allows N GB"),
        (abort, "it takes more than 1 GB to read"),
        (crash, f"its reader ends with code {-signal.SIGSEGV}"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound no memory")
def test_every_other_way_of_ending_is_one_sentence(task: Any, said: str) -> None:
    with pytest.raises(OSError, match=said):
        run(task)


def test_the_time_is_bounded() -> None:
    start = time.perf_counter()
    with pytest.raises(OSError, match="it takes more than 1 s to read"):
        run(hang, seconds=1.0)
    assert time.perf_counter() - start < 5
