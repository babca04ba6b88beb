"""What order costs, against hand counts and counters in files."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import pytest

import quasistatic as qs
from quasistatic import thermodynamics


def test_operations_of_a_chain_are_those_of_a_step_times_its_steps() -> None:
    """Two layers of 64: most are 2 * (in * out) for each, and a loop is not counted once."""
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jax.random.key(0), width=64, depth=2)
    diffusion = qs.Diffusion(kernel, model, 10)
    one, ten = (thermodynamics.chain_flops(diffusion, steps) for steps in (1, 10))
    assert one is not None and ten == pytest.approx(10 * one)
    weights = sum(leaf.size for leaf in jax.tree.leaves(model) if getattr(leaf, "ndim", 0) == 2)
    assert 2 * weights <= one < 4 * weights + 2000


def zone(root: Path, name: str, used: int, most: int = 1000) -> Path:
    (root / name).mkdir(parents=True, exist_ok=True)
    (root / name / "energy_uj").write_text(f"{used}\n")
    (root / name / "max_energy_range_uj").write_text(f"{most}\n")
    return root / name


def test_joules_by_counters_that_wrap(tmp_path: Path) -> None:
    assert thermodynamics.EnergyMeter.open(tmp_path) is None  # no meter is not zero
    zone(tmp_path, "intel-rapl:0", 900)
    zone(tmp_path, "intel-rapl:1", 10)
    zone(tmp_path, "intel-rapl:0:0", 5)  # part of the first
    (tmp_path / "intel-rapl:2").mkdir()  # one that cannot be read
    meter = thermodynamics.EnergyMeter.open(tmp_path)
    assert meter is not None and meter.read() == 0.0
    zone(tmp_path, "intel-rapl:0", 99)  # wrapped: 200
    zone(tmp_path, "intel-rapl:1", 40)
    assert meter.read() == pytest.approx(230e-6)
    assert meter.read() == pytest.approx(230e-6)


def test_the_least_energy_and_the_cost_of_learning() -> None:
    assert thermodynamics.landauer_joules(1.0) == pytest.approx(4.1419e-21, rel=1e-4)
    # what a heartbeat of 20 bits erases
    assert thermodynamics.landauer_joules((20 - math.log2(5)) * math.log(2)) == pytest.approx(5.08e-20, rel=1e-3)
    assert thermodynamics.learning_dissipation([-3.0, -2.5, -2.0], 100, -2.0) == pytest.approx(150.0)
