"""The table of promises names tests that there are."""

from __future__ import annotations

import ast
import re

from .conftest import ROOT

PAGE = ROOT / "docs" / "architecture.md"


def rows() -> dict[int, list[str]]:
    """The tests of each promise, by its number."""
    table = PAGE.read_text().partition("## Promises")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", table, re.MULTILINE)
    return {int(number): re.findall(r"`([^`]+)`", tests) for number, tests in found}


def test_every_promise_has_a_test_that_is_there() -> None:
    assert list(rows()) == list(range(1, 18))
    for number, tests in rows().items():
        assert tests, number
        for each in tests:
            path, _, name = each.partition("::")
            tree = ast.parse((ROOT / "tests" / path).read_text())
            known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert name in known, each
