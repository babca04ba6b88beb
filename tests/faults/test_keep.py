"""What is kept: arrays of any layout, plain values, and which steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from quasistatic._storage import checkpoint
from quasistatic._storage.files import PARTIAL
from quasistatic.errors import CheckpointError


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-3],
        np.zeros((0, 3), np.int8),
        np.asarray(2.5, ml_dtypes.bfloat16),
        np.asarray([True, False]),
    ],
    ids=["transposed", "strided", "empty", "bfloat16", "bool"],
)
def test_any_layout(tmp_path: Path, array: np.ndarray, same: Callable[..., bool]) -> None:
    found, _ = checkpoint.load(checkpoint.save(tmp_path, 1, {"x": array}, {}))
    assert same(found, {"x": array})


@pytest.mark.parametrize(
    "dtype",
    ["complex128", "O", "U3", "datetime64[s]", ">f4", ml_dtypes.int4, ml_dtypes.float8_e4m3fn],
    ids=str,
)
def test_other_dtypes_are_named(tmp_path: Path, dtype: Any) -> None:
    with pytest.raises(CheckpointError, match=r"^\.leaf: .*cannot be kept, only float64"):
        checkpoint.save(tmp_path, 1, {".leaf": np.zeros(2, dtype)}, {})
    assert not list(tmp_path.iterdir())


def test_plain_values(tmp_path: Path) -> None:
    meta = {"seed": 2**70, "note": "a\n\u00e9\U0001f600", "best": None, "figures": [0.1, -1e-300, True, {}]}
    assert checkpoint.load(checkpoint.save(tmp_path, 1, {}, meta))[1] == meta
    with pytest.raises(TypeError, match="JSON"):
        checkpoint.save(tmp_path, 2, {}, {"k": object()})
    assert checkpoint.steps(tmp_path) == [1]


@pytest.fixture
def five(tmp_path: Path, arrays_of: Callable[[int], dict[str, np.ndarray]]) -> Path:
    """A folder with the checkpoints of steps 1 to 5."""
    for step in range(1, 6):
        checkpoint.save(tmp_path, step, arrays_of(step), {})
    return tmp_path


@pytest.mark.parametrize(
    ("damaged", "keep", "spare", "left"),
    [
        ((), 2, set(), [4, 5]),
        ((), 1, {2}, [2, 5]),
        ((), 9, set(), [1, 2, 3, 4, 5]),
        ((5,), 1, set(), [4, 5]),
        ((3, 4, 5), 1, set(), [2, 3, 4, 5]),
        ((4,), 2, {1, 8}, [1, 3, 4, 5]),
        ((1, 2), 2, {1}, [1, 4, 5]),
        ((1, 2, 3, 4, 5), 1, set(), [1, 2, 3, 4, 5]),
    ],
)
def test_the_last_whole_ones_stay(five: Path, damaged: tuple[int, ...], keep: int, spare: set[int], left: list[int]) -> None:
    for step in damaged:
        (five / checkpoint.step_name(step) / checkpoint.STATE).write_bytes(b"")
    (five / f"{PARTIAL}{0:016x}").mkdir()
    (five / f"{PARTIAL}{0:016x}" / "half").write_text("")
    (five / f"{PARTIAL}{1:016x}").write_text("")
    checkpoint.prune(five, keep, spare)
    assert checkpoint.steps(five) == left
    assert not list(five.rglob(f"{PARTIAL}*"))


def test_something_stays(five: Path) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        checkpoint.prune(five, 0)
    checkpoint.prune(five / "absent", 1)
    assert checkpoint.steps(five) == [1, 2, 3, 4, 5]


def test_no_link_is_followed(five: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_text("")
    for name in (f"{PARTIAL}{0:016x}", checkpoint.step_name(0)):
        (five / name).symlink_to(outside)
    checkpoint.prune(five, 1)
    assert [path.name for path in five.iterdir()] == [checkpoint.step_name(5)] and (outside / "precious").exists()
