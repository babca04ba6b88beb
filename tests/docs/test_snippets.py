"""Every snippet of the documentation does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import PAGES, ROOT, Reader, blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_reader_can_follow_the_page(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        reader.follow(block)
