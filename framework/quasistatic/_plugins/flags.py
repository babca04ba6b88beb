"""The flags of jax, which are those of the whole program: an import leaves them as they were."""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def jax_flags_kept(changed: list[str]) -> Iterator[None]:
    """Put back what the block changes of jax's flags, and add it to `changed`; jax may first be imported in it."""
    watch = _Watch()
    sys.meta_path.insert(0, watch)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(watch)
        now = sys.modules["jax"].config.values if watch.before else {}  # made anew at every access
        for name, value in watch.before.items():
            if now[name] != value:
                sys.modules["jax"].config.update(name, value)
                changed.append(name)


class _Watch:
    """Knows the flags as they are now, or as they will be when jax has been imported."""

    def __init__(self) -> None:
        self.before: dict[str, Any] = dict(sys.modules["jax"].config.values) if "jax" in sys.modules else {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """A finder of imports that finds nothing by itself."""
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name == "jax" else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            self.before = dict(module.config.values)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
