"""Checkpoints: named arrays and a few plain values in a folder that is whole or not there, and that shows any damage.

    checkpoints/000003000/state.safetensors  the arrays
    checkpoints/000003000/meta.json          the plain values
    checkpoints/000003000/manifest.json      the step, and size and sha256 of the two files

A checkpoint is whole where the manifest is, byte for byte, the one that its name and its files give. Nothing in it can
run: there is no pickle, and no path is ever taken from a file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from quasistatic._storage import arrays as named_arrays
from quasistatic._storage import files as durable
from quasistatic.errors import CheckpointError

STATE, META, MANIFEST = "state.safetensors", "meta.json", "manifest.json"
LEAST_NAMED = 32  # bytes, at least, that the name, the type and the shape of an array take
LARGEST = {META: 2**26, MANIFEST: 2**20}  # bytes


@attrs.frozen
class Found:
    """The newest whole checkpoint, and the newer ones that were passed over, each with its reason."""

    path: Path
    step: int
    skipped: tuple[tuple[Path, str], ...]
    files: Mapping[str, bytes] = attrs.field(repr=False)

    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and meta: what was verified is what is parsed. Raises CheckpointError."""
        return _parse(self.path, self.files)


def step_name(step: int) -> str:
    """Nine digits, so that names sort as numbers do."""
    return f"{step:09d}"


def save(folder: Path, step: int, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Path:
    """Write the checkpoint of `step` into `folder`, durably, and return its path.

    A kill at any instant leaves all of it or none, and every earlier one. A whole checkpoint of this step is kept, a
    damaged one replaced. Raises QuasistaticError when the disk refuses, CheckpointError for a dtype that cannot be
    kept, TypeError for a meta that is not JSON.
    """
    path = folder / step_name(step)
    if _is_whole(path):
        return path
    files = {STATE: named_arrays.encode(arrays), META: durable.json_bytes(meta)}
    with durable.explained(folder, durable.UNTOUCHED):
        folder.mkdir(exist_ok=True)
        durable.sync_folder(folder.parent)
    with durable.committed(path) as draft:
        os.mkdir(draft)
        for name, data in {**files, MANIFEST: _manifest(step, files)}.items():
            durable.write_synced(draft / name, data)
        durable.sync_folder(draft)
        if os.path.lexists(path):
            os.rename(path, durable.aside(path))
    return path


def _manifest(step: int, files: Mapping[str, bytes]) -> bytes:
    return durable.manifest(files, step=step)


def verify(path: Path, at_most: int | None = None) -> dict[str, bytes]:
    """The content of a whole checkpoint's files, none larger than `at_most` bytes, by default the limit of all reading.

    Raises CheckpointError saying what is wrong with it.
    """
    files = _read(path, at_most)
    manifest = files.pop(MANIFEST)
    if manifest != _manifest(int(path.name), files):
        raise CheckpointError(f"{path}: damaged: its files are not those that {MANIFEST} was written for")
    return files


def load(path: Path, at_most: int | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and meta of a checkpoint; what was verified is what is parsed. Raises CheckpointError."""
    return _parse(path, verify(path, at_most))


def _parse(path: Path, files: Mapping[str, bytes]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        arrays, meta = named_arrays.decode(files[STATE]), json.loads(files[META])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(meta, dict):
        raise CheckpointError(f"{path / META}: expected a table of values")
    return arrays, meta


def _read(path: Path, at_most: int | None) -> dict[str, bytes]:
    """The three files, of one folder even where it is renamed meanwhile."""
    name = ""
    try:
        with _opened(path) as folder:
            files = {}
            for name in (MANIFEST, STATE, META):
                files[name] = durable.read_plain(name, LARGEST.get(name, at_most), folder)
            return files
    except OSError as error:
        raise CheckpointError(f"{path / name}: cannot be read: {durable.reason(error)}") from error


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A folder held open. Raises OSError, also for a link to one."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except NotADirectoryError as error:
        raise OSError(error.errno, "a link or a file, not a folder") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _is_whole(path: Path) -> bool:
    try:
        verify(path)
    except CheckpointError:
        return False
    return True


def steps(folder: Path) -> list[int]:
    """Steps that have a checkpoint in this folder, whole or not, in rising order."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(n) for n in names if n.isascii() and n.isdigit() and step_name(int(n)) == n)


def newest(folder: Path, at_most: int | None = None) -> Found:
    """The newest checkpoint that is whole. Raises CheckpointError, with every reason, when none is."""
    skipped: list[tuple[Path, str]] = []
    for step in reversed(steps(folder)):
        path = folder / step_name(step)
        try:
            files = verify(path, at_most)
        except CheckpointError as error:
            if not os.path.lexists(path):  # a trainer has removed it, as it has newer ones
                return newest(folder, at_most)
            skipped.append((path, str(error)))
        else:
            return Found(path, step, tuple(skipped), files)
    raise CheckpointError("\n".join([f"{folder}: no whole checkpoint", *(reason for _, reason in skipped)]))


def _has_its_sizes(path: Path) -> bool:
    """Whether the files are there, as long as the manifest says."""
    try:
        sizes = json.loads(durable.read_plain(path / MANIFEST))["files"]
        return all((path / name).lstat().st_size == sizes[name]["size"] for name in (STATE, META))
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return False


def prune(folder: Path, keep: int, spare: Collection[int] = (), written: Collection[int] = ()) -> None:
    """Remove what is older than the newest `keep` whole checkpoints, but for the steps in `spare`, and what kills left.

    Only checkpoints verified here count, so that the last good one always stays; of those in `written`, which this process
    wrote, the sizes are enough. For the holder of the run's lock.
    Raises QuasistaticError when the disk refuses.
    """
    if keep < 1:
        raise ValueError(f"keep: expected at least 1, got {keep}")
    kept = 0
    with durable.explained(folder, "the older checkpoints stay"):
        for step in reversed(steps(folder)):
            path = folder / step_name(step)
            if kept < keep:
                kept += _has_its_sizes(path) if step in written else _is_whole(path)
            elif step not in spare:
                os.rename(path, durable.aside(path))  # at once, so that a kill leaves no half checkpoint
        durable.sweep(folder)


@attrs.frozen
class Room:
    """What the largest checkpoint of a run can hold: bytes, and arrays, each of which takes some of its header."""

    size: int
    arrays: int


def room(folder: Path) -> Room | None:
    """The room in the checkpoints of a run; nothing of them is compared yet. None where there are none."""
    found = [_room(folder / step_name(step)) for step in steps(folder)]
    return Room(max(each.size for each in found), max(each.arrays for each in found)) if found else None


def _room(path: Path) -> Room:
    try:
        with _opened(path) as folder:
            handle = os.open(STATE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=folder)
            with open(handle, "rb") as file:
                header = int.from_bytes(file.read(8), "little")  # how safetensors begin
                size = os.fstat(handle).st_size
                return Room(size, min(header, size) // LEAST_NAMED)
    except OSError:
        return Room(0, 0)


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path (jax.tree_util.keystr).

    Raises CheckpointError for a leaf that is no plain array, by name.
    """
    return {name: np.asarray(leaf) for name, leaf in _named(tree).items()}


def restore(template: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """A pytree like `template` with these arrays as leaves.

    Raises CheckpointError naming every leaf that is missing, surplus, or of another shape or dtype.
    """
    import jax

    leaves = _named(template)
    problems = [
        f"{name}: found {_kind(arrays.get(name))}, expected {_kind(leaves.get(name))}"
        for name in sorted({*leaves, *arrays})
        if _kind(arrays.get(name)) != _kind(leaves.get(name))
    ]
    if problems:
        more = [f"and {len(problems) - 8} more"] if len(problems) > 8 else []
        raise CheckpointError("\n".join(["this checkpoint is of another model", *problems[:8], *more]))
    restored = [_like(leaf, arrays[name]) for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(template), restored)


def _named(tree: Any) -> dict[str, Any]:
    import jax

    named: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path)
        if not isinstance(leaf, jax.Array | np.ndarray):
            raise CheckpointError(f"{name}: {type(leaf).__name__} cannot be kept in a checkpoint, only arrays can")
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise CheckpointError(f"{name}: a typed PRNG key cannot be kept in a checkpoint; keep jax.random.key_data")
        if name in named:
            raise CheckpointError(f"{name}: two leaves have this name")
        named[name] = leaf
    return named


def _kind(array: Any) -> str:
    return "nothing" if array is None else f"{array.dtype} of shape {array.shape}"


def _like(leaf: Any, array: np.ndarray) -> Any:
    import jax.numpy as jnp

    if isinstance(leaf, np.ndarray):
        return array.copy()
    # a set keeps the leaf's weak type, which decides how it promotes, and so the bits of the next step
    return leaf.at[...].set(array) if leaf.weak_type else jnp.array(array)
