"""Picture files of any size and kind as squares. Pages of a file are pictures of their own; what is lost is noted."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from PIL import Image, ImageOps

import quasistatic as qs
from quasistatic.kits.pictures.decoding import Page, Pages, decode, needs
from quasistatic.kits.pictures.options import PICTURES, CutChoices
from quasistatic.kits.pictures.stored import SHARE, Pictures, in_view, named_outside

THREADS = min(8, os.cpu_count() or 1)
NEARLY_GREY = 4  # levels by which channels may differ where a lossy format has changed greys
Fit = Literal["resize", "crop", "patches"]


@attrs.frozen
class _Names:
    """The pictures of a place, in order, by their paths in its `folder`; how many are links; other files by their endings."""

    folder: Path
    names: list[str]
    links: int = 0
    others: Mapping[str, int] = attrs.field(factory=dict)


def picture_names(place: Path) -> _Names:
    """The pictures in a folder and below it, by what their names end in; or one picture by its path.

    Raises DataError where there is none.
    """
    if not place.is_dir():
        if place.is_file() and place.name.lower().endswith(PICTURES):
            return _Names(place.parent, [place.name])
        expected = f"is a file, expected a folder of pictures, or a file that ends in {', '.join(PICTURES)}"
        raise qs.DataError(f"{place}: {expected if place.exists() else 'there is no such folder'}")
    names, links, others = [], 0, Counter[str]()
    for where, below, files in os.walk(place):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            path = Path(where, name)
            if name.startswith("."):
                continue
            if not name.lower().endswith(PICTURES):
                others[path.suffix.lower() or "no ending"] += 1
                continue
            # a link could lead anywhere, a pipe would be waited for
            is_plain = stat.S_ISREG(path.lstat().st_mode)
            names += [path.relative_to(place).as_posix()] if is_plain else []
            links += not is_plain
    if not names:
        are_links = f" ({links} are links)" if links else ""
        raise qs.DataError(f"{place}: holds no pictures, expected files that end in {', '.join(PICTURES)}{are_links}")
    return _Names(place, sorted(names), links, others)


def cut_squares(picture: np.ndarray, fit: Fit, size: int, patches: int, random: np.random.RandomState) -> np.ndarray:
    """Squares (N, size, size, ...) of a picture (height, width, ...): the middle after its shorter side is made `size` long, the
    middle as it is, or patches from random places, as many as there are places at most. Raises ValueError for a picture that
    is too small.
    """
    height, width = picture.shape[:2]
    if fit == "resize":
        return _resized(picture, size)[None]
    if min(height, width) < size:
        raise ValueError(f"it has {width}x{height} pixels, too few for {size}x{size}")
    if fit == "crop":
        places = [((height - size) // 2, (width - size) // 2)]
    else:
        count = min(patches, (height - size + 1) * (width - size + 1))
        places = [(random.randint(height - size + 1), random.randint(width - size + 1)) for _ in range(count)]
    return np.stack([picture[top : top + size, left : left + size] for top, left in places])


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle (size, size, ...) of a picture; pillow resizes levels of more than 8 bits as real numbers."""
    is_deep = picture.dtype != np.uint8
    image = Image.fromarray(picture.astype(np.float32) if is_deep else picture)
    found = np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    return np.clip(np.round(found), picture.min(), picture.max()).astype(picture.dtype) if is_deep else found


@attrs.frozen(eq=False)
class _Cut:
    """The squares (N, size, size, ...) of one page, its height and width, and how it was cut."""

    squares: np.ndarray
    shape: tuple[int, ...]
    page: Page


@attrs.frozen(eq=False)
class _Read:
    """A file by the digest and size of its bytes, and its pages, or why it has none."""

    name: str
    digest: str = ""
    size: int = 0
    cuts: tuple[_Cut, ...] = ()
    problem: str = ""


class _Large(qs.DataError):
    """A picture that is not decoded beside others."""


class _Room:
    """What all pictures of a folder will take, counted before a file is decoded, in several threads."""

    def __init__(self, folder: Path, each: int):
        self._folder, self._each, self._count, self._lock = folder, each, 0, threading.Lock()

    def admit(self, count: int) -> None:
        """Raises DataError where there is no room for so many pictures more."""
        with self._lock:
            self._count += count
            try:
                qs.files.refuse_large(self._count * self._each)
            except OSError as error:
                way_out = 'make source.size or source.patches smaller, or set source.pages = "first"'
                raise qs.DataError(f"{self._folder}: {self._count} pictures: {error}; or {way_out}") from error

    def admit_pages(self, count: int, size: int, beside: int) -> None:
        """Admit the pages of a file that takes `size` bytes on the way. Raises _Large where `beside` such files have no room."""
        try:
            qs.files.refuse_large(beside * size)
        except OSError as error:
            raise _Large(str(error)) from error
        self.admit(count - 1)


def read_pictures(place: str | Path, choices: CutChoices, fit: Fit, *, pages: Pages = "all", split_pages: bool = False) -> Pictures:
    """All pictures in a folder and below it, cut to squares; the folders directly in it are the classes. Or those of one file.

    Pages of a TIFF and frames of an animation are pictures of their own, or with "first" one of each file is read; those of a
    file stay together in a split unless `split_pages`. Files that cannot be read are named in a note and are in `outside`.
    Raises DataError where none can be read, and where all together would not be allowed in memory.
    """
    place = Path(place).expanduser()
    names = picture_names(place)
    room = _Room(place, 3 * choices.size**2 * (choices.patches if fit == "patches" else 1))
    room.admit(len(names.names))  # a look at the bytes is needed only for more pages than one
    # pillow lets others run while it decodes, and warns of much that it reads well; what warnings do is no matter of one thread
    with warnings.catch_warnings(action="ignore"):
        with ThreadPoolExecutor(THREADS) as pool:
            beside = list(pool.map(lambda name: _read(names.folder, name, choices, fit, pages, room, THREADS), names.names))
        alone = (
            each or _read(names.folder, name, choices, fit, pages, room, 1) for name, each in zip(names.names, beside, strict=True)
        )
        found = [each for each in alone if each is not None]
    good = [(each, page, cut) for each in found if not each.problem for page, cut in enumerate(each.cuts, start=1)]
    outside = tuple(_outside(found))
    if not good:
        raise qs.DataError(f"{place}: none of {len(found)} pictures can be used: {named_outside(outside)}")
    is_colour = choices.view == "colour" or (choices.view == "auto" and any(cut.squares.ndim == 4 for _, _, cut in good))
    folders = [_folder_of(each.name) for each, _, _ in good]
    classes = tuple(sorted(set(folders)))
    counts = [len(cut.squares) for _, _, cut in good]
    keys = [(each.name, page if split_pages else 1) for each, page, _ in good]
    groups = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    has_pages = any(len(each.cuts) > 1 for each in found)
    return Pictures(
        qs.files.origin_of_digests(os.path.abspath(place), ((each.name, each.size, each.digest) for each in found)),
        np.concatenate([in_view(cut.squares, is_colour) for _, _, cut in good]),
        groups=np.repeat([groups[key] for key in keys], counts),
        places=np.full(sum(counts), SHARE),
        labels=np.repeat([classes.index(each) for each in folders], counts),
        classes=classes if len(classes) > 1 else (),
        files=tuple(name for name, _ in groups),
        notes=tuple(_notes(place, found, names, choices, fit, is_colour, outside)),
        pages=np.repeat([page for _, page, _ in good], counts) if has_pages else None,
        deep=np.repeat([cut.squares.dtype != np.uint8 for _, _, cut in good], counts),
        outside=outside,
    )


def _read(folder: Path, name: str, choices: CutChoices, fit: Fit, pages: Pages, room: _Room, beside: int) -> _Read | None:
    """A file that is read; None where its pictures are too large for as many threads as stand `beside` one another."""
    if (needed := needs(Path(name).suffix.lower())) is not None:
        return _Read(name, problem=needed)
    try:
        data = qs.files.read_plain(folder / name)
    except OSError as error:
        return _Read(name, problem=qs.files.reason(error))
    digest = hashlib.sha256(data).hexdigest()
    # of each file its own places, whichever others there are
    random = np.random.RandomState((int(digest[:8], 16) + choices.split_seed) % 2**32)
    try:
        cuts = [
            # the levels of a whole page are not kept
            _Cut(cut_squares(page.levels, fit, choices.size, choices.patches, random), page.levels.shape[:2], _bare(page))
            for page in decode(data, pages, lambda count, size: room.admit_pages(count, size, beside))
        ]
    except _Large:
        return None
    except ValueError as error:
        return _Read(name, digest, len(data), problem=str(error))
    return _Read(name, digest, len(data), tuple(cuts))


def _bare(page: Page) -> Page:
    return attrs.evolve(page, levels=np.empty((0, 0, *page.levels.shape[2:]), page.levels.dtype))


def _folder_of(name: str) -> str:
    """The folder directly in the place, which is the class."""
    return name.split("/")[0] if "/" in name else ""


def _outside(found: Sequence[_Read]) -> Iterator[qs.sources.Outside]:
    """The files that could not be read, numbered among all records."""
    has_pages = any(len(each.cuts) > 1 for each in found)
    is_labelled = len({_folder_of(each.name) for each in found if not each.problem}) > 1
    number = 0
    for each in found:
        if each.problem:
            tags: dict[str, Any] = {"picture": number, "file": each.name}
            tags |= {"page": ""} if has_pages else {}
            yield qs.sources.Outside(number, each.problem, tags | ({"label": _folder_of(each.name)} if is_labelled else {}))
        number += max(1, sum(len(cut.squares) for cut in each.cuts))


def _notes(
    place: Path,
    found: Sequence[_Read],
    names: _Names,
    choices: CutChoices,
    fit: Fit,
    is_colour: bool,
    outside: Sequence[qs.sources.Outside],
) -> Iterator[str]:
    cuts = [(each.name, cut) for each in found for cut in each.cuts]
    events = sum(len(cut.squares) for _, cut in cuts)
    cut_to = f", {events} events" if events != len(cuts) else ""
    yield f"read {len(cuts)} pictures{cut_to} in {'colour' if is_colour else 'grey'} from {place}"
    if outside:
        yield f"left out {len(outside)} of {len(found)} files that cannot be used: {named_outside(outside)}"
    if names.links:
        yield f"left out {names.links} names that are links or no ordinary files"
    if names.others:
        known = ", ".join(f"{count} of {ending}" for ending, count in sorted(names.others.items()))
        yield f"left out {sum(names.others.values())} files whose names do not end as those of pictures: {known}"
    yield from _on_pages(found)
    yield from _on_sizes([cut.shape for _, cut in cuts], choices, fit)
    yield from _on_colours(cuts, choices, is_colour)
    lost = dict.fromkeys(word for _, cut in cuts for word in cut.page.lost)
    for word in lost:
        yield f"{_some(name for name, cut in cuts if word in cut.page.lost)}: {word}"


def _on_pages(found: Sequence[_Read]) -> Iterator[str]:
    many = [each for each in found if len(each.cuts) > 1]
    counts = [len(each.cuts) for each in many]
    if many:
        each = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
        have = "have" if len(many) > 1 else "has"
        yield (
            f"{_some(one.name for one in many)} {have} {each} pages{' each' if len(many) > 1 else ''}, pictures of their own: "
            f'{sum(counts)} in all (source.pages = "first" reads one of a file)'
        )


def _on_sizes(shapes: Sequence[tuple[int, ...]], choices: CutChoices, fit: Fit) -> Iterator[str]:
    size, small, large = choices.size, min(shapes, key=min), max(shapes, key=max)
    if set(shapes) == {(size, size)}:
        return
    same = f"{small[1]}x{small[0]}"
    known = same if len(set(shapes)) == 1 else f"sides from {min(small)} to {max(large)}"
    cut = {
        "resize": f"each is resized, and its middle {size}x{size} is taken",
        "crop": f"of each the middle {size}x{size} is taken",
        "patches": f"of each patches {size}x{size} are taken",
    }[fit]
    yield f"pictures have {known} pixels: {cut} (source.size, source.fit)"
    if fit == "resize" and (few := sum(min(shape) < size for shape in shapes)):
        yield f"{few} of {len(shapes)} pictures are smaller than {size}x{size}: what is between their pixels is no data"


def _on_colours(cuts: Sequence[tuple[str, _Cut]], choices: CutChoices, is_colour: bool) -> Iterator[str]:
    equal = [name for name, cut in cuts if cut.page.is_equal]
    colour = [name for name, cut in cuts if cut.squares.ndim == 4]
    if equal and not is_colour:
        yield f'{_some(equal)}: three equal channels are one grey (source.view = "colour" keeps all three)'
    if colour and not is_colour:
        yield f"{_some(colour)}: colours become grey, by the weights of ITU-R 601-2 (source.view)"
    if colour and is_colour and choices.view == "auto" and len(colour) < len(cuts):
        yield f'{len(cuts) - len(colour)} of {len(cuts)} pictures are grey, and in colour here (source.view = "grey" does without)'
    if colour and is_colour and choices.view == "auto":
        apart = max(int(np.ptp(cut.squares, axis=-1).max()) for _, cut in cuts if cut.squares.ndim == 4)
        if apart <= NEARLY_GREY:
            yield f'the channels of no pixel differ by more than {apart}: these may be greys (source.view = "grey")'


def _some(names: Iterator[str] | Sequence[str]) -> str:
    """The first of some names, and how many files more."""
    known = list(dict.fromkeys(names))
    return known[0] + (f" and {len(known) - 1} more" if len(known) > 1 else "")
