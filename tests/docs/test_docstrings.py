"""Every public name has a docstring, of its own or of the class that it inherits from."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from .conftest import DOCS

API = sorted((DOCS / "reference" / "api").glob("*.md"))
MODULES = [name for page in API for names in re.findall(r"<!-- api: (.+) -->", page.read_text()) for name in names.split()]


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    """Sphinx' configuration, which knows the names of each module."""
    spec = importlib.util.spec_from_file_location("conf_of_docstrings", DOCS / "conf.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without(cls: type, name: str) -> bool:
    """Whether neither this member nor the one that it overrides has a docstring."""
    return not any(_text(vars(each)[name]) for each in cls.__mro__ if name in vars(each))


def _text(member: Any) -> str:
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    return (inspect.getdoc(function) or "").strip()


def methods(cls: type) -> Iterator[str]:
    for name, member in vars(cls).items():
        if name[0] != "_" and (isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member)):
            yield name


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_docstring(conf: ModuleType, name: str) -> None:
    module = conf.module_of(name)
    bare = [] if (module.__doc__ or "").strip() else [name]
    for each, value in conf.public(module).items():
        if not getattr(value, "__module__", "").startswith("quasistatic"):
            continue
        if (inspect.isclass(value) or inspect.isfunction(value)) and not (value.__doc__ or "").strip():
            bare.append(each)
        if inspect.isclass(value):
            bare += [f"{each}.{method}" for method in methods(value) if without(value, method)]
    assert bare == []
