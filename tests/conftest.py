"""What all tests share: jax on the CPU, compiled programs kept, no network, the command line, bad plugins."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner, Result

MISBEHAVING = Path(__file__).parent / "third_party" / "misbehaving"

_TESTS = itertools.count(1)

hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Settings that jax reads when it is imported; subprocesses inherit them."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    # a folder for each process of pytest-xdist: jax reads what another is still writing
    folder = config.rootpath / ".pytest_cache" / "compiled" / os.environ.get("PYTEST_XDIST_WORKER", "main")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    _set_what_jax_reads(config)
    gc.set_threshold(10_000, 20, 10)  # tracing makes many objects that live: looking through them all took a fifth of the time
    for name in ("QUASISTATIC_DISABLE", "QUASISTATIC_ONLY", "QUASISTATIC_DEBUG"):
        os.environ.pop(name, None)
    # the key that runs are signed with is not that of whoever tests
    os.environ["XDG_STATE_HOME"] = str(config.rootpath / ".pytest_cache" / "state")


def _set_what_jax_reads(config: pytest.Config) -> None:
    """Programs of tests are small and run briefly: what they cost is to be compiled. Time is measured as users see it."""
    from quasistatic.cli._jax import set_xla_flags

    chosen = config.getoption("markexpr") or ""
    measures_time = "benchmark" in chosen.replace("not benchmark", "")
    if not measures_time:
        os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
    set_xla_flags(brief=not measures_time)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what slow.txt lists: long tests whose subject a quicker one covers. A line without [...] is all cases."""
    listed = set((Path(__file__).parent / "slow.txt").read_text().splitlines())
    for item in items:
        if {item.nodeid, item.nodeid.partition("[")[0]} & listed:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may reach another machine."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs() -> Iterator[None]:
    """Compiled programs of a module are dropped after it: some hundred modules of them would fill the memory."""
    yield
    _clear_caches()


@pytest.fixture(autouse=True)
def _spare_maps() -> Iterator[None]:
    """In a long module too: Linux gives a process 65,530 maps, a program takes ten, and jax crashes without a word.

    After every long test, such as a page with all its commands, which may compile a thousand programs.
    """
    began = time.monotonic()
    yield
    is_looked_at = next(_TESTS) % 25 == 0 or time.monotonic() - began > 2.0
    if is_looked_at and (maps := Path("/proc/self/maps")).exists() and maps.read_bytes().count(b"\n") > 30_000:
        _clear_caches()


def _clear_caches() -> None:
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()  # programs of equinox are in cycles


@pytest.fixture
def cli() -> Callable[..., Result]:
    """`cli("show", "kernel")` runs the command line in this process; the result has exit_code, stdout and stderr."""

    def call(*arguments: Any, **options: Any) -> Result:
        from quasistatic.cli import main

        return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="quasistatic", **options)

    return call


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`shell("show", "kernel")` runs the program as a user does, in an empty folder; `env` adds variables."""

    def call(*arguments: Any, env: dict[str, str] | None = None, timeout: float = 300) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "quasistatic", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            timeout=timeout,
        )

    return call


@pytest.fixture
def python() -> Callable[..., str]:
    """`python("print(1)")` runs code in a fresh interpreter and returns what it printed."""

    def call(code: str, **env: str) -> str:
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env}, timeout=300)
        assert found.returncode == 0, found.stderr
        return found.stdout

    return call


@pytest.fixture
def x64() -> Iterator[None]:
    """float64 within the test."""
    import jax

    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """`install_plugin("exits")` installs a misbehaving plugin, for this test and the processes that it starts.

    The distribution is called bad-exits and the plugin exits unless given; the plugin's name comes back.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH")))))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def install(module: str, distribution: str | None = None, name: str | None = None) -> str:
        distribution, name = distribution or f"bad-{module.replace('_', '-')}", name or module
        shutil.copy(MISBEHAVING / f"{module}.py", site)
        info = site / f"{distribution.replace('-', '_')}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[quasistatic]\n{name} = {module}\n")
        return name

    yield install
    for name in set(sys.modules) - before:
        if str(site) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]
