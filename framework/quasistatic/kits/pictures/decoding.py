"""The bytes of a picture file as the levels of its pages, with what is lost on the way. What a file claims is looked at first."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, cast

import attrs
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

import quasistatic as qs

PAGED = ("TIFF", "PNG", "WEBP", "GIF", "AVIF")  # of other formats, such as stereo pictures, one is the picture that is meant
FORMATS = (*PAGED, "JPEG", "BMP", "HEIF")
TURNED, SUBFILE, REDUCED, MASK = 0x0112, 0x00FE, 1, 4  # tags of EXIF and TIFF, and what a page of a TIFF may be
CLEAR = ("LA", "PA", "RGBA", "La", "RGBa")  # modes with an alpha channel
NEEDS = {
    ".heic": 'it needs pillow-heif: pip install "quasistatic[heic]"',
    ".heif": 'it needs pillow-heif: pip install "quasistatic[heic]"',
    ".avif": "this build of Pillow reads no AVIF: pip install --upgrade pillow",
}
MOST_PAGES = 20_000  # of a file: each takes its time, however small it is
Pages = Literal["all", "first"]


@attrs.frozen(eq=False)
class Page:
    """Grey (height, width) or colour (height, width, 3) levels, uint8 or uint16, upright; and what was lost, in words.

    `is_equal` says that three equal channels became one.
    """

    levels: np.ndarray
    lost: tuple[str, ...] = ()
    is_equal: bool = False


class _Unfit(Exception):
    """A whole picture that is not what is wanted."""


def decode(data: bytes, pages: Pages = "all", admit: Callable[[int, int], None] = lambda count, size: None) -> Iterator[Page]:
    """The pages of a picture file's bytes (or frames), one after another; `admit` gets their number and the bytes that one of them
    takes on the way, before any is decoded.

    Raises ValueError, which says why, for bytes that are no whole picture or that claim more pixels than may be in memory,
    all pages together.
    """
    number, numbers = 0, cast(Sequence[int], (0,))
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            numbers, lost, largest = _chosen(image, pages)
            admit(len(numbers), largest)
            for number in numbers:
                image.seek(number)
                page = _page(image)
                yield attrs.evolve(page, lost=(*lost, *page.lost))
    except qs.DataError:  # of `admit`
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"it claims too many pixels: {' '.join(str(error).split())}") from error
    except _Unfit as error:
        raise ValueError(str(error)) from error
    except UnidentifiedImageError as error:
        raise ValueError("it is no picture, or damaged" if data else "it is empty") from error
    except Exception as error:  # pillow promises no kind of error for damaged bytes
        where = f" on page {number + 1}" if len(numbers) > 1 else ""
        raise ValueError(f"it is damaged{where}: {' '.join(str(error).split())[:100]}") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of ours that are there: some come with other packages, or with some builds of pillow alone."""
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN and (name != "AVIF" or features.check("avif")))


def needs(ending: str) -> str | None:
    """What has to be installed for files of this ending, or None."""
    is_there = ("AVIF" if ending == ".avif" else "HEIF") in _formats()
    return None if is_there else NEEDS.get(ending)


def _chosen(image: Image.Image, pages: Pages) -> tuple[Sequence[int], tuple[str, ...], int]:
    """Which pages are read, by number, a word on those that are not, and the bytes that the largest takes on the way.

    Raises _Unfit for too many pixels in one, or in all, and for too many pages.
    """
    count = getattr(image, "n_frames", 1)
    if count == 1 or pages == "first" or image.format not in PAGED:
        _refuse_huge(image, _on_the_way(image), 1)
        return (image.tell(),), ((f"of {count} pages one is read",) if count > 1 else ()), _on_the_way(image)
    if count > MOST_PAGES:
        raise _Unfit(f'it claims {count} pages, expected at most {MOST_PAGES} (source.pages = "first" reads one of a file)')
    if image.format != "TIFF":  # frames are all of one size
        _refuse_huge(image, max(count * _claims(image), _on_the_way(image)), count)
        return range(count), (), _on_the_way(image)
    chosen, claimed, largest = [], 0, 0
    for number in range(count):
        image.seek(number)
        claimed, largest = claimed + _claims(image), max(largest, _on_the_way(image))
        _refuse_huge(image, max(claimed, largest), number + 1)
        if not (number and image.tag_v2.get(SUBFILE, 0) & (REDUCED | MASK)):  # type: ignore[attr-defined]
            chosen.append(number)
    return chosen, (("pages that are thumbnails or masks of others are left out",) if len(chosen) < count else ()), largest


def _claims(image: Image.Image) -> int:
    """Bytes of a page that is decoded."""
    return 4 * image.width * image.height


def _on_the_way(image: Image.Image) -> int:
    """Bytes that a page takes until it is cut: copies upright, without what shines through, as an array, as levels to resize."""
    copies = 6 if image.mode in CLEAR or "transparency" in image.info else 4
    return copies * _claims(image)


def _refuse_huge(image: Image.Image, size: int, count: int) -> None:
    try:
        qs.files.refuse_large(size)
    except OSError as error:
        pages = f"{count} pages, the last of " if count > 1 else ""
        raise _Unfit(f"it claims {pages}{image.width}x{image.height} pixels: {error}") from error


def _page(image: Image.Image) -> Page:
    """The page where the image is."""
    lost = []
    # pillow keeps more than 8 bits of one channel alone
    is_deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())) or image.info.get("bit_depth", 8) > 8
    if is_deep and not image.mode.startswith("I"):
        lost.append("channels of more than 8 bits become 8")
    profile = image.info.get("icc_profile") or b""
    if profile and b"sRGB" not in profile.replace(b"\0", b""):
        lost.append("colour profiles are not followed")
    if image.getexif().get(TURNED, 1) != 1:
        lost.append("turned upright, as EXIF says")
    image.load()
    upright = image if image.getexif().get(TURNED, 1) == 1 else ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        return Page(np.asarray(upright).astype(np.uint16), tuple(lost))
    if upright.mode in ("I", "F"):
        return Page(_whole(upright), tuple(lost))
    plain, words = _plain(upright)
    levels = np.asarray(plain)
    is_equal = levels.ndim == 3 and bool((levels == levels[..., :1]).all())
    return Page(levels[..., 0] if is_equal else levels, (*lost, *words), is_equal)


def _whole(image: Image.Image) -> np.ndarray:
    """Levels of 32 bits that need but 16. Raises _Unfit for others."""
    levels = np.asarray(image)
    if image.mode == "F":
        raise _Unfit('its levels are real numbers (mode F), expected 8 or 16 bits; the source "array" reads these from .npy files')
    if levels.min() < 0 or levels.max() >= 2**16:
        raise _Unfit(f"its levels go from {levels.min()} to {levels.max()} (mode I), expected 0 to 65535")
    return levels.astype(np.uint16)


def _plain(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """In mode L or RGB, and what was lost."""
    if image.mode in CLEAR or "transparency" in image.info:
        seen = image.convert("RGBA")
        # where nothing shines through nothing is lost
        lost = ["transparency is put on white"] if np.asarray(seen)[..., 3].min() < 255 else []
        white = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(white, seen).convert("L" if image.mode in ("L", "LA", "La", "1") else "RGB"), lost
    if image.mode in ("L", "RGB"):
        return image, []
    words = [] if image.mode in ("1", "P") else [f"converted from {image.mode} to RGB"]
    return image.convert("L" if image.mode == "1" else "RGB"), words
