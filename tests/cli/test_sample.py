"""quasistatic sample: another sampler, a budget of calls, a class, guidance, and samplers side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import quasistatic as qs
from quasistatic._runs import comparison

Cli = Callable[..., Result]
PLUGIN = "quasistatic_plugins.gaussian_samplers"
SMALL = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 12, "training.updates": 60, "training.batch": 16,
    "training.rate": 1e-2, "training.ema": 0.9, "training.validate_every": 60, "training.validation_events": 16,
    "training.observers": [], "evaluation.events": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey digits with labels, a quarter of them trained on without."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    options = {"source.labels": True, "source.augment": False, "training.drop_side": 0.25, "model.use": "dense"}
    qs.train(qs.load_recipe("digits-grey", {**SMALL, **options}), out=folder)
    return folder


def drawn(cli: Cli, folder: Path, *arguments: Any) -> tuple[np.ndarray, str]:
    out = folder.parent / "x.npz"
    found = cli("-p", PLUGIN, "sample", folder, "-n", 6, "-o", out, *arguments)
    assert found.exit_code == 0, found.output
    return np.load(out)["x"], found.stdout


def test_a_sampler_and_a_budget_of_calls(cli: Cli, digits: Path) -> None:
    plain, said = drawn(cli, digits)
    assert "12 network calls an event, T = 12" in said
    few, said = drawn(cli, digits, "--sampler", "heun", "--set", "sampler.grid=karras", "--calls", 8)
    assert "7 network calls an event, T = 4" in said and "events per second" in said
    assert few.shape == plain.shape and not np.array_equal(few, plain)
    run = qs.open_run(digits, qs.PluginManager([PLUGIN]))
    again, info = run.sample(
        6, sampler=qs.make("sampler", "heun", manager=qs.PluginManager([PLUGIN]), grid="karras"), calls=8, return_info=True
    )
    np.testing.assert_array_equal(again, few)
    assert (info.calls, len(info.times)) == (7, 4)


def test_a_class_and_guidance(cli: Cli, digits: Path) -> None:
    run = qs.open_run(digits)
    three, eight = (run.sample(6, label=label) for label in (3, "8"))
    np.testing.assert_array_equal(drawn(cli, digits, "--label", 3)[0], three)
    assert not np.array_equal(three, eight)
    guided, said = drawn(cli, digits, "--label", 3, "--guidance", 50)
    assert "24 network calls an event" in said and not np.array_equal(guided, three)
    away, _ = drawn(cli, digits, "--label", 3, "--guidance", 50, "--negative", 8)
    assert not np.array_equal(away, guided)
    np.testing.assert_array_equal(drawn(cli, digits, "--label", 3, "--guidance", 2, "--negative", 3)[0], three)
    nowhere, _ = drawn(cli, digits, "--label", 3, "--guidance", 50, "--interval", 90, 91)
    np.testing.assert_array_equal(nowhere, three)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "eleven"], "label: expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, got 'eleven'"),
        (["--calls", "3", "--steps", "3"], "--calls excludes --steps and --grid"),
        (["--set", "sampler.eta=1"], "--set needs --sampler"),
        (["--negative", "3"], "need --guidance"),
        (["--sampler", "ddim", "--set", "sampler.eta=2"], "sampler.eta: expected a value <= 1, got 2"),
        (["--sampler", "ddim", "--set", "training.rate=2"], "only options of the sampler can be set here"),
        (["--sampler", "ddmi"], "ddim"),
    ],
)
def test_what_cannot_be_drawn_is_one_message(cli: Cli, digits: Path, arguments: list[str], message: str) -> None:
    found = cli("-p", PLUGIN, "sample", digits, "-o", digits.parent / "y.npz", *arguments)
    assert found.exit_code == 2 and message in found.output


def test_samplers_side_by_side(cli: Cli, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "CALLS", (3,))
    picture = digits.parent / "samplers.png"
    found = cli("-p", PLUGIN, "sample", digits, "--compare", "-n", 32, "-o", picture)
    assert found.exit_code == 0, found.output
    assert all(f"\n{name} " in found.stdout for name in ("ancestral", "ddim", "dpm", "heun", "ipndm", "sde", "corrector"))
    assert "data to data: " in found.stdout and picture.read_bytes().startswith(b"\x89PNG")
    last = found.stdout.strip().splitlines()[-1]
    assert last.startswith("use: --sampler ") or last.startswith("none is as near to the data as the run's own 12 calls")


def test_a_sampler_that_does_not_fit_is_refused_before_training(cli: Cli, tmp_path: Path) -> None:
    for settings, message in (
        (["sampler.use=dpm"], "sampler 'dpm': expected a kernel with Gaussian noise"),
        (["training.drop_side=0.1"], "training.drop_side: source 'heartbeat' gives no side information"),
    ):
        options = [word for setting in settings for word in ("--set", setting)]
        found = cli("-p", PLUGIN, "train", "heartbeat", "--out", tmp_path / "no", *options)
        assert found.exit_code == 2 and message in found.output and not (tmp_path / "no").exists()
