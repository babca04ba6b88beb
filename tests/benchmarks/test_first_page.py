"""The numbers on the first page of the documentation are those of its commands, in full."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "index.md"
VALUE = re.compile(r"(\S.*?) {2,}(-?\d+\.\d+) \+- (\d+\.\d+) (.*)")


@pytest.mark.benchmark
def test_the_first_page_has_what_its_commands_print(tmp_path: Path) -> None:
    """Other machines agree to rounding, which training amplifies: K differs by less than its standard error."""
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    printed = []
    for command in re.findall(r"^\$ quasistatic (.*)$", block, re.MULTILINE):
        done = [sys.executable, "-m", "quasistatic", *shlex.split(command)]
        printed += subprocess.run(done, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()
    found = {match[1]: match for line in printed if (match := VALUE.fullmatch(line.strip()))}
    shown = [match for line in block.splitlines() if (match := VALUE.fullmatch(line))]
    assert len(shown) == 4
    for label, value, error, unit in (match.groups() for match in shown):
        assert float(found[label][2]) == pytest.approx(float(value), abs=float(error))
        assert float(found[label][3]) == pytest.approx(float(error), rel=0.2)
        assert found[label][4] == unit
