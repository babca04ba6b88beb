"""Whether the installed jax computes right sums: some of its releases do not on a CPU, and say nothing."""

from __future__ import annotations

import functools
import os
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np

from quasistatic.errors import ArithmeticFault

# 2,048 rows show the first fault and 32,769 the second (jax issue 39103), whatever the number of cores
_ROWS = 40_000
# rounding leaves 1e-6 of values up to 7, in a matrix product of 16 bits 0.06; the faults are off by 1 and by 6
_TOLERANCE = 0.3


@functools.cache
def check_arithmetic() -> None:
    """Raise ArithmeticFault where compiled programs are wrong; a process that has passed does not look again.

    Looks only where programs run on a CPU. Safe inside a trace, but meant for where work starts: it compiles a program.
    Programs kept on disk serve: only the same jaxlib with the same XLA_FLAGS finds them again.
    """
    if jax.default_backend() != "cpu":
        return
    inputs = _inputs()
    off = float(np.max([np.max(np.abs(a - b)) for a, b in zip(_compiled(*inputs), _expected(*inputs), strict=True)]))
    if not off < _TOLERANCE:  # nan is a fault too
        raise ArithmeticFault(_message(jax.__version__, version("jaxlib"), off, os.environ.get("XLA_FLAGS", "")))


def _inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of ones, rows without a period, and a matrix."""
    rows = np.sin(np.arange(3 * _ROWS)).astype(np.float32).reshape(_ROWS, 3)
    return np.ones((_ROWS, 2, 1), np.float32), rows, np.cos(np.arange(9)).astype(np.float32).reshape(3, 3)


def _program(ones: jax.Array, rows: jax.Array, matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What releases get wrong: sums over a scaled array that is read twice, and over the squares of products of each row.

    Written as it has to be: the same sums in other words come out right.
    """
    scaled = (0.5 * ones).reshape(-1, 2)
    return (scaled + jnp.exp(scaled)).sum(-1), jax.vmap(lambda row: ((matrix @ row) ** 2).sum())(rows)


def _compiled(*inputs: np.ndarray) -> list[np.ndarray]:
    """The program's values, compiled ahead of time: inside a trace there are values too. Where jit is disabled, it is not here."""
    with jax.disable_jit(False):
        return [np.asarray(value, np.float64) for value in jax.jit(_program).lower(*inputs).compile()(*inputs)]


def _expected(ones: np.ndarray, rows: np.ndarray, matrix: np.ndarray) -> list[np.ndarray]:
    """The program's values in numpy, float64."""
    scaled = 0.5 * ones.astype(np.float64).reshape(-1, 2)
    return [(scaled + np.exp(scaled)).sum(-1), ((rows.astype(np.float64) @ matrix.astype(np.float64).T) ** 2).sum(-1)]


def _message(jax_version: str, jaxlib_version: str, off: float, flags: str) -> str:
    """What is wrong and what to do; the flag is offered where it is not set yet."""
    wrong = (
        f"jax {jax_version} with jaxlib {jaxlib_version} computes wrong sums on this CPU: off by {off:.2g} where rounding leaves "
        "1e-6. No value of a compiled program can be trusted."
    )
    install = "Install a release that is right: pip install 'jax==0.10.1' (Python 3.11) or 'jax==0.11.0' (Python 3.12 or later)"
    flag = ArithmeticFault.flag
    return f"{wrong} {install}." if flag in flags else f"{wrong} {install}; or set XLA_FLAGS='{flag}=' before jax is imported."
