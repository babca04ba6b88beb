"""What docs/tutorials/thermodynamics.md says of trained runs: K before and after steps are moved, and how long a table takes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from click.testing import Result

import quasistatic as qs

pytestmark = pytest.mark.benchmark

Cli = Callable[..., Result]
POINTS, SEEDS = 50_000, 4


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


def apart(some: np.ndarray, others: np.ndarray) -> float:
    """W2 of the projections of as many points, mean square over 48 directions."""
    angles = np.pi * np.arange(48) / 48
    ways = np.stack([np.cos(angles), np.sin(angles)])
    return float(np.sqrt(np.mean((np.sort(some @ ways, axis=0) - np.sort(others @ ways, axis=0)) ** 2)))


def test_samples_of_the_swiss_roll(cli: Cli, tmp_path: Path) -> None:
    """Each way to sample gains from the grid that was made for it."""
    folder = tmp_path / "roll"
    run = qs.train(qs.load_recipe("swiss-roll", {"training.observers": []}), out=folder)
    source = qs.make("source", "swiss-roll", validation_events=POINTS, test_events=POINTS)
    data, more = (source.split(name).x for name in ("test", "validation"))
    print(f"{POINTS} points: two sets of data are {apart(data, more):.4f} apart, log p of data {source.log_prob(data).mean():.3f}")
    for steps in (10, 20):
        grids: dict[str, Any] = {"natural": steps}
        for objective in ("bound", "ancestral", "ode"):
            out = tmp_path / f"{objective}.json"
            values(cli("schedule", folder, "--steps", steps, "--objective", objective, "--json", "-o", out))
            grids[objective] = qs.grids.read_grid(out)
        found = {}
        for grid, times in grids.items():
            for name, sampler in (("ancestral", None), ("ddim", qs.make("sampler", "ddim", data="mean", grid="natural"))):
                drawn = [
                    np.asarray(qs.sample(run.diffusion, POINTS, key=jax.random.key(seed), steps=times, sampler=sampler))
                    for seed in range(SEEDS)
                ]
                found[grid, name] = np.array([apart(each, data) for each in drawn])
                error = found[grid, name].std(ddof=1) / math.sqrt(SEEDS)
                log_p = np.mean([source.log_prob(each).mean() for each in drawn])
                print(
                    f"T = {steps}, grid {grid:>9}, {name:>9}: W2 {found[grid, name].mean():.4f} +- {error:.4f}, log p {log_p:.3f}",
                    flush=True,
                )
        assert found["ode", "ddim"].mean() < found["natural", "ddim"].mean()
        assert found["ancestral", "ancestral"].mean() < found["natural", "ancestral"].mean()


def test_heartbeat(cli: Cli, tmp_path: Path) -> None:
    """Below the truth, -log2 5 bits, with 5 and with 20 steps; the best factorised chain has 1.06 and 0.214."""
    folder = tmp_path / "beats"
    qs.train(qs.load_recipe("heartbeat", {"training.observers": [], "training.updates": 8000, "kernel.base_rate": 0.5}), out=folder)
    for steps, most in ((5, 1.12), (20, 0.25)):
        moved = values(cli("schedule", folder, "--steps", steps, "-n", 2000, "--json", "-o", tmp_path / "grid.json"))
        print(steps, {name: (line["value"], line["standard_error"]) for name, line in moved.items()})
        assert -math.log2(5) - moved["bound_after"]["value"] < most + 3.0 * moved["bound_after"]["standard_error"]
        assert moved["bound_change"]["value"] > 0.0
