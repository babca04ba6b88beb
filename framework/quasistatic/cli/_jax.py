"""What the command line, and it alone, sets in jax."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from quasistatic.errors import ArithmeticFault

# releases that sum wrongly and know the flag; in a right one it makes some programs twice as slow, and for an unknown one it
# may end the process
_WRONG = ((0, 10, 2), (0, 11, 1), (0, 11, 2), (0, 12, 0))


def with_right_arithmetic(flags: str, jaxlib: str) -> str:
    """`flags` of XLA with the one that keeps sums right, where this jaxlib needs it and the user has not chosen."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", jaxlib)
    is_wrong = found is not None and tuple(map(int, found.groups())) in _WRONG
    # XLA reads flags that do not begin with two dashes as the name of a file
    in_a_file = flags.strip() and not flags.lstrip().startswith("--")
    return flags if not is_wrong or in_a_file or ArithmeticFault.flag in flags else f"{flags} {ArithmeticFault.flag}=".lstrip()


def set_xla_flags(environ: MutableMapping[str, str] = os.environ) -> None:
    """Before jax is imported, or not at all: XLA reads its flags once, with the first program.

    They are part of the key under which compiled programs are kept.
    """
    if "jax" in sys.modules:
        return
    with contextlib.suppress(PackageNotFoundError):
        before = environ.get("XLA_FLAGS", "")
        flags = with_right_arithmetic(before, version("jaxlib"))
        if flags != before:
            environ["XLA_FLAGS"] = flags


def compile_quickly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Before jax is imported: for laws, whose programs are small and run briefly, so that what they cost is to be compiled.

    Without the emitters of fusions, whose passes no level turns off, that takes half of the time. A user's flags are respected.
    """
    environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")


def configure_jax() -> None:
    """Keep compiled programs on disk, so that the second run of a recipe starts at once.

    JAX_COMPILATION_CACHE_DIR is respected. Where no folder can be made, nothing is kept.
    """
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quasistatic" / "compiled"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
