"""Whether a folder holds pictures, by the names of its files."""

from __future__ import annotations

import os
from pathlib import Path

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def accepts(folder: Path) -> bool | str:
    """True where a file in the folder or below it is called as a picture is, or why not."""
    for _, below, files in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        if any(name.lower().endswith(ENDINGS) and not name.startswith(".") for name in files):
            return True
    return f"holds no pictures, expected files that end in {', '.join(ENDINGS)}"
