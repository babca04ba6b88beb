"""Every snippet of the documentation does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import PAGES, ROOT, Reader, blocks

# pages whose reader has more than the extras of the tests
NEEDS = {"biology": ("Bio",), "molecules": ("rdkit", "selfies")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_reader_can_follow_the_page(page: Path, reader: Reader) -> None:
    for module in NEEDS.get(page.stem, ()):
        pytest.importorskip(module)
    for block in blocks(page):
        reader.follow(block)
