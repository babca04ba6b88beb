"""Own pictures, from a folder to a run that stands alone: what it shows, what it does without them, what it refuses."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

TINY = [
    *("--set", "source.size=6", "--set", "training.updates=2", "--set", "training.batch=4", "--set", "training.validate_every=2"),
    *("--set", "training.validation_events=4", "--set", "model.width=4", "--set", "model.depth=1"),
    *("--set", "evaluation.events=8", "--set", "evaluation.repeats=1", "--set", "trajectory.steps=3"),
    *("--set", "evaluation.samples=4", "--set", "training.observers=['tensorboard']"),
]


def fill(folder: Path, count: int, seed: int = 0) -> Path:
    """Colour pictures, one of them cut short."""
    random = np.random.RandomState(seed)
    folder.mkdir()
    for number in range(count):
        Image.fromarray(random.randint(0, 256, (9, 12, 3), np.uint8)).save(folder / f"{number:02d}.png")
    first = folder / "00.png"
    first.write_bytes(first.read_bytes()[:-60])
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run on a folder, and what it printed."""
    from quasistatic.cli import main

    folder = tmp_path_factory.mktemp("own")
    fill(folder / "holidays", 21)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(main, ["run", "./holidays", "--out", "run", *TINY])
    assert result.exit_code == 0, result.output
    return folder, result


@pytest.fixture
def moved(trained, tmp_path, monkeypatch):
    """The run alone; its pictures are away meanwhile, and come back."""
    folder, _ = trained
    shutil.copytree(folder / "run", tmp_path / "run")
    (folder / "holidays").rename(folder / "away")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    (folder / "away").rename(folder / "holidays")


def test_a_folder_is_a_run_and_the_damaged_file_is_named(trained):
    folder, result = trained
    assert "left out 1 of 21 files that cannot be used: 00.png (it is damaged" in result.stderr
    assert 'name = "holidays"' in (folder / "run" / "recipe.toml").read_text()
    line = next(line for line in result.stdout.splitlines() if line.startswith("K (T = 3)"))
    assert "nats per event" in line and "bits/pixel" in line


def test_bits_per_pixel_are_the_sum_over_colours(trained, cli):
    result = cli("evaluate", trained[0] / "run", "--json")
    bound = json.loads(result.stdout)["bound"]
    assert bound["bits_per_pixel"] == pytest.approx(3 * bound["bits_per_dim"]) == pytest.approx(bound["value"] / np.log(2) / 36)


def test_the_report_and_tensorboard_have_sheet_strip_and_neighbours(trained):
    folder, _ = trained
    page = (folder / "run" / "report.html").read_text()
    for said in (
        "bits per pixel",
        "Out of the noise",
        "Samples, and what they are nearest to",
        "nearer to training than validation",
        "What was hidden, and what was noisy",
        "Filters of the network",
    ):
        assert said in page
    names = {path.stem for path in (folder / "run" / "pictures").iterdir()}
    assert {"samples", "strip", "neighbours", "trajectories", "restored", "filters"} <= names
    events = b"".join(path.read_bytes() for path in (folder / "run" / "tensorboard").iterdir())
    assert all(name in events for name in (b"strip", b"samples", b"restored", b"filters"))


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_samples_are_animated(trained, cli, tmp_path, ending):
    result = cli("sample", trained[0] / "run", "-n", 4, "-o", tmp_path / f"x.{ending}")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / f"x.{ending}") as moving:
        assert moving.n_frames == 4  # three times, and the samples
        assert moving.size[0] == moving.size[1] >= 320


def test_a_run_without_its_pictures_samples_and_looks_at_others(trained, moved, cli):
    assert cli("sample", moved / "run", "-n", 3, "-o", "x.npz").exit_code == 0
    levels = np.load("x.npz")["x"]
    assert levels.shape == (3, 6, 6, 3) and np.abs(levels - np.round(levels)).max() < 1e-2
    fill(moved / "others", 5, seed=1)
    result = cli("evaluate", moved / "run", "--data", "others", "--per-event", "each.csv")
    assert result.exit_code == 0, result.output
    lines = list(csv.DictReader(Path("each.csv").read_text().splitlines()))
    assert [line["file"] for line in lines] == [f"0{n}.png" for n in range(5)]
    assert ["damaged" in str(line) for line in lines] == [True, False, False, False, False]
    result = cli("evaluate", moved / "run")
    assert result.exit_code == 2 and "the data of the run are gone" in result.stderr


def test_inspect_says_what_would_be_read(cli, tmp_path):
    folder = fill(tmp_path / "holidays", 21)
    result = cli("inspect", folder, "--set", "source.fit=crop", "--set", "source.size=8", "-o", tmp_path / "some.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("events: 8x8x3 real in 256 levels\n  read 20 pictures in colour")
    assert f"next: quasistatic run {folder} --set source.fit=crop --set source.size=8" in result.stdout
    assert (tmp_path / "some.png").stat().st_size > 1000
    assert "left out 1 of 21" in " ".join(json.loads(cli("inspect", folder, "--json").stdout)["notes"])


def test_parzen_prints_both_units_the_error_and_the_flaw(trained, cli):
    result = cli("parzen", trained[0] / "run", "-n", 6, "--steps", 2)
    assert result.exit_code == 0, result.output
    first, second, flaw = result.stdout.splitlines()
    assert first.startswith("6 samples: ") and second.startswith("6 training pictures: ") and "4 test pictures" in first
    assert "nats per event" in first and "bits)" in first and "bandwidth" in first and flaw.startswith("legacy: ")
    found = json.loads(cli("parzen", trained[0] / "run", "-n", 6, "--json").stdout)
    assert set(found["samples"]) == {"nats", "standard_error", "bandwidth", "samples", "events"}


def test_the_folder_of_a_run_is_no_folder_of_pictures(trained, cli):
    result = cli("run", trained[0] / "run")
    assert result.exit_code == 2 and "is the folder of a run, which goes on with: quasistatic resume" in result.stderr
