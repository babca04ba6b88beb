"""Patches of large pictures: each split has bands of its own of every picture, so that no pixel is in two of them."""

from __future__ import annotations

import functools

import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.textures import TexturesOptions

PLACE = "scikit-image"  # where these pictures are
NAMES = ("grass", "gravel", "brick")


def build(options: TexturesOptions) -> pictures.PictureSource:
    """The source of the textures. Raises DataError without scikit-image, and for patches that do not fit into a band."""
    return pictures.PictureSource(functools.partial(_read, options), options, PLACE)


def restore(options: TexturesOptions, kept: qs.sources.Kept) -> pictures.PictureSource:
    """The source of a run that is reopened."""
    return pictures.PictureSource.restored(functools.partial(_read, options), options, PLACE, kept)


def _read(options: TexturesOptions, where: str) -> pictures.Pictures:
    if where != PLACE:
        raise qs.DataError(f"{where}: events of source 'textures' are read from .npy and .npz files alone")
    if options.view == "colour":
        raise qs.DataError('textures: these pictures are grey, expected source.view = "grey", "binary" or "auto"')
    names = NAMES if options.texture == "all" else (options.texture,)
    photographs = {name: _load(name) for name in names}
    cut = [_patches(picture, options, number) for number, picture in enumerate(photographs.values())]
    places = np.concatenate([places for _, places in cut])
    return pictures.Pictures(
        qs.files.origin_of(PLACE, {name: picture.tobytes() for name, picture in photographs.items()}),
        np.concatenate([patches for patches, _ in cut]),
        groups=np.repeat(np.arange(len(names)), [len(patches) for patches, _ in cut]),
        places=places,
        labels=np.repeat(np.arange(len(names)), [len(patches) for patches, _ in cut]),
        classes=names if len(names) > 1 else (),
        files=names,
        notes=(f"cut {len(places)} patches from {', '.join(names)}, those of each split from a band of its own of every picture",),
    )


def _patches(picture: np.ndarray, options: TexturesOptions, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches (N, size, size) of a picture (height, width), and the split of each, by number."""
    random = np.random.RandomState((options.split_seed + number) % 2**32)
    shares = (1.0 - options.validation_share - options.test_share, options.validation_share, options.test_share)
    edges = np.round(len(picture) * np.cumsum((0.0, *shares))).astype(int)
    cut, places = [], []
    for place, (top, bottom, share) in enumerate(zip(edges, edges[1:], shares, strict=False)):
        try:
            found = pictures.cut_squares(
                picture[top:bottom], "patches", options.size, max(1, round(options.patches * share)), random
            )
        except ValueError as error:
            raise qs.DataError(f"source.size: a band of a texture that one split has for itself: {error}") from error
        cut.append(found)
        places.append(np.full(len(found), place))
    return np.concatenate(cut), np.concatenate(places)


def _load(name: str) -> np.ndarray:
    """Levels (512, 512)."""
    try:
        from skimage import data
    except ImportError as error:
        raise qs.DataError("source 'textures' needs scikit-image: pip install \"quasistatic[data]\"") from error
    return np.asarray(getattr(data, name)())
