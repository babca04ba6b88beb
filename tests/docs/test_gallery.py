"""The gallery: every picture of the documentation is in it, small, and made by a command; the reader follows them elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from .conftest import DOCS, blocks


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    """docs/gallery.py"""
    spec = importlib.util.spec_from_file_location("docs_gallery", DOCS / "gallery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_small_and_in_the_gallery(gallery: ModuleType) -> None:
    there = [path for path in (DOCS / "images").iterdir() if path.is_file()]
    assert {f"images/{path.name}" for path in there} == set(gallery.pictures())
    assert sum(path.stat().st_size for path in there) < 1_500_000


def test_every_command_of_the_page_is_run(gallery: ModuleType) -> None:
    commands = [command for block in blocks(gallery.PAGE) for command in block.commands]
    assert [f"quasistatic {each}" for each in gallery.COMMAND.findall(gallery.PAGE.read_text())] == commands


def test_a_picture_is_shrunk_and_an_animation_is_left_alone(gallery: ModuleType, tmp_path: Path) -> None:
    Image.effect_noise((2 * gallery.WIDTH, 100), 50).convert("RGB").save(tmp_path / "wide.png")
    gallery.shrink(tmp_path / "wide.png", tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as small:
        assert small.size == (gallery.WIDTH, 50) and len(small.getcolors()) <= gallery.COLOURS
    frames = [Image.new("L", (9, 9), grey) for grey in (0, 200)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:])
    gallery.shrink(tmp_path / "film.webp", tmp_path / "copy.webp")
    assert (tmp_path / "copy.webp").read_bytes() == (tmp_path / "film.webp").read_bytes()
