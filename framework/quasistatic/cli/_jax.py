"""What the command line, and it alone, sets in jax."""

from __future__ import annotations

import os
from pathlib import Path


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
