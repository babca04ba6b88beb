"""A run for programs that have jax and nothing of quasistatic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import load

import quasistatic as qs
from quasistatic_plugins.export import programs

pytest.importorskip("flatbuffers")

TINY = {
    "training.updates": 4, "training.validate_every": 4, "training.validation_events": 8, "training.observers": (),
    "training.batch": 8, "model.use": "dense", "model.width": 8, "trajectory.steps": 4, "evaluation.trajectory_steps": (),
    "evaluation.events": 20, "evaluation.repeats": 1,
}  # fmt: skip

ALONE = """
import sys
sys.modules["quasistatic"] = None
import jax, numpy as np
from jax import export
draw, bound = (export.deserialize(bytearray(open(f"{name}.stablehlo", "rb").read())) for name in ("sampler", "bound"))
key, numbers = jax.random.key_data(jax.random.key(3)), np.arange(11, dtype=np.int32)
xs = draw.call(key, numbers)
np.savez(sys.argv[1], xs=xs, k=bound.call(key, numbers, xs))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    qs.train(qs.load_recipe("swiss-roll", TINY), out=folder)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    from click.testing import CliRunner

    from quasistatic_plugins.export.command import export

    out = run.with_name("out")
    CliRunner().invoke(export, [str(run), "-o", str(out)], obj=qs.plugins(), catch_exceptions=False)
    return out


def test_another_process_with_jax_alone_draws_the_same_to_the_bit(run: Path, exported: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ALONE, str(tmp_path / "x.npz")], cwd=exported, check=True, timeout=120)
    there = np.load(tmp_path / "x.npz")
    key, numbers = jr.key_data(jr.key(3)), np.arange(11, dtype=np.int32)
    draw, bound = (jax.export.deserialize(bytearray((exported / name).read_bytes())) for name in (programs.SAMPLER, programs.BOUND))
    xs = draw.call(key, numbers)
    np.testing.assert_array_equal(xs, there["xs"])
    np.testing.assert_array_equal(bound.call(key, numbers, xs), there["k"])
    # and they are those of the run
    diffusion = qs.open_run(run).diffusion
    np.testing.assert_allclose(xs, qs.sample(diffusion, 11, key=jr.key(3)), atol=1e-5)
    np.testing.assert_allclose(there["k"], qs.ledger(diffusion, there["xs"], key=jr.key(3)).per_event, rtol=1e-4)


def test_what_is_written_says_what_it_is(run: Path, exported: Path) -> None:
    about = json.loads((exported / "export.json").read_text())
    assert about["platforms"] == ["cpu", "cuda", "tpu"] and about["steps"] == {"sampler": 4, "bound": 4}
    assert [each["shape"] for each in about["inputs"][programs.BOUND]] == [[2], ["batch"], ["batch", 2]]
    source, diffusion = qs.open_run(run).source, qs.open_run(run).diffusion
    np.testing.assert_allclose(about["units"]["shift"], source.units.shift)
    saved, here = load((exported / programs.WEIGHTS).read_bytes()), programs.weights(diffusion)
    assert saved.keys() == here.keys() and sum(each.size for each in saved.values()) > 100
    for name, values in here.items():
        np.testing.assert_array_equal(saved[name], values)
    card, measured = (exported / "README.md").read_text(), qs.open_run(run).evaluate()
    assert f"- K: {measured.bound.customary()} per event, 20 events" in card
    assert "*to be filled in*" in card and "Sohl-Dickstein et al. 2015, eq. 14" in card


def test_refusals(cli: Any, run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.iterdir()}
    result = cli("export", run, "-o", exported)
    assert result.exit_code == 2 and "is there already; expected the name of a new folder" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in exported.iterdir()} == before
    assert "does not exist" in cli("export", run, "-o", tmp_path / "no" / "x").stderr
    result = cli("export", run, "-o", tmp_path / "x", "--sampler", "huen")
    assert result.exit_code == 2 and "heun" in result.stderr and "defect" not in result.stderr
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    result = cli("export", run, "-o", tmp_path / "x")
    assert result.exit_code == 2 and 'pip install "quasistatic[export]"' in result.stderr
    assert not (tmp_path / "x").exists()


def test_a_program_that_does_something_else_is_not_written(
    cli: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = programs._program

    def wrong(function: Any, arguments: Any, platforms: Any) -> bytes:
        return right(lambda *given: jax.tree.map(lambda leaf: 1.01 * leaf, function(*given)), arguments, platforms)

    monkeypatch.setattr(programs, "_program", wrong)
    result = cli("export", run, "-o", tmp_path / "x")
    assert result.exit_code == 1 and "loaded again, is off by" in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heartbeat", "dna", "mixed"])
def test_events_of_every_kind(cli: Any, tmp_path: Path, name: str) -> None:
    more = {"model.use": "transformer", "model.width": 8} if name == "dna" else {}
    qs.train(qs.load_recipe(name, {**TINY, **more}), out=tmp_path / "run")
    result = cli("export", tmp_path / "run", "-o", tmp_path / "x", "--platform", "cpu")
    assert result.exit_code == 0 and "agrees with the run within" in result.output, result.output
