"""Nothing that is read can run: no source of ours has a way to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import quasistatic
import quasistatic_plugins

MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec"}


def dangers(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node.func.id
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield "allow_pickle"


@pytest.mark.parametrize("package", [quasistatic, quasistatic_plugins], ids=lambda package: package.__name__)
def test_no_way_to_run_data(package: object) -> None:
    sources = [file for folder in package.__path__ for file in Path(folder).rglob("*.py")]  # type: ignore[attr-defined]
    assert len(sources) > 10
    assert {file.name: found for file in sources if (found := list(dangers(file.read_text())))} == {}


@pytest.mark.parametrize(
    "line", ["import pickle", "from pickle import loads", "eval('1')", "exec(x)", "np.load(f, allow_pickle=True)"]
)
def test_the_search_finds(line: str) -> None:
    assert list(dangers(line))
