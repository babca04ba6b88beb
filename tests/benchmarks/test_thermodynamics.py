"""What docs/tutorials/thermodynamics.md says of trained runs: K before and after steps are moved, and how long a table takes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import quasistatic as qs

pytestmark = pytest.mark.benchmark

Cli = Callable[..., Result]


def values(found: Result) -> dict[str, Any]:
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)["values"]


def test_swiss_roll(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    qs.train(qs.load_recipe("swiss-roll", {"training.observers": []}), out=folder)
    start = time.perf_counter()
    found = values(cli("thermo", folder, "--json"))
    assert time.perf_counter() - start < 60.0
    print({name: (line["value"], line["standard_error"]) for name, line in found.items()})
    # bits
    assert found["own_width"]["value"] < 0.05
    assert abs(found["production_of_model"]["value"]) < 0.05 + 3.0 * found["production_of_model"]["standard_error"]
    assert abs(found["crooks_slope"]["value"] - 1.0) < 5.0 * found["crooks_slope"]["standard_error"]
    for steps, gain in ((10, 0.25), (20, 0.1)):
        moved = values(cli("schedule", folder, "--steps", steps, "--json", "-o", tmp_path / "grid.json"))
        print(steps, {name: (line["value"], line["standard_error"]) for name, line in moved.items()})
        assert moved["bound_change"]["value"] > gain


def test_heartbeat(cli: Cli, tmp_path: Path) -> None:
    """Below the truth, -log2 5 bits, with 5 and with 20 steps; the best factorised chain has 1.06 and 0.214."""
    folder = tmp_path / "beats"
    qs.train(qs.load_recipe("heartbeat", {"training.observers": [], "training.updates": 8000, "kernel.base_rate": 0.5}), out=folder)
    for steps, most in ((5, 1.12), (20, 0.25)):
        moved = values(cli("schedule", folder, "--steps", steps, "-n", 2000, "--json", "-o", tmp_path / "grid.json"))
        print(steps, {name: (line["value"], line["standard_error"]) for name, line in moved.items()})
        assert -math.log2(5) - moved["bound_after"]["value"] < most + 3.0 * moved["bound_after"]["standard_error"]
        assert moved["bound_change"]["value"] > 0.0
