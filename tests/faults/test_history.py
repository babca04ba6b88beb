"""Any history of saves, damage, kills and pruning, against a model of it in ten lines."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quasistatic._storage import checkpoint
from quasistatic._storage.files import PARTIAL
from quasistatic.errors import CheckpointError


class History(RuleBasedStateMachine):
    """`steps` says of every step that has a folder whether it is whole."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.steps: dict[int, bool] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def whole(self) -> list[int]:
        return sorted(step for step, whole in self.steps.items() if whole)

    @rule(step=st.integers(0, 12))
    def save(self, step: int) -> None:
        checkpoint.save(self.folder, step, {"x": np.full(3, step)}, {"step": step})
        self.steps[step] = True

    @precondition(lambda self: self.steps)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        step = data.draw(st.sampled_from(sorted(self.steps)))
        file = self.folder / checkpoint.step_name(step) / data.draw(st.sampled_from([checkpoint.STATE, checkpoint.MANIFEST]))
        if file.exists() and data.draw(st.booleans()):
            file.unlink()
        else:
            file.write_bytes(data.draw(st.binary(max_size=20)))
        self.steps[step] = False

    @rule()
    def killed_save(self) -> None:
        left = self.folder / f"{PARTIAL}{len(os.listdir(self.folder)):016x}"
        left.mkdir(exist_ok=True)
        (left / checkpoint.STATE).write_bytes(b"half")

    @rule(keep=st.integers(1, 4), spare=st.sets(st.integers(0, 12), max_size=2))
    def prune(self, keep: int, spare: set[int]) -> None:
        checkpoint.prune(self.folder, keep, spare)
        kept = self.whole()[-keep:]
        if len(kept) == keep:
            self.steps = {step: whole for step, whole in self.steps.items() if step >= kept[0] or step in spare}
        assert not list(self.folder.glob(f"{PARTIAL}*"))

    @invariant()
    def agrees(self) -> None:
        assert checkpoint.steps(self.folder) == sorted(self.steps)
        if not self.whole():
            with pytest.raises(CheckpointError):
                checkpoint.newest(self.folder)
            return
        found = checkpoint.newest(self.folder)
        assert found.step == self.whole()[-1]
        assert [int(path.name) for path, _ in found.skipped] == sorted((s for s in self.steps if s > found.step), reverse=True)
        arrays, meta = checkpoint.load(found.path)
        assert meta == {"step": found.step} and (arrays["x"] == found.step).all()


TestHistory: Any = History.TestCase
TestHistory.settings = settings(max_examples=30, stateful_step_count=20, deadline=None, derandomize=True)
