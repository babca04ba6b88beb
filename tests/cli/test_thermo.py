"""quasistatic thermo and schedule, and grids in files, on runs that were hardly trained."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from click.testing import Result

import quasistatic as qs

Cli = Callable[..., Result]
SMALL = {
    "model.width": 8, "trajectory.steps": 4, "training.updates": 20, "training.batch": 8, "training.validate_every": 20,
    "training.validation_events": 8, "training.validation_steps": 2, "training.observers": [], "evaluation.events": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "roll"
    qs.train(qs.load_recipe("swiss-roll", SMALL), out=folder)
    return folder


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short ones, so that a network which knows nothing makes some of them."""
    folder = tmp_path_factory.mktemp("runs") / "beats"
    qs.train(qs.load_recipe("heartbeat", {**SMALL, "source.length": 4, "source.period": 2}), out=folder)
    return folder


def values(found: Result) -> dict[str, Any]:
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)["values"]


@pytest.mark.slow
def test_the_ledger_of_a_run_adds_up(cli: Cli, roll: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.svg"
    found = cli("thermo", roll, "-n", 12, "--paths", 8, "--json", "-o", out)
    lines = values(found)
    value = {name: line["value"] for name, line in lines.items()}
    assert value["bound"] == pytest.approx(-value["first"] - value["steps"] - value["prior"], rel=1e-6)
    assert value["production"] == pytest.approx(-value["entropy"] - value["bound"], rel=1e-5)
    assert value["production"] == pytest.approx(value["production_in_paths"] + value["production_of_model"], rel=1e-5)
    assert value["efficiency"] == pytest.approx(value["gain"] / value["free_energy"], rel=1e-5)
    assert value["importance_weighted"] >= value["bound"] and value["own_upper"] >= value["own_lower"] - 1e-4
    assert all(line["unit"] in ("bits", "paths", "FLOP", "nats", "") and line["per"] and line["samples"] for line in lines.values())
    # eight paths cannot have fifty effective ones
    assert value["jarzynski"] is None and "doubtful" in lines["jarzynski"]["refused"]
    assert out.read_bytes().startswith(b"<?xml")


@pytest.mark.slow
def test_people_see_units_errors_samples_and_refusals(cli: Cli, roll: Path) -> None:
    found = cli("thermo", roll, "-n", 4, "--paths", 4, "--steps", 2)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert lines[0].startswith("K (T = 2) ") and " +- " in lines[0]
    assert lines[0].endswith(" per event; 4 test events, 4 forward paths each")
    assert any("refused: " in line for line in lines)
    assert any(line.startswith("densities are in model units") for line in lines)
    assert (roll / "pictures" / "thermodynamics.png").exists()
    page = (roll / "thermodynamics.html").read_text()
    assert "refused: " in page and "entropy of the data" in page and "data:image/png" in page
    assert lines[-1] == f"page: {roll / 'thermodynamics.html'}"
    assert cli("thermo", roll, "-n", 4, "--paths", 4, "--steps", 1).exit_code == 0


@pytest.mark.slow
def test_bits_have_an_integral_theorem_with_what_cannot_be(cli: Cli, beats: Path, tmp_path: Path) -> None:
    """E exp(-entropy production) is one less the share of samples that the data exclude."""
    lines = values(cli("thermo", beats, "-n", 300, "--paths", 4, "--json", "-o", tmp_path / "page.png"))
    share, mean = lines["impossible"], lines["integral_theorem"]
    assert share["value"] > 0.1
    assert abs(mean["value"] + share["value"] - 1.0) < 5.0 * math.hypot(mean["standard_error"], share["standard_error"])
    assert lines["entropy"]["value"] == pytest.approx(1.0, abs=1e-6)  # two sequences: one bit


DIGITS = {
    "kernel.use": "gaussian", "kernel.mean": "levels", "source.view": "grey", "source.augment": False, "source.labels": True,
    "model.depth": 1,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False])
def test_levels_with_labels_have_a_ledger_and_classes(cli: Cli, tmp_path: Path, told: bool) -> None:
    folder, out = tmp_path / "run", tmp_path / "page.png"
    small = {**SMALL, "training.updates": 1, "training.batch": 4, "training.validation_events": 2, **DIGITS, "source.labels": told}
    qs.train(qs.load_recipe("digits", small), out=folder)
    lines = values(cli("thermo", folder, "-n", 24, "--steps", 8, "--json", "-o", out))
    assert lines["bound"]["samples"] == "24 test events, 8 forward paths each"  # fewer than of small events
    assert {"bound", "own_width", "dissipated_in_steps", "class_entropy", "class_time_3"} <= set(lines)
    assert all(line["value"] is None or math.isfinite(line["value"]) for line in lines.values())
    assert lines["class_entropy"]["value"] == pytest.approx(math.log2(10), abs=0.01)
    # pictures of levels have an entropy of at least 0, and a truth that nobody knows
    assert lines["production_most"]["value"] == -lines["bound"]["value"] and "efficiency" not in lines
    won, free = lines["gain"]["value"], lines["free_energy_most"]["value"]
    assert lines["efficiency_least"]["value"] == pytest.approx(won / free, rel=1e-6) and free > 0
    # a model that is told the class cannot lose it
    assert ("clone_time" in lines) != told
    assert out.exists()
    if told:
        refused = cli("landscape", folder, "-n", 8)
        assert refused.exit_code == 2 and "the same side information" in refused.stderr


@pytest.mark.slow
def test_a_landscape_has_modes_that_merge(cli: Cli, roll: Path, beats: Path, tmp_path: Path) -> None:
    out = tmp_path / "landscape.pdf"
    found = cli("landscape", roll, "-n", 6, "--smallest", 0.5, "-o", out)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert lines[0].startswith("asymmetry of the field at t = 0.00") and lines[-1] == f"picture: {out}"
    assert any(line.startswith("log p at t = 0, by the probability flow") for line in lines)
    assert any(line.startswith("modes in noise of deviation 0.5") for line in lines)
    assert out.read_bytes().startswith(b"%PDF")
    bits = cli("landscape", beats, "-o", out)
    assert bits.exit_code == 2 and "expected Gaussian noise" in bits.stderr


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["bound", "ancestral", "entropic"])
def test_a_grid_is_found_and_used(cli: Cli, beats: Path, tmp_path: Path, objective: str) -> None:
    grid, arguments = tmp_path / "grid.json", ("--objective", objective, "-n", 64, "--rounds", 1)
    lines = values(cli("schedule", beats, "--steps", 3, *arguments, "--json", "-o", grid))
    assert {"bound_before", "bound_after", "bound_change", "cost_ancestral_after"} <= set(lines)
    times = qs.grids.read_grid(grid)
    assert len(times) == 3 and times[-1] == 1 and json.loads(grid.read_text())["name"] == f"{objective}-3"
    assert "Better steps" in (beats / "schedule.html").read_text() and (beats / "pictures" / "schedule.png").exists()
    evaluated = cli("evaluate", beats, "--grid", grid, "--json")
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["per_step"]["times"] == pytest.approx(times.tolist(), rel=1e-6)
    drawn = [tmp_path / name for name in ("one.npz", "other.npz")]
    is_moved = not np.allclose(times, [1 / 3, 2 / 3, 1])
    for out, chain in zip(drawn, (("--grid", grid), ("--steps", 3)), strict=True):
        assert cli("sample", beats, "-n", 64, *chain, "-o", out).exit_code == 0
    assert np.array_equal(*(np.load(out)["x"] for out in drawn)) != is_moved
    assert is_moved or objective == "ancestral"
    assert lines["cost_bound_least"]["value"] <= lines["cost_bound_after"]["value"] + 1e-6


@pytest.mark.slow
def test_variances_that_are_fitted(cli: Cli, beats: Path, tmp_path: Path) -> None:
    """A run with the noise of the forward step gains; bits have none to fit."""
    folder = tmp_path / "roll"
    qs.train(qs.load_recipe("swiss-roll", {**SMALL, "kernel.variance": "forward", "evaluation.events": 400}), out=folder)
    plain, fitted = (json.loads(cli("evaluate", folder, "--json", *more).stdout) for more in ((), ("--fitted-variances",)))
    assert fitted["bound"]["value"] > plain["bound"]["value"] and "fitted" in fitted["variances"]
    refused = cli("evaluate", beats, "--fitted-variances")
    assert refused.exit_code == 2 and "expected Gaussian noise" in refused.stderr


@pytest.mark.slow
def test_a_run_is_trained_on_given_times(roll: Path, tmp_path: Path) -> None:
    times = (0.0, 0.3, 0.5, 1.0)
    run = qs.train(qs.load_recipe("swiss-roll", {**SMALL, "trajectory.times": times}), out=tmp_path / "given")
    np.testing.assert_allclose(run.diffusion.times(), times, rtol=1e-6)
    np.testing.assert_allclose(qs.open_run(tmp_path / "given").diffusion.times(7)[::2], times, rtol=1e-6)
    for more, words in (
        ({"trajectory.times": (0.0, 1.0)}, "as many times as trajectory.steps"),
        ({"trajectory.times": (0.0, 0.6, 0.5, 1.0)}, "trajectory.times: expected increasing times"),
        ({"trajectory.times": times, "kernel.schedule": "erasure", "kernel.first_noise": 0.0}, "first time after 0"),
        ({"trajectory.times": times, "trajectory.grid": "learned"}, "expected a fixed grid"),
    ):
        with pytest.raises(qs.errors.QuasistaticError, match=words):
            qs.train(qs.load_recipe("swiss-roll", {**SMALL, **more}), out=None)


def test_what_is_no_grid_is_refused(cli: Cli, beats: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.json"
    head = '{"format": "quasistatic grid 1", "times": '
    for text, words in (
        ("no json", "got no JSON"),
        ("[1, 2]", "expected a grid with format"),
        ('{"format": "other"}', "got 'other'"),
        (head + '"1"}', "times: expected a list of numbers"),
        (head + "[0.5, true]}", "times: expected a list of numbers"),
        (head + "[0.5, 0.4, 1]}", "increasing times"),
        (head + "[0.5, NaN, 1]}", "increasing times"),
        (head + "[0.5, 0.9]}", "increasing times"),
        (head + f"[{10**400}, 1]}}", "too large"),
        (head + "[]}", "increasing times"),
        (head + "[0, 1]}", "first time after 0"),
    ):
        grid.write_text(text)
        for command in (("evaluate", beats), ("sample", beats, "-o", tmp_path / "x.npz")):
            found = cli(*command, "--grid", grid)
            assert (found.exit_code, found.stdout) == (2, ""), found.output
            assert words in found.stderr and str(grid) in found.stderr and "Traceback" not in found.stderr
            if text != "no json":
                break  # the two read alike
    both = cli("evaluate", beats, "--grid", grid, "--steps", 3)
    assert both.exit_code == 2 and "exclude one another" in both.stderr
    absent = cli("sample", beats, "--grid", tmp_path / "absent.json", "-o", tmp_path / "x.npz")
    assert absent.exit_code == 2 and "no such file" in absent.stderr
    with pytest.raises(ValueError, match="increasing times"):
        qs.grids.write_grid(grid, "wrong", np.array([0.5, 0.5, 1.0]))
    with pytest.raises(qs.InputError, match="cannot be read"):
        qs.grids.read_grid(tmp_path)


def test_what_the_commands_refuse(cli: Cli, roll: Path, beats: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("thermo", roll, "-o", "page.txt"), "expected a name that ends with .png, .svg, .pdf"),
        (("thermo", roll, "-o", tmp_path / "absent" / "page.png"), "does not exist"),
        (("thermo", tmp_path), "recipe.toml"),
        (("schedule", roll, "-o", "grid.toml"), "expected a name that ends with .json"),
        (("schedule", beats, "--objective", "ode", "-o", tmp_path / "grid.json"), "needs a kernel with a flow"),
        (("schedule", roll, "--steps", 2, "--objective", "ode", "-o", tmp_path / "grid.json"), "no time that could move"),
    ):
        found = cli(*arguments)
        assert found.exit_code == 2 and words in found.stderr and "Traceback" not in found.stderr, found.output


def test_two_cumulants_below_the_bound_of_the_same_paths_are_refused(roll: Path) -> None:
    """Log-weights of little variance with a long upper tail: their mean and variance miss what their exponentials have."""
    from quasistatic.thermodynamics.work import LogWeights
    from quasistatic_plugins.thermodynamics.observatory import Sampled, _recovered

    run = qs.open_run(roll)
    tailed = np.where(np.arange(200) % 50 == 0, 2.94, -0.06)
    for totals, is_refused in ((tailed, True), (0.3 * np.random.default_rng(0).standard_normal(200), False)):
        weights = LogWeights(np.ones(1), np.tile(totals, (5, 1))[..., None] * np.array([1.0, 0.0]))
        sampled = Sampled(run.source, run.source.split("test", 5).x, weights, None, None)
        line = {each.name: each for each in _recovered(sampled, False)}["cumulants"]
        assert ("below what log p is at least" in str(line.doubt)) == is_refused


def test_clones_take_as_many_steps_as_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    from quasistatic_plugins.thermodynamics import classes

    lengths = []

    def counted(diffusion: Any, xs: Any, times: Any, **others: Any) -> Any:
        lengths.append(len(times))
        return np.stack([np.asarray(xs)] * 2, axis=1)

    monkeypatch.setattr(classes, "u_turn", counted)
    run = qs.train(qs.load_recipe("digits", {**SMALL, "trajectory.steps": 31, "training.updates": 1}))
    assert classes.class_survey(run, None, 16, jax.random.key(0)) is not None
    assert lengths == [31] * classes.TURNS
