"""Make the pictures of gallery.md again: python docs/gallery.py FOLDER runs its commands there, in about ten minutes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

PAGE = Path(__file__).with_name("gallery.md")
COMMAND = re.compile(r"^\$ quasistatic (.+)$", re.MULTILINE)
PICTURE = re.compile(r'!\[[^\]]*\]\((images/\S+) "(\S+)"\)')  # where a page has it, and which file a command makes
WIDTH, COLOURS = 1120, 64


def shrink(source: Path, target: Path) -> None:
    """A picture in few colours and no wider than a page; an animation as it is."""
    with Image.open(source) as image:
        if getattr(image, "is_animated", False):
            shutil.copyfile(source, target)
            return
        width = min(WIDTH, image.width)
        small = image.convert("RGB").resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


def pictures() -> dict[str, str]:
    """The file that a command makes, by that of the page."""
    return dict(PICTURE.findall(PAGE.read_text()))


def remake(folder: Path) -> None:
    for arguments in COMMAND.findall(PAGE.read_text()):
        subprocess.run([sys.executable, "-m", "quasistatic", *shlex.split(arguments)], cwd=folder, check=True)
    for name, source in pictures().items():
        shrink(folder / source, PAGE.parent / name)


if __name__ == "__main__":
    remake(Path(sys.argv[1]))
