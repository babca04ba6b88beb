"""Every snippet of the documentation does what the page says."""

from __future__ import annotations

import re
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
    # a picture with a title is that file of the reader's
    for title in re.findall(r'!\[[^\]]*\]\(\S+ "(\S+)"\)', page.read_text()):
        assert (reader.folder / title).stat().st_size > 0, title
