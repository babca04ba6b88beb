"""Reads hostile files one after another, as a user would: a line of JSON on how each ended for a line with its kind and number."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import generator
from click.testing import CliRunner

import quasistatic as qs
from quasistatic._runs.grids import read_grid
from quasistatic.cli import main
from quasistatic_plugins.conditioning.draws import hidden_elements

SONG = "Ninety-nine bottles of beer do not hang on the wall.\n\nTake one down, pass it around!\n" * 60


def peak() -> float:
    """GB of memory that this process has held at most since `forget`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def forget() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def read(kind: str, path: Path) -> tuple[int, str]:
    """Exit code and what is printed."""
    if kind in ("mask", "grid"):
        try:
            if kind == "mask":
                hidden_elements(str(path), (24, 24), 0)
            else:
                read_grid(path, qs.make("kernel", "gaussian", qs.Real((2,))))
        except qs.errors.QuasistaticError as error:
            return error.exit_code, f"Error: {error}\n"
        return 0, ""
    command = ["inspect", str(path)]
    if kind == "picture":
        for place in range(11):
            (path.parent / f"{place}.png").write_bytes(generator.picture(".png"))
        command = ["inspect", str(path.parent)]
    if kind == "tokenizer":
        (path.parent / "song.txt").write_text(SONG)
        command = ["inspect", str(path.parent / "song.txt"), "--set", "source.level=tokens", "--set", f"source.tokenizer={path}"]
    result = CliRunner().invoke(main, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 99, f"raised {type(result.exception).__name__}: {result.exception}"
    return result.exit_code, result.stderr if result.exit_code else ""


for line in sys.stdin:
    kind, number = line.split()
    with tempfile.TemporaryDirectory() as folder:
        name, data = generator.generated(kind, int(number))
        path = Path(folder, name)
        path.write_bytes(data)
        forget()
        start = time.perf_counter()
        code, said = read(kind, path)
        taken = time.perf_counter() - start
    print(
        json.dumps({"kind": kind, "number": int(number), "code": code, "said": said[-400:], "s": taken, "gb": peak()}), flush=True
    )
