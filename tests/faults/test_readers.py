"""A reader beside a trainer holds what it verified, and reads again what was pruned meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from quasistatic._storage import checkpoint
from quasistatic._training.store import Measured, Progress, Store
from quasistatic.errors import CheckpointError

SAVER = Path(__file__).with_name("saver.py")


class State(eqx.Module):
    """As much of a training state as a store needs."""

    update: jax.Array
    averaged: jax.Array

    @classmethod
    def of(cls, step: int) -> State:
        return cls(jnp.asarray(step, jnp.int32), jnp.full(3, step, jnp.float32))


def save(store: Store, step: int, best: int) -> None:
    measured = Measured(best, -1.0, 0.1, 10)
    store.save(State.of(step), Progress(measured, (measured,)))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of updates 1, 2 and 3, the first of which is the best."""
    store = Store(tmp_path / "checkpoints")
    for step in (1, 2, 3):
        save(store, step, 1)
    return store


def once(monkeypatch: pytest.MonkeyPatch, name: str, late: Callable[[], Any]) -> None:
    """`late` happens right after the next call of this function of `checkpoint`, before its result is used."""
    real = getattr(checkpoint, name)

    def call(*arguments: Any) -> Any:
        monkeypatch.setattr(checkpoint, name, real)
        result = real(*arguments)
        late()
        return result

    monkeypatch.setattr(checkpoint, name, call)


@pytest.mark.parametrize("name", ["steps", "newest"])
def test_what_a_trainer_prunes_meanwhile_is_not_missed(store: Store, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def train() -> None:
        for step in (4, 5, 6):
            save(Store(store.folder, keep=1), step, 5)

    once(monkeypatch, name, train)
    state, progress, weights = store.load(State.of(0))  # type: ignore[arg-type]
    assert progress.best is not None and progress.best.update == 5 and weights.tolist() == [5, 5, 5]
    assert int(state.update) == 6 and store.notes == []


def test_a_best_that_nobody_pruned_is_lost(store: Store) -> None:
    (store.folder / checkpoint.step_name(1)).rename(store.folder / "elsewhere")
    _, progress, weights = store.load(State.of(0))  # type: ignore[arg-type]
    assert progress.best is None and weights.tolist() == [3, 3, 3]
    assert "the best checkpoint is lost" in store.notes[0]


def test_a_state_above_the_limit_is_read_by_whoever_has_room_for_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "1e-9")
    assert int(store.load(State.of(0))[0].update) == 3  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="above the limit of 1e-09 GB"):
        checkpoint.newest(store.folder)


@pytest.mark.parametrize("wrong", [float("inf"), 10**400, -1, 4, "3", None, float("nan")])
def test_a_best_update_that_is_none(store: Store, wrong: Any) -> None:
    meta = attrs.asdict(Progress())
    meta["best"] = {**attrs.asdict(Measured(1, -1.0, 0.1, 10)), "update": wrong}
    checkpoint.save(store.folder, 3, {}, meta)
    folder = store.folder.with_name("other")
    checkpoint.save(folder, 3, checkpoint.flatten(State.of(3)), meta)
    with pytest.raises(CheckpointError, match="meta: expected best and history"):
        Store(folder).load(State.of(0))  # type: ignore[arg-type]


@pytest.mark.benchmark
def test_reads_beside_a_trainer_that_prunes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, SAVER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "1\n"
        seen, reads, passed_over = set(), 0, 0
        while len(seen) < 100:
            found = checkpoint.newest(tmp_path)
            reads, passed_over = reads + 1, passed_over + len(found.skipped)
            seen.add(int(found.content()[0]["x"][0]))
        trainer.kill()
    with capsys.disabled():
        print(f"\n{reads} reads of {len(seen)} checkpoints, {passed_over} missed")
    assert passed_over == 0
