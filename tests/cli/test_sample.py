"""quasistatic sample: another sampler, a budget of calls, a class, guidance, and samplers side by side."""

from __future__ import annotations

import json
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


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of symbols that are masked, trained for a moment, with all its checkpoints."""
    folder = tmp_path_factory.mktemp("runs") / "words"
    recipe = tmp_path_factory.mktemp("recipes") / "words.toml"
    recipe.write_text('[source]\nuse = "markov"\nlength = 5\nsymbols = 3\n[kernel]\nuse = "absorbing"\n')
    qs.train(qs.load_recipe(recipe, {**SMALL, "training.checkpoint_every": 20, "training.keep": 4}), out=folder)
    return folder


SYMBOLS = "quasistatic_plugins.symbol_samplers"


def test_samplers_for_symbols(cli: Cli, words: Path) -> None:
    out = words.parent / "words.npz"

    def line(*arguments: Any) -> str:
        found = cli("-p", SYMBOLS, "sample", words, "-n", 8, "-o", out, *arguments)
        assert found.exit_code == 0, found.output
        return found.stdout

    assert "5 network calls an event, T = 5" in line("--sampler", "first-hitting")
    assert "2 network calls an event" in line("--sampler", "confidence", "--calls", 2)
    assert "7 network calls an event, T = 4" in line("--sampler", "trapezoidal", "--steps", 4)
    assert "not the model's: temperature 0.5" in line("--sampler", "tau-leaping", "--set", "sampler.temperature=0.5")
    refused = cli("-p", PLUGIN, "-p", SYMBOLS, "sample", words, "-o", out, "--sampler", "dpm")
    assert refused.exit_code == 2 and "expected a kernel with Gaussian noise" in refused.output


def test_symbol_samplers_side_by_side(cli: Cli, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "CALLS", (3,))
    found = cli("-p", SYMBOLS, "sample", words, "--compare", "-n", 32)
    assert found.exit_code == 0, found.output
    names = ("ancestral", "tau-leaping", "trapezoidal", "first-hitting", "confidence", "remasking")
    assert all(f"\n{name} " in found.stdout for name in names) and "\nddim " not in found.stdout


def test_guidance_away_from_an_earlier_network(cli: Cli, words: Path) -> None:
    """A run without labels too: its own network after fewer updates is the one to move away from."""
    plain, _ = drawn(cli, words)
    away, line = drawn(cli, words, "--guidance", 3, "--guide-from", 20)
    assert "24 network calls an event" in line and not np.array_equal(plain, away)
    run = qs.open_run(words)
    same = run.sample(6, guidance=3.0, guide_from=run.kept_update)
    np.testing.assert_array_equal(same, run.sample(6))
    found = cli("sample", words, "-o", words.parent / "z.npz", "--guidance", 1, "--guide-from", 21)
    assert found.exit_code != 0 and "expected an update whose checkpoint is kept (0, 20, 40, 60), got 21" in found.output


def test_how_far_guided_samples_are_from_the_product(cli: Cli, digits: Path) -> None:
    arguments = ("guide", digits, "--label", 3, "--weight", 0, "--weight", 2, "--particles", 4, "--systems", 2)
    found = cli(*arguments)
    assert found.exit_code == 0, found.output
    assert "path, nats" in found.stdout and "effective share" in found.stdout and "sampler.count=4" in found.stdout
    none, some = json.loads(cli(*arguments, "--json").stdout)["distances"]
    assert none["path"] == pytest.approx(0.0, abs=1e-4) and some["path"] > 0.0 and 0.0 < some["ess"] <= 1.0
