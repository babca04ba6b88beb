"""The source of a folder of pictures, as a component; and that of a run, which needs no folder."""

from __future__ import annotations

import functools
from typing import Any

import quasistatic as qs
from quasistatic.kits import arrays, pictures
from quasistatic_plugins.images import ImagesOptions


def build(options: ImagesOptions) -> pictures.PictureSource:
    """The source of the folder that the options name. Raises DataError, which names the folder, the files and a way out."""
    strict = options.unreadable == "refuse"
    return pictures.PictureSource(functools.partial(_read, options), options, options.path, bits=options.bits, strict=strict)


def restore(options: ImagesOptions, kept: qs.sources.Kept) -> pictures.PictureSource:
    """The source of a run that is reopened; the folder is read when its pictures are used."""
    return pictures.PictureSource.restored(functools.partial(_read, options), options, options.path, kept)


def from_data(options: ImagesOptions, data: Any) -> arrays.AbstractArraySource:
    """The source of pictures (N, height, width) or (N, height, width, 3) in memory, whole numbers or reals, as they are."""
    shares = {name: getattr(options, name) for name in ("validation_share", "test_share", "split_seed")}
    return arrays.array_source(data, arrays.ArrayChoices(**shares, pictures="yes"))


def _read(options: ImagesOptions, where: str) -> pictures.Pictures:
    if not where:
        raise qs.DataError("source.path: must be given, a folder of pictures (quasistatic run FOLDER)")
    return pictures.read_pictures(where, options, options.fit, pages=options.pages, split_pages=options.split_pages)
