"""The binary version of CIFAR: for each picture its labels, a byte each, and 1,024 bytes of red, of green and of blue."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.cifar import CifarOptions

SIDE, COLOURS = 32, 3
PIXELS = COLOURS * SIDE**2
# by the name of the files of CIFAR-10 and of CIFAR-100: how many labels a picture has, of which the last is read, and their names
KINDS = {"data_batch_1.bin": (1, "batches.meta.txt"), "train.bin": (2, "fine_label_names.txt")}
PICKLED = {"data_batch_1": "cifar-10-binary.tar.gz", "train": "cifar-100-binary.tar.gz"}


def build(options: CifarOptions) -> pictures.PictureSource:
    """The source of the folder that the options name. Raises DataError, which names the file and what is wrong with it."""
    return pictures.PictureSource(functools.partial(_read, options), options, options.path)


def restore(options: CifarOptions, kept: qs.sources.Kept) -> pictures.PictureSource:
    """The source of a run that is reopened; its files are read when its pictures are used."""
    return pictures.PictureSource.restored(functools.partial(_read, options), options, options.path, kept)


def _read(options: CifarOptions, where: str) -> pictures.Pictures:
    folder = _folder(where)
    kind = next((name for name in KINDS if (folder / name).is_file()), None)
    if kind is None:
        raise qs.DataError(f"{folder}: {_instead(folder)}")
    labels_each, names = KINDS[kind]
    files = sorted(folder.glob("data_batch_?.bin")) if labels_each == 1 else [folder / kind]
    test = folder / ("test_batch.bin" if labels_each == 1 else "test.bin")
    files += [test] if test.is_file() else []
    data = {path: _bytes(path, labels_each + PIXELS) for path in files}
    rows = [np.frombuffer(each, np.uint8).reshape(-1, labels_each + PIXELS) for each in data.values()]
    counts, found = [len(each) for each in rows], np.concatenate(rows)
    pixels = found[:, labels_each:].reshape(-1, COLOURS, SIDE, SIDE).transpose(0, 2, 3, 1)
    labels = found[:, labels_each - 1].astype(np.int64)
    named = _names(folder / names, int(labels.max()) + 1)
    return pictures.Pictures(
        qs.files.origin_of(os.path.abspath(where), {path.name: each for path, each in data.items()}),
        np.ascontiguousarray(pixels) if options.view in ("auto", "colour") else pictures.in_view(pixels, is_colour=False),
        groups=np.arange(len(found)),
        places=np.repeat([2 if path == test else -1 for path in files], counts),
        labels=labels,
        classes=named,
        notes=(f"read {len(found)} pictures from {', '.join(path.name for path in files)} in {folder}",),
    )


def _folder(where: str) -> Path:
    if not where:
        raise qs.DataError("source.path: must be given, the folder of the binary version of CIFAR-10 or CIFAR-100")
    path = Path(where).expanduser()
    if path.is_dir():
        return path
    if not path.exists():
        raise qs.DataError(f"{path}: there is no such folder")
    with open(path, "rb") as file:
        is_pickle = file.read(2)[:1] == b"\x80"
    raise qs.DataError(f"{path}: {_refuse_pickle(path.name) if is_pickle else 'expected the folder of its files, unpacked'}")


def _instead(folder: Path) -> str:
    """What is wrong with a folder that has no file of ours."""
    pickled = next((name for name in PICKLED if (folder / name).is_file()), None)
    if pickled is not None:
        return _refuse_pickle(pickled)
    return "expected data_batch_1.bin (CIFAR-10) or train.bin (CIFAR-100), the files of the binary version"


def _refuse_pickle(name: str) -> str:
    download = PICKLED.get(name, PICKLED["data_batch_1"] if "batch" in name else PICKLED["train"])
    return f"{name} is a pickle, which may run any code when it is read; download the binary version instead, {download}"


def _bytes(path: Path, row: int) -> bytes:
    try:
        data = qs.files.read_plain(path, follow=True)
    except OSError as error:
        raise qs.DataError(f"{path}: cannot be read: {error}") from error
    if data[:1] == b"\x80":  # no label is so large
        raise qs.DataError(f"{path}: {_refuse_pickle(path.name)}")
    if not data or len(data) % row:
        raise qs.DataError(f"{path}: is damaged: it has {len(data)} bytes, expected a multiple of {row}, the bytes of a picture")
    return data


def _names(path: Path, count: int) -> tuple[str, ...]:
    """The names of the classes, or their numbers where the file of names is not there."""
    try:
        names = qs.files.read_plain(path, 100_000, follow=True).decode(errors="replace").split()
    except OSError:
        names = []
    return tuple(names) if len(names) >= count else tuple(map(str, range(count)))
