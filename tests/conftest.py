"""What all tests share: jax on the CPU, compiled programs kept between runs, no network, and the command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result


def pytest_configure(config: pytest.Config) -> None:
    """Settings that jax reads when it is imported; subprocesses inherit them."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.rootpath / ".pytest_cache" / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    os.environ.pop("QUASISTATIC_DISABLE", None)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may reach another machine."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)


@pytest.fixture
def cli() -> Callable[..., Result]:
    """`cli("show", "kernel")` runs the command line in this process; the result has exit_code, stdout and stderr."""

    def call(*arguments: Any, **options: Any) -> Result:
        from quasistatic.cli import main

        return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="quasistatic", **options)

    return call


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`shell("show", "kernel")` runs the installed program as a user does, in an empty folder; `env` adds variables."""
    program = Path(sysconfig.get_path("scripts")) / "quasistatic"

    def call(*arguments: Any, env: dict[str, str] | None = None, timeout: float = 300) -> Any:
        return subprocess.run(
            [str(program), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            timeout=timeout,
        )

    return call


@pytest.fixture
def python() -> Callable[[str], str]:
    """`python("print(1)")` runs code in a fresh interpreter and returns what it printed."""

    def call(code: str, **env: str) -> str:
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env}, timeout=300
        )
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
