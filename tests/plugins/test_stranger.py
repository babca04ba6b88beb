"""A stranger's distribution, installed by pip into a folder of its own and driven from outside."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).parents[1] / "third_party" / "quasistatic-thinning"
SHORT = [
    *("--set", "training.updates=40", "--set", "training.validate_every=20", "--set", "training.validation_events=50"),
    *("--set", "model.width=16", "--set", "evaluation.events=50"),
]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A call of quasistatic where quasistatic-thinning is installed."""
    folder = tmp_path_factory.mktemp("stranger")
    project, site = shutil.copytree(PROJECT, folder / "project"), folder / "site"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, *install, str(project)], check=True, capture_output=True)

    def call(*arguments, module="quasistatic", cwd=folder):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}
        found = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=env
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    return call


def test_it_is_found_with_its_version(stranger):
    (found,) = [p for p in json.loads(stranger("plugins", "--json")) if p["name"] == "thinning"]
    assert found["state"] == "loaded" and found["distribution"] == "quasistatic-thinning" and found["version"] == "0.1.0"
    assert set(found["provides"]) >= {"kernel thinning", "source photons", "observer tally", "command photons", "recipe photons"}


def test_its_options_are_shown(stranger):
    assert "dark" in stranger("show", "kernel", "thinning")


def test_its_command_runs_and_is_listed_under_its_name(stranger):
    assert re.search(r"thinning:?\n\s+photons", stranger("--help"))
    assert len(stranger("photons", "-n", 3).splitlines()) == 3


def test_its_recipe_trains_samples_and_evaluates(stranger, tmp_path):
    told = json.loads(stranger("run", "photons", "--out", tmp_path / "run", "--json", *SHORT))
    assert told["evaluations"][0]["kernel"] == "thinning"
    truth, bound = (told["evaluations"][0][name] for name in ("truth", "bound"))
    assert bound["value"] < truth["value"] + 4 * bound["standard_error"]
    assert (tmp_path / "run" / "tally.txt").read_text() == "4 chunks, 3 validations, done\n"
    assert "thinning" in json.loads((tmp_path / "run" / "run.json").read_text())["plugins"]
    stranger("sample", tmp_path / "run", "-n", 9, "-o", tmp_path / "x.npz")
    counts = np.load(tmp_path / "x.npz")["x"]
    assert counts.shape == (9, 4) and (counts >= 0).all() and (counts == np.round(counts)).all()


def test_its_source_keeps_the_laws(stranger):
    verdicts = json.loads(stranger("check", "source", "photons", "--json"))
    assert verdicts and all(verdict["passed"] for verdict in verdicts), [v for v in verdicts if not v["passed"]]


# its laws compile for minutes: some of them always, all of them in a benchmark
@pytest.mark.parametrize("some", ["bayes or composition", pytest.param("", marks=pytest.mark.benchmark)])
def test_its_own_three_lines_of_tests_pass(stranger, some):
    assert " passed" in stranger("-q", "-p", "no:cacheprovider", "-k", some, PROJECT / "tests", module="pytest", cwd=PROJECT)


def test_a_kernel_that_does_not_fit_the_data_is_refused_by_name(stranger):
    with pytest.raises(AssertionError) as caught:
        stranger("run", "photons", "--set", "kernel.use=gaussian")
    assert "kernels that fit: thinning" in str(caught.value) and "Traceback" not in str(caught.value)
