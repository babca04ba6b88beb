"""Kits: what sources, networks and reports of one trade share. They use public names alone; the core knows none."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def served(kit: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], dict[str, str]]:
    """`__getattr__`, `__dir__` and the modules of all names of a kit, which are those of the `__init__.pyi` beside its file.

    Names are imported when they are first used: a plugin that registers its options loads no heavy library.
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom) and node.module]
    homes = {alias.name: str(node.module) for node in imports for alias in node.names}
    names = vars(sys.modules[kit])

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {kit!r} has no attribute {name!r}")
        value: Any = getattr(importlib.import_module(homes[name]), name)
        names[name] = value
        return value

    return get, lambda: sorted({*names, *homes}), homes
