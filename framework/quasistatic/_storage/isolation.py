"""Data of strangers under libraries that may crash: in a process of its own, whose time and memory are bounded."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence

from quasistatic._storage.files import LIMIT, limit

SECONDS = 10.0
# one library, one thread: each thread of a pool reserves memory of its own
_ALONE = {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from quasistatic._storage.isolation import serve; serve()"
_REFUSED, _NO_MEMORY, _BROKEN = 3, 4, 5  # how the other process ends; its output is why


def isolated(task: str, inputs: Sequence[bytes], *, seconds: float = SECONDS, memory: int = 0) -> list[bytes]:
    """What the function `task` ("module:name", from list of bytes to list of bytes) gives, from another process.

    It may take so many seconds, and `memory` bytes more than the limit of sizes. Raises ValueError with the message of the
    function's own, and OSError, which says why, where it takes more or ends in any other way.
    """
    allowed = limit() + memory
    request = json.dumps({"task": task, "memory": allowed, "seconds": seconds}).encode()
    command = [sys.executable, "-I", "-c", _START, json.dumps([os.path.abspath(each) for each in sys.path])]
    environment = {**os.environ, **_ALONE}
    try:
        done = subprocess.run(
            command, input=_packed([request, *inputs]), capture_output=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"it takes more than {seconds:.0f} s to read") from None
    if done.returncode == 0:
        return _unpacked(done.stdout)
    why = " ".join(done.stdout.decode(errors="replace").split())[:300]
    if done.returncode == _REFUSED:
        raise ValueError(why)
    if done.returncode == _BROKEN:
        raise OSError(f"its reader fails: {why}")
    if done.returncode == -getattr(signal, "SIGXCPU", 0):
        raise OSError(f"it takes more than {seconds:.0f} s to read")
    more = f"it takes more than {allowed / 1e9:.3g} GB to read; {LIMIT}=N allows N GB"
    # what a library of another language does where it gets no memory
    raise OSError(more if done.returncode in (_NO_MEMORY, -signal.SIGABRT) else f"its reader ends with code {done.returncode}")


def serve() -> None:
    """What the other process does."""
    request, *inputs = _unpacked(sys.stdin.buffer.read())
    about = json.loads(request)
    module, _, name = about["task"].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        _bound(about["memory"], about["seconds"])
        output, code = _packed(function(inputs)), 0
    except ValueError as error:
        output, code = str(error).encode(), _REFUSED
    except MemoryError:
        output, code = b"", _NO_MEMORY
    except BaseException as error:  # a panic of Rust is no Exception
        output, code = f"{type(error).__name__}: {error}".encode(errors="replace"), _BROKEN
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    os._exit(code)  # without what a library does at its end


def _bound(memory: int, seconds: float) -> None:
    """Limits of the system, where there are any, for all that comes after the libraries are loaded."""
    try:
        import resource
    except ImportError:
        return
    bounds = {resource.RLIMIT_CPU: int(seconds) + 1, resource.RLIMIT_CORE: 0}
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        bounds[resource.RLIMIT_AS] = int(file.read().split()[0]) * resource.getpagesize() + memory
    for kind, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, resource.getrlimit(kind)[1]))


def _packed(parts: Iterable[bytes]) -> bytes:
    return b"".join(each for part in parts for each in (struct.pack(">Q", len(part)), part))


def _unpacked(data: bytes) -> list[bytes]:
    found, place = [], 0
    while place < len(data):
        (size,) = struct.unpack_from(">Q", data, place)
        found.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    return found
