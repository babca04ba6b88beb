"""IDX files: two zeros, a type, the number of axes, their lengths, and the numbers. Sizes are compared before they are read."""

from __future__ import annotations

import functools
import gzip
import io
import math
import os
import re
import zlib
from pathlib import Path

import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.idx import IdxOptions

UINT8 = 0x08
KINDS = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
PICTURES = re.compile(r"images.?idx3", re.IGNORECASE)
TEST = re.compile(r"t10k|test", re.IGNORECASE)


def build(options: IdxOptions) -> pictures.PictureSource:
    """The source of the files that the options name. Raises DataError, which names the file and what is wrong with it."""
    return pictures.PictureSource(functools.partial(_read, options), options, options.path)


def restore(options: IdxOptions, kept: qs.sources.Kept) -> pictures.PictureSource:
    """The source of a run that is reopened; its files are read when its pictures are used."""
    return pictures.PictureSource.restored(functools.partial(_read, options), options, options.path, kept)


def _read(options: IdxOptions, where: str) -> pictures.Pictures:
    files = _files(where)
    read: dict[Path, bytes] = {}
    pixels = [_numbers(path, 3, read) for path in files]
    if options.view == "colour":
        raise qs.DataError(f'{files[0]}: its pictures are grey, expected source.view = "grey", "binary" or "auto"')
    if len({each.shape[1:] for each in pixels}) > 1:
        raise qs.DataError(
            f"{files[0].parent}: pictures of {' and of '.join(str(each.shape[1:]) for each in pixels)} do not go together"
        )
    labels = [_labels(path, len(each), read) for path, each in zip(files, pixels, strict=True)]
    is_test = [bool(TEST.search(path.name)) and len(files) > 1 for path in files]
    counts = [len(each) for each in pixels]
    known = np.unique(np.concatenate(labels))
    found = np.concatenate(pixels)
    return pictures.Pictures(
        qs.files.origin_of(os.path.abspath(where), {path.name: each for path, each in read.items()}),
        found,
        groups=np.arange(len(found)),
        places=np.repeat([2 if test else -1 for test in is_test], counts),
        labels=np.searchsorted(known, np.concatenate(labels)),
        classes=tuple(map(str, known.tolist())) if len(known) > 1 else (),
        notes=(f"read {len(found)} pictures of {found.shape[1]}x{found.shape[2]} pixels from {', '.join(map(str, files))}",),
    )


def _files(where: str) -> list[Path]:
    """The files of pictures, training before test."""
    if not where:
        raise qs.DataError("source.path: must be given, a folder of IDX files, or one such as train-images-idx3-ubyte.gz")
    path = Path(where).expanduser()
    if not path.exists():
        raise qs.DataError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if PICTURES.search(each.name) and each.is_file())
    # of a file that is there twice, packed and not, one
    found = list({each.name.removesuffix(".gz"): each for each in found}.values())
    if not found:
        raise qs.DataError(f"{path}: holds no IDX files of pictures, expected names such as train-images-idx3-ubyte.gz")
    return sorted(found, key=lambda each: bool(TEST.search(each.name)))


def _labels(pictures: Path, count: int, read: dict[Path, bytes]) -> np.ndarray:
    """The labels beside a file of pictures, or zeros where there are none."""
    name = re.sub("idx3", "idx1", re.sub("images", "labels", pictures.name, flags=re.IGNORECASE), flags=re.IGNORECASE)
    path = pictures.with_name(name)
    if name == pictures.name or not path.is_file():
        return np.zeros(count, np.uint8)
    labels = _numbers(path, 1, read)
    if len(labels) != count:
        raise qs.DataError(f"{path}: holds {len(labels)} labels for the {count} pictures of {pictures.name}")
    return labels


def _numbers(path: Path, axes: int, read: dict[Path, bytes]) -> np.ndarray:
    """The array in a file; its bytes go to `read`. Raises DataError."""
    try:
        data = read[path] = qs.files.read_plain(path, follow=True)
        with gzip.open(io.BytesIO(data)) if path.suffix == ".gz" else io.BytesIO(data) as file:
            start = file.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in KINDS:
                raise qs.DataError(f"{path}: is no IDX file, which begins with two zeros and a type")
            if start[2] != UINT8 or start[3] != axes:
                what = "pictures (N, height, width)" if axes == 3 else "labels (N,)"
                raise qs.DataError(f"{path}: holds {KINDS[start[2]]} of {start[3]} axes, expected uint8 {what}")
            shape = tuple(int.from_bytes(file.read(4), "big") for _ in range(axes))
            size = math.prod(shape)
            qs.files.refuse_large(size)
            numbers = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise qs.DataError(f"{path}: cannot be read: {error}") from error
    if len(numbers) != size or size == 0:
        held = "more" if len(numbers) > size else f"{len(numbers)}"
        raise qs.DataError(f"{path}: is damaged: it declares {size} numbers {shape} and holds {held}")
    return np.frombuffer(numbers, np.uint8).reshape(shape)
