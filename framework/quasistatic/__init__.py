"""Learn a distribution by destroying it slowly.

The public API is what `__init__.pyi` names. Names are imported when they are first used: a plugin that registers a
component, and the command line that lists it, never load jax. Importing configures nothing.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any


def _homes() -> dict[str, str]:
    """The module of every public name, from the stub that type checkers read."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    return {
        alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) and node.module for alias in node.names
    }


_HOMES = _homes()
_PARENTS = ("quasistatic", "quasistatic._data", "quasistatic._process", "quasistatic._report", "quasistatic._runs")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("quasistatic")
    if name not in _HOMES:
        raise AttributeError(f"module 'quasistatic' has no attribute {name!r}")
    module = _HOMES[name]
    if module in _PARENTS:  # the name of a module
        value: Any = importlib.import_module(f"{module}.{name}")
    else:
        value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
