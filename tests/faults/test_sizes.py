"""What declares more than it should is refused soon, in little memory: measured on this machine."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quasistatic as qs
from quasistatic._data.events import read_events
from quasistatic._storage import checkpoint
from quasistatic._storage.folder import RunFolder

READ = "import quasistatic as qs; read = qs.files.read_array"
OPEN = "from quasistatic._storage.folder import RunFolder; read = RunFolder.open"
NEWEST = "from quasistatic._storage.checkpoint import newest; from pathlib import Path; read = lambda path: newest(Path(path))"
MEASURE = """
import resource, sys, time
{imports}
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    read(sys.argv[1])
except Exception as error:
    taken, memory = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{{taken:.3f}} {{(memory - before) / 1024:.1f}} {{type(error).__name__}} {{' '.join(str(error).split())}}")
"""


def header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def inflating(folder: Path) -> Path:
    """1.3 GB of zeros in a file of some 1.3 MB, as nothing packs them better than that."""
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(header((1300, 125_000)))
        for _ in range(1300):
            member.write(bytes(10**6))
    return folder / "x.npz"


def empty(folder: Path) -> Path:
    (folder / "x.npy").write_bytes(header((2**40, 0)))
    return folder / "x.npy"


def endless(folder: Path) -> Path:
    run = RunFolder.create(folder / "run", "seed = 0", {})
    run.metrics.symlink_to("/dev/zero")
    return run.path


def sparse(folder: Path) -> Path:
    path = checkpoint.save(folder / "checkpoints", 1, {"x": np.zeros(3)}, {})
    os.truncate(path / checkpoint.STATE, 40 * 10**9)
    return path.parent


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("make", "imports", "said"),
    [
        (inflating, READ, "above the limit of 1 GB"),
        (empty, READ, "above the limit of 1 GB"),
        (endless, OPEN, "this is a link"),
        (sparse, NEWEST, "above the limit of 1 GB"),
    ],
)
def test_refused_within_a_second_and_200_mb(make: Any, imports: str, said: str, tmp_path: Path, capsys: Any) -> None:
    path = make(tmp_path)
    code = MEASURE.format(imports=imports)
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    seconds, megabytes, kind, message = found.stdout.split(" ", 3)
    with capsys.disabled():
        print(f"\n{make.__name__}: {seconds} s, {megabytes} MB more, {kind}")
    assert said in message and float(seconds) < 1 and float(megabytes) < 200


def test_events_of_another_file_are_in_memory_and_so_below_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = qs.make("source", "swiss-roll")
    np.save(tmp_path / "x.npy", np.zeros((9, 2)))
    assert read_events(source, tmp_path / "x.npy").x.shape == (9, 2)
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "1e-7")
    with pytest.raises(qs.DataError, match="above the limit of 1e-07 GB"):
        read_events(source, tmp_path / "x.npy")
