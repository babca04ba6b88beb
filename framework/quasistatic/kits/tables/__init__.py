"""Tables: one reader for all of their files and for data frames, one look at their columns, and the source of their rows.

Names are those of `__init__.pyi`, imported when they are first used: a plugin that registers its options loads no
library of tables.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

_STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
_IMPORTS = [node for node in _STUB.body if isinstance(node, ast.ImportFrom) and node.module]
_HOMES = {alias.name: str(node.module) for node in _IMPORTS for alias in node.names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: Any = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
