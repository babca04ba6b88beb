"""Arrays of numpy in files: .npy, which may stay on disk, and .npz. Nothing in them is executed."""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from quasistatic._data.choices import ArrayReading
from quasistatic._data.tables import Table, check_type
from quasistatic._storage.files import refuse_large
from quasistatic.errors import DataError

MAP_ABOVE = 2**28  # bytes of an .npy that is left on disk
# what damaged bytes make of readers
DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, TypeError, EOFError, RuntimeError, MemoryError)


def _header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, Fortran order, type and bytes that an .npy declares, checked; the file is left where the numbers begin."""
    try:
        version = np.lib.format.read_magic(file)
        read: Callable[..., Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with warnings.catch_warnings(action="ignore"):  # of headers as Python 2 wrote them
            shape, fortran, kind = read(file)
    except (*DAMAGED, KeyError, SyntaxError, tokenize.TokenError) as error:
        raise DataError(f"{name}: is not a .npy array, or is damaged") from error
    check_type(name, kind, shape)
    if min(shape) < 0:
        raise DataError(f"{name}: is damaged: it declares the shape {shape}")
    refuse_large(8 * shape[0])  # the numbers of its rows are kept in memory
    return shape, fortran, kind, math.prod(shape) * kind.itemsize


def read_npy(path: Path, choices: ArrayReading) -> Table:
    with open(path, "rb") as file:
        shape, fortran, kind, size = _header(str(path), file)
        start = file.tell()
    held = path.stat().st_size - start
    if held < size:
        raise DataError(f"{path}: is damaged: it declares {size} bytes of numbers {shape} and holds {held}")
    if size == 0:
        return Table(str(path), np.empty(shape, kind))
    mapped = np.memmap(path, kind, "r", start, shape, "F" if fortran else "C")
    return Table(str(path), mapped if size > MAP_ABOVE else np.array(mapped))


def read_npz(path: Path, choices: ArrayReading) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            chosen = _member(path, list(members), choices.key)
            name = str(path) if len(members) == 1 else f"{path}[{chosen}]"
            if members[chosen].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{name}: compressed as numpy does not; save it with numpy.savez")
            with archive.open(members[chosen]) as file:
                return Table(name, _inflate(name, file, members[chosen].file_size))
    except DAMAGED as error:
        raise DataError(f"{path}: is not a .npz file, or is damaged: {error}") from error


def _member(path: Path, names: list[str], key: str | None) -> str:
    shown = ", ".join(names[:20]) or "nothing"
    if key is not None and key not in names:
        raise DataError(f"{path}: holds no array {key!r}, but {shown}; choose one with source.key")
    if key is None and len(names) != 1:
        raise DataError(f"{path}: holds {len(names)} arrays ({shown}); choose one with source.key")
    return names[0] if key is None else key


def _inflate(name: str, file: IO[bytes], declared: int) -> np.ndarray:
    """The array in an open member of an archive. Sizes are compared before a byte of numbers is inflated."""
    shape, fortran, kind, size = _header(name, file)
    try:
        refuse_large(max(size, declared))
    except OSError as error:
        raise DataError(f"{name}: unpacked {error}; or save it as .npy, which is read from disk") from error
    if file.tell() + size != declared:
        raise DataError(f"{name}: is damaged: it declares {size} bytes of numbers and holds {declared - file.tell()}")
    return np.frombuffer(file.read(size), kind).reshape(shape, order="F" if fortran else "C")
