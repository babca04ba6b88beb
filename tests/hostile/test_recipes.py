"""Recipes of strangers that ask for more than a machine has: refused before anything is built."""

from __future__ import annotations

import time
from typing import Any

import pytest

BEYOND = 10**9


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (f"trajectory.steps={BEYOND}", "trajectory.steps: expected a value <= 1048576"),
        (f"evaluation.trajectory_steps=[{BEYOND}]", "evaluation.trajectory_steps"),
        (f"training.validation_steps={BEYOND}", "training.validation_steps: expected a value <= 1048576"),
        (f"training.batch={BEYOND}", "training.batch: 1000000000 events of 2 elements at a time take at least"),
        (f"evaluation.samples={10 * BEYOND}", "evaluation.samples: 10000000000 events of 2 elements take at least"),
        ("model.width=1000000", "weights to train take at least"),
        (f"model.depth={BEYOND}", "model.depth: expected a value <= 1000"),
    ],
)
def test_a_recipe_that_no_machine_has_room_for(cli: Any, tmp_path: Any, setting: str, said: str) -> None:
    start = time.perf_counter()
    use = ["--set", "model.use=dense"] if "model" in setting else []
    result = cli("run", "swiss-roll", *use, "--set", setting, "--out", tmp_path / "run")
    assert result.exit_code == 2 and said in result.stderr, result.output
    assert result.stderr.count("\n") == 1 and not (tmp_path / "run").exists()
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_a_chain_of_a_billion_steps(cli: Any, tmp_path: Any, command: str) -> None:
    result = cli(command, tmp_path, "--steps", BEYOND)
    assert result.exit_code == 2 and "1000000000 is not in the range 1<=x<=1048576" in result.stderr
