"""What the command line, and it alone, sets in jax."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version

from quasistatic.cli._compiled import VARIABLE, bound, compiled_folder, mend_broken, prepared
from quasistatic.cli.parts import echo
from quasistatic.errors import ArithmeticFault

# releases that sum wrongly and know the flag; in a right one it makes some programs twice as slow, and for an unknown one it
# may end the process
_WRONG = ((0, 10, 2), (0, 11, 1), (0, 11, 2), (0, 12, 0))
# the emitters of fusions have passes that no level of optimisation turns off
_QUICK = "--xla_cpu_use_fusion_emitters"


def with_right_arithmetic(flags: str, jaxlib: str) -> str:
    """`flags` of XLA with the one that keeps sums right, where this jaxlib needs it and the user has not chosen."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", jaxlib)
    is_wrong = found is not None and tuple(map(int, found.groups())) in _WRONG
    is_set = _are_in_a_file(flags) or ArithmeticFault.flag in flags
    return flags if not is_wrong or is_set else f"{flags} {ArithmeticFault.flag}=".lstrip()


def compiled_quickly(flags: str, jaxlib: str) -> str:
    """`flags` of XLA with the one that halves the time to compile for a CPU, for programs that run briefly.

    Only where this jaxlib is known to have it: an unknown flag ends the process.
    """
    found = re.match(r"(\d+)\.(\d+)", jaxlib)
    is_known = found is not None and (0, 9) <= tuple(map(int, found.groups())) < (0, 12)
    return flags if not is_known or _are_in_a_file(flags) or _QUICK in flags else f"{flags} {_QUICK}=false".lstrip()


def _are_in_a_file(flags: str) -> bool:
    """XLA reads flags that do not begin with two dashes as the name of a file."""
    return bool(flags.strip()) and not flags.lstrip().startswith("--")


def set_xla_flags(environ: MutableMapping[str, str] = os.environ, *, brief: bool = False) -> None:
    """Before jax is imported, or not at all: XLA reads its flags once, and at what level it prints.

    Flags are part of the key under which compiled programs are kept. `brief` is for programs that run briefly.
    """
    if "jax" in sys.modules:
        return
    # on some processors XLA takes preferences of its own for features, and prints two long lines for each program that is read
    # back (XLA issue 44565); what goes wrong is raised, not printed
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.suppress(PackageNotFoundError):
        before = environ.get("XLA_FLAGS", "")
        flags = with_right_arithmetic(before, jaxlib := version("jaxlib"))
        flags = compiled_quickly(flags, jaxlib) if brief else flags
        if flags != before:
            environ["XLA_FLAGS"] = flags


def configure_jax() -> None:
    """Keep compiled programs on disk, so that the second run of a recipe starts at once.

    JAX_COMPILATION_CACHE_DIR is respected. Where no folder can be made, or where others can write to it, nothing is kept.
    """
    import jax

    gc.set_threshold(10_000, 20, 10)  # tracing makes many objects that live: looking through them again and again takes a tenth
    folder = compiled_folder()
    if VARIABLE not in os.environ:
        why = prepared(folder)
        if why is not None:
            echo(f"note: compiled programs are not kept in {folder}: {why}", err=True)
            return
        bound(folder)
        jax.config.update("jax_compilation_cache_dir", str(folder))
    mend_broken(folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
