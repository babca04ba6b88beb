"""Hostile files of every kind that is read end in a sentence, soon and in little memory: no traceback, no signal, no defect."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostile import generator

SECONDS, GIGABYTES = 60.0, 2.0  # of a busy machine: an idle one takes less than 20 s
NEEDS = {"tokenizer": "tokenizers"}  # what writes files of a kind, and may not be installed
FEW, MANY = 2, int(os.environ.get("HOSTILE", "120"))  # files of each kind


class Worker:
    """A process that reads files; another one where it ends or takes too long."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, kind: str, number: int) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            script = Path(__file__).with_name("worker.py")
            self._process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{kind} {number}\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], 90)[0]:
            self.close()
            return {"kind": kind, "number": number, "code": "hangs"}
        line = process.stdout.readline()
        return json.loads(line) if line else {"kind": kind, "number": number, "code": f"ends with {process.wait()}"}

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.close()


def fault(found: dict[str, Any]) -> str:
    """What is wrong with how a file ended, or nothing."""
    if found["code"] not in (0, 2):
        return f"exit code {found['code']}: {found.get('said', '')}"
    if "defect" in found["said"] or "Traceback" in found["said"]:
        return str(found["said"])
    if found["s"] > SECONDS or found["gb"] > GIGABYTES:
        return f"{found['s']:.0f} s, {found['gb']:.1f} GB"
    return ""


@pytest.mark.parametrize("kind", generator.KINDS)
def test_hostile_files(worker: Worker, kind: str) -> None:
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    for number in range(FEW):
        found = worker.read(kind, number)
        assert not fault(found), found


@pytest.mark.benchmark
@pytest.mark.parametrize("kind", generator.KINDS)
def test_many_hostile_files(worker: Worker, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    results = [worker.read(kind, number) for number in range(MANY)]
    wrong = [(each, why) for each in results if (why := fault(each))]
    with capsys.disabled():
        times, sizes = ([each.get(name, 99.0) for each in results] for name in ("s", "gb"))
        read = sum(each["code"] == 0 for each in results)
        print(f"\n{kind}: {MANY} files, {read} read, at most {max(times):.1f} s and {max(sizes):.2f} GB, {len(wrong)} wrong")
        for each, why in wrong[:20]:
            print(f"  {each['kind']} {each['number']}: {why}")
    assert not wrong
