"""What an installation is, and how fast it is: both are measured, and a fault of arithmetic is an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quasistatic._process import arithmetic
from quasistatic.errors import ArithmeticFault

TINY = [f"--set={each}" for each in ("model.width=4", "model.depth=1", "trajectory.steps=3", "training.batch=8", "training.fuse=2")]


def test_an_installation_is_described(cli: Any) -> None:
    result = cli("doctor", "swiss-roll", "--json", *TINY)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["sums of compiled programs"] == "right" and "float32" in found["numbers"]
    assert any(each.startswith("jax ") for each in found["versions"]) and found["devices"][0].startswith("cpu 0")
    parameters = int(found["recipe"].split(" parameters")[0].split()[-1])
    assert 0 < parameters < 1_000 and "for 8 events" in found["memory of an update"]
    assert float(found["matrix product"].split()[0].replace(",", "")) > 0.1


def test_wrong_sums_are_exit_code_1(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        raise ArithmeticFault("this jax computes wrong sums")

    monkeypatch.setattr(arithmetic, "check_arithmetic", wrong)
    result = cli("doctor")
    assert result.exit_code == 1 and "this jax computes wrong sums" in result.stdout


def test_set_needs_a_recipe(cli: Any) -> None:
    result = cli("doctor", *TINY)
    assert result.exit_code == 2 and "--set needs a RECIPE" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_recipe_is_timed(cli: Any, tmp_path: Path, is_stored: bool) -> None:
    """Of a source that generates its events, and of one that holds rows."""
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{k % 7},{k * k % 11}.5\n" for k in range(60)))
    result = cli("bench", tmp_path / "a.csv" if is_stored else "swiss-roll", "--json", "--seconds", "0.01", *TINY)
    assert result.exit_code == 0, result.output
    speeds = json.loads(result.stdout)["speeds"]
    for name, speed in speeds.items():
        assert 0 < speed["low"] <= speed["median"] <= speed["high"], name
    loop, update = speeds["training loop"], speeds["compiled update"]
    assert loop["low"] / update["high"] <= speeds["loop / compiled update"]["median"] <= loop["high"] / update["low"]
    assert speeds["K"]["unit"] == "events a second, T = 3"
    assert speeds["utilisation in training"]["median"] < 1


def test_the_operations_of_a_network_are_counted() -> None:
    """Of a network of products of matrices they are twice its weights, and what its activations take beside them."""
    import quasistatic as qs
    from quasistatic._recipes.wire import build_task
    from quasistatic._runs.speed import forward_flops

    task = build_task(qs.load_recipe("swiss-roll", {"model.width": 512, "model.depth": 3}), qs.plugins())
    parameters, _ = task.sizes()
    assert 1.9 < forward_flops(task) / parameters < 2.3
