"""Damage is never read as truth: it is caught, and the newest whole checkpoint takes its place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quasistatic._storage import checkpoint
from quasistatic.errors import CheckpointError

FILES = (checkpoint.STATE, checkpoint.META, checkpoint.MANIFEST)


@pytest.fixture
def folder(tmp_path: Path, arrays_of: Callable) -> Path:
    """Checkpoints of steps 1, 2 and 3."""
    folder = tmp_path / "checkpoints"
    for step in (1, 2, 3):
        checkpoint.save(folder, step, arrays_of(step), {"best": {"step": step, "value": -2.25}})
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_caught_and_the_one_before_is_used(
    name: str, damage: Callable, folder: Path, copies: Callable, arrays_of: Callable, same: Callable
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        spoilt = copies(folder)
        damage(spoilt / checkpoint.step_name(3) / name, rng)
        with pytest.raises(CheckpointError):
            checkpoint.load(spoilt / checkpoint.step_name(3))
        found = checkpoint.newest(spoilt)
        arrays, meta = checkpoint.load(found.path)
        assert found.step == meta["best"]["step"] == 2
        assert same(arrays, arrays_of(2))
        (path, reason), *others = found.skipped
        assert path.name == checkpoint.step_name(3) and str(path) in reason and not others


def test_every_byte_of_the_manifest_counts(folder: Path) -> None:
    path = folder / checkpoint.step_name(3)
    manifest = (path / checkpoint.MANIFEST).read_bytes()
    for place in range(len(manifest)):
        spoilt = bytearray(manifest)
        spoilt[place] ^= 1 << place % 8
        (path / checkpoint.MANIFEST).write_bytes(spoilt)
        with pytest.raises(CheckpointError):
            checkpoint.verify(path)


def test_with_no_whole_checkpoint_every_reason_is_given(folder: Path, damage: Callable) -> None:
    for step in (1, 2, 3):
        damage(folder / checkpoint.step_name(step) / checkpoint.STATE, np.random.default_rng(step))
    with pytest.raises(CheckpointError, match="no whole checkpoint") as caught:
        checkpoint.newest(folder)
    assert all(checkpoint.step_name(step) in str(caught.value) for step in (1, 2, 3))


def test_the_checkpoint_of_another_step_is_not_taken_for_this_one(folder: Path) -> None:
    shutil.copytree(folder / checkpoint.step_name(3), folder / checkpoint.step_name(4))
    assert checkpoint.newest(folder).step == 3


def test_files_of_two_checkpoints_do_not_mix(folder: Path) -> None:
    for name in FILES:
        shutil.copy(folder / checkpoint.step_name(2) / name, folder / checkpoint.step_name(3) / name)
        if name != FILES[-1]:
            with pytest.raises(CheckpointError, match="damaged"):
                checkpoint.verify(folder / checkpoint.step_name(3))


def test_a_damaged_checkpoint_is_replaced_and_a_whole_one_kept(
    folder: Path, damage: Callable, arrays_of: Callable, same: Callable
) -> None:
    path = folder / checkpoint.step_name(3)
    checkpoint.save(folder, 3, arrays_of(30), {})
    assert same(checkpoint.load(path)[0], arrays_of(3))
    damage(path / checkpoint.STATE, np.random.default_rng(1))
    checkpoint.save(folder, 3, arrays_of(30), {})
    assert same(checkpoint.load(path)[0], arrays_of(30))
    checkpoint.prune(folder, 3)
    assert [entry.name for entry in sorted(folder.iterdir())] == [checkpoint.step_name(step) for step in (1, 2, 3)]


# files that somebody made on purpose, with a manifest that fits them


def crafted(folder: Path, state: bytes, meta: bytes = b"{}") -> Path:
    path = folder / checkpoint.step_name(7)
    path.mkdir(parents=True)
    files = {checkpoint.STATE: state, checkpoint.META: meta}
    for name, data in {**files, checkpoint.MANIFEST: checkpoint._manifest(7, files)}.items():
        (path / name).write_bytes(data)
    return path


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def one(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


BAD_STATES = {
    "empty": b"",
    "no header": b"\0" * 8,
    "header longer than the file": tensors(one(), bytes(8), 2**62),
    "a huge header": tensors(b"{" + b" " * (101 * 2**20) + b"}"),
    "not JSON": tensors(b"{not json}", bytes(8)),
    "not UTF-8": tensors(b'{"\xff\xfe": 1}', bytes(8)),
    "a list": tensors([1, 2], bytes(8)),
    "deep": tensors(b"[" * 100_000, bytes(8)),
    "past the end": tensors(one(shape=[4], offsets=[0, 16]), bytes(8)),
    "false shape": tensors(one(shape=[3]), bytes(8)),
    "a shape that overflows": tensors(one(shape=[2**62, 4]), bytes(8)),
    "negative shape": tensors(one(shape=[-2]), bytes(8)),
    "trailing bytes": tensors(one(), bytes(9)),
    "a hole": tensors(one(offsets=[8, 16]), bytes(16)),
    "unknown dtype": tensors(one(dtype="PICKLE"), bytes(8)),
    "a dtype that is not kept": tensors(one(dtype="F8_E4M3", shape=[8]), bytes(8)),
    "an object array": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + bytes(60),
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.",
}


@pytest.mark.parametrize("state", BAD_STATES.values(), ids=BAD_STATES.keys())
def test_a_crafted_state_is_refused(state: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=checkpoint.step_name(7)):
        checkpoint.load(crafted(tmp_path, state))


@pytest.mark.parametrize("meta", [b"", b"{", b"[1]", b"3", b'"text"', b"\xff", b"[" * 100_000, b"9" * 5000])
def test_a_crafted_meta_is_refused(meta: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=checkpoint.step_name(7)):
        checkpoint.load(crafted(tmp_path, tensors(one(), bytes(8)), meta))


def test_a_name_in_a_checkpoint_is_no_path(tmp_path: Path) -> None:
    names = ["../../escaped", "/etc/escaped", "a/b", "", "\0", "..", "con"]
    header = {n: {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i, n in enumerate(names)}
    path = crafted(tmp_path, tensors(header, bytes(len(names))))
    before = sorted(tmp_path.parent.rglob("*"))
    arrays, _ = checkpoint.load(path)
    assert set(arrays) == set(names)
    assert sorted(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"step": 7}',
        b'{"step": 7, "files": {"../../escaped": {"size": 0, "sha256": ""}}}',
        b"\xff",
    ],
)
def test_a_crafted_manifest_is_refused(manifest: bytes, tmp_path: Path) -> None:
    path = crafted(tmp_path, tensors(one(), bytes(8)))
    (path / checkpoint.MANIFEST).write_bytes(manifest)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_a_checkpoint_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = (folder / checkpoint.step_name(3)).rename(tmp_path / checkpoint.step_name(3))
    (folder / checkpoint.step_name(3)).symlink_to(elsewhere)
    with pytest.raises(CheckpointError, match="a link or a file, not a folder"):
        checkpoint.load(folder / checkpoint.step_name(3))
    assert checkpoint.newest(folder).step == 2


def test_a_pipe_is_refused_at_once(folder: Path) -> None:
    state = folder / checkpoint.step_name(3) / checkpoint.STATE
    state.unlink()
    os.mkfifo(state)
    with pytest.raises(CheckpointError, match="not an ordinary file"):
        checkpoint.verify(folder / checkpoint.step_name(3))


def test_what_is_no_checkpoint_is_passed_by(folder: Path) -> None:
    for name in ("12", "0000000001", "000000004x", "..000000009", "000_00004", "٠٠٠٠٠٠٠٠٤", "-00000004"):
        (folder / name).mkdir()
    (folder / checkpoint.step_name(5)).write_text("a file")
    assert checkpoint.steps(folder) == [1, 2, 3, 5]
    assert checkpoint.newest(folder).step == 3
