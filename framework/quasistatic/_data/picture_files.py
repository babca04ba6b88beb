"""Picture files of any size and kind as squares of 8-bit levels. What a file claims is looked at before it is decoded."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import attrs
import numpy as np
from PIL import Image, ImageOps

from quasistatic._data.picture_choices import PICTURES, CutChoices
from quasistatic._data.pictures import SHARE, Pictures, in_view, origin_of_digests
from quasistatic._storage.files import read_plain, reason, refuse_large
from quasistatic.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
NAMED = 200  # files that are left out, of which the names are given
Fit = Literal["resize", "crop", "patches"]


def picture_names(folder: Path) -> tuple[list[str], int]:
    """The pictures in a folder and below it, by what their names end in, in order; and how many are no ordinary files.

    Raises DataError where there is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'is a file, expected a folder of pictures' if folder.exists() else 'there is no such folder'}")
    names, odd = [], 0
    for place, below, files in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if name.lower().endswith(PICTURES) and not name.startswith("."):
                # a link could lead anywhere, a pipe would be waited for
                is_plain = stat.S_ISREG(path.lstat().st_mode)
                names += [path.relative_to(folder).as_posix()] if is_plain else []
                odd += not is_plain
    if not names:
        raise DataError(
            f"{folder}: holds no pictures, expected files that end in {', '.join(PICTURES)}{f' ({odd} are links)' if odd else ''}"
        )
    return sorted(names), odd


class _Unfit(Exception):
    """A whole picture that is not what is wanted."""


def decode(data: bytes) -> np.ndarray:
    """Grey (height, width) or colour (height, width, 3) levels of a picture file's bytes, upright, transparency on white.

    Raises ValueError, which says why, for bytes that are no whole picture or that claim more pixels than may be in memory.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_huge(image)
            image.load()
            return np.asarray(_plain(ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError as error:
        raise ValueError(f"it claims too many pixels: {' '.join(str(error).split())}") from error
    except _Unfit as error:
        raise ValueError(str(error)) from error
    except Image.UnidentifiedImageError as error:
        raise ValueError("it is no picture, or damaged") from error
    except Exception as error:  # pillow promises no kind of error for damaged bytes
        raise ValueError(f"it is damaged: {' '.join(str(error).split())[:100]}") from error


def _refuse_huge(image: Image.Image) -> None:
    try:
        refuse_large(4 * image.width * image.height)
    except OSError as error:
        raise _Unfit(f"it claims {image.width}x{image.height} pixels: {error}") from error


def _plain(image: Image.Image) -> Image.Image:
    """In mode L or RGB."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise _Unfit(f"its levels are numbers of 32 bits (mode {image.mode}), expected 8 or 16")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(white, seen).convert("L" if image.mode in ("L", "LA", "La", "1") else "RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def cut_squares(picture: np.ndarray, fit: Fit, size: int, patches: int, random: np.random.RandomState) -> np.ndarray:
    """Squares (N, size, size, ...) of a picture (height, width, ...): the middle after its shorter side is made `size` long, the
    middle as it is, or patches from random places. Raises ValueError for a picture that is too small.
    """
    height, width = picture.shape[:2]
    if fit == "resize":
        return np.asarray(ImageOps.fit(Image.fromarray(picture), (size, size), Image.Resampling.BICUBIC))[None]
    if min(height, width) < size:
        raise ValueError(f"it has {width}x{height} pixels, too few for {size}x{size}")
    if fit == "crop":
        places = [((height - size) // 2, (width - size) // 2)]
    else:
        places = [(random.randint(height - size + 1), random.randint(width - size + 1)) for _ in range(patches)]
    return np.stack([picture[top : top + size, left : left + size] for top, left in places])


@attrs.frozen(eq=False)
class _Read:
    """A file by the digest and size of its bytes, and its squares, or why it has none."""

    digest: str
    size: int
    squares: np.ndarray | None
    problem: str = ""


def read_pictures(folder: str | Path, choices: CutChoices, fit: Fit, refuse: bool = False) -> Pictures:
    """All pictures in a folder and below it, cut to squares; the folders directly in it are the classes.

    Files that cannot be read are named in a note, or with `refuse` in an error. Raises DataError where none can be read, and
    where all together would not be allowed in memory.
    """
    folder = Path(folder).expanduser()
    names, odd = picture_names(folder)
    _refuse_many(folder, len(names), 3 * choices.size**2 * (choices.patches if fit == "patches" else 1))
    # pillow lets others run while it decodes, and warns of much that it reads well; what warnings do is no matter of one thread
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda name: _read(folder, name, choices, fit), names))
    bad = {name: each.problem for name, each in zip(names, found, strict=True) if each.squares is None}
    good = [(name, each.squares) for name, each in zip(names, found, strict=True) if each.squares is not None]
    if bad and (refuse or not good):
        start = f"{len(bad)} of {len(names)} pictures cannot be used" if good else f"none of {len(names)} pictures can be used"
        way_out = '; source.unreadable = "skip" leaves them out' if good else ""
        raise DataError(f"{folder}: {start}{way_out}: {_named(bad)}")
    is_colour = choices.view == "colour" or (choices.view == "auto" and any(squares.ndim == 4 for _, squares in good))
    folders = [name.split("/")[0] if "/" in name else "" for name, _ in good]
    classes = tuple(sorted(set(folders)))
    digests = ((name, each.size, each.digest) for name, each in zip(names, found, strict=True))
    counts = [len(squares) for _, squares in good]
    return Pictures(
        origin_of_digests(os.path.abspath(folder), digests),
        np.concatenate([in_view(squares, is_colour) for _, squares in good]),
        groups=np.repeat(np.arange(len(good)), counts),
        places=np.full(sum(counts), SHARE),
        labels=np.repeat([classes.index(each) for each in folders], counts),
        classes=classes if len(classes) > 1 else (),
        files=tuple(name for name, _ in good),
        notes=tuple(_notes(folder, len(good), sum(counts), is_colour, bad, odd)),
    )


def _read(folder: Path, name: str, choices: CutChoices, fit: Fit) -> _Read:
    try:
        data = read_plain(folder / name)
    except OSError as error:
        return _Read("", 0, None, reason(error))
    digest = hashlib.sha256(data).hexdigest()
    # of each file its own places, whichever others there are
    random = np.random.RandomState((int(digest[:8], 16) + choices.split_seed) % 2**32)
    try:
        return _Read(digest, len(data), cut_squares(decode(data), fit, choices.size, choices.patches, random))
    except ValueError as error:
        return _Read(digest, len(data), None, str(error))


def _refuse_many(folder: Path, count: int, each: int) -> None:
    try:
        refuse_large(count * each)
    except OSError as error:
        raise DataError(f"{folder}: {count} pictures: {error}; or make source.size or source.patches smaller") from error


def _notes(folder: Path, files: int, events: int, is_colour: bool, bad: Mapping[str, str], odd: int) -> Iterator[str]:
    cut_to = f", {events} events" if events != files else ""
    yield f"read {files} pictures{cut_to} in {'colour' if is_colour else 'grey'} from {folder}"
    if bad:
        yield f"left out {len(bad)} of {files + len(bad)} files that cannot be used: {_named(bad)}"
    if odd:
        yield f"left out {odd} names that are links or no ordinary files"


def _named(bad: Mapping[str, str]) -> str:
    """The files by what is wrong with them."""
    by_problem = defaultdict(list)
    for name in list(bad)[:NAMED]:
        by_problem[bad[name]].append(name)
    said = "; ".join(f"{', '.join(names)} ({problem})" for problem, names in by_problem.items())
    return said + (f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else "")
