"""quasistatic config"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import quasistatic as qs

Cli = Callable[..., Result]


def config(cli: Cli, *arguments: object) -> dict[str, Any]:
    result = cli("config", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return tomllib.loads(result.stdout)


def test_every_option_is_printed_given_or_default(cli: Cli) -> None:
    assert config(cli, "heartbeat") == qs.load_recipe("heartbeat").to_dict()


def test_json_has_the_same_values(cli: Cli) -> None:
    assert json.loads(cli("config", "heartbeat", "--json").stdout) == qs.load_recipe("heartbeat").to_dict()


def test_what_is_printed_is_a_recipe_again(cli: Cli, tmp_path: Path) -> None:
    text = cli("config", "swiss-roll", "--set", "training.updates=7").stdout
    (tmp_path / "mine.toml").write_text(text)
    assert cli("config", tmp_path / "mine.toml").stdout == text


@pytest.mark.parametrize(
    ("given", "section", "option", "value"),
    [
        ("training.updates=3000", "training", "updates", 3000),
        ("training.rate=1", "training", "rate", 1.0),
        ("training.rate=2e-4", "training", "rate", 2e-4),
        ("training.schedule=constant", "training", "schedule", "constant"),
        ("training.schedule='constant'", "training", "schedule", "constant"),
        ("training.validation_steps=50", "training", "validation_steps", 50),
        ("training.validation_steps=none", "training", "validation_steps", "none"),
        ("evaluation.trajectory_steps=[40, 1000]", "evaluation", "trajectory_steps", [40, 1000]),
        ("training.observers=['jsonl']", "training", "observers", ["jsonl"]),
        (" trajectory.steps = 12 ", "trajectory", "steps", 12),
        ("kernel.schedule=cosine", "kernel", "schedule", "cosine"),
    ],
)
def test_an_option_is_overridden(cli: Cli, given: str, section: str, option: str, value: object) -> None:
    before, after = config(cli, "swiss-roll"), config(cli, "swiss-roll", "--set", given)
    assert after[section].pop(option) == value
    before[section].pop(option)
    assert after == before


def test_the_last_of_two_overrides_wins(cli: Cli) -> None:
    assert config(cli, "swiss-roll", "--set", "seed=1", "--set", "seed=2")["seed"] == 2


def test_another_component_brings_its_own_options_whatever_the_order(cli: Cli) -> None:
    for order in (("model.width=16", "model.use=rbf"), ("model.use=rbf", "model.width=16")):
        result = cli("config", "swiss-roll", *(part for each in order for part in ("--set", each)))
        assert "model.width: unknown option" in result.stderr
    assert config(cli, "swiss-roll", "--set", "model.use=rbf")["model"]["use"] == "rbf"


def test_the_same_component_keeps_the_options_of_the_recipe(cli: Cli) -> None:
    use = config(cli, "swiss-roll")["kernel"]["use"]
    assert config(cli, "swiss-roll", "--set", f"kernel.use={use}") == config(cli, "swiss-roll")
