"""What a run compiles, and that data of another length, another seed and another T find nearly all of it compiled."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from quasistatic.cli._programs import listening_to_programs

TINY = {
    "training.updates": 4,
    "training.fuse": 2,
    "training.validate_every": 2,
    "training.checkpoint_every": 4,
    "evaluation.samples": 20,
    "model.width": 8,
    "model.depth": 1,
}


@pytest.fixture
def kept_nowhere_else(tmp_path):
    """An empty folder for compiled programs."""
    before = jax.config.jax_compilation_cache_dir
    for folder in (str(tmp_path / "compiled"), before):
        jax.config.update("jax_compilation_cache_dir", folder)
        compilation_cache.reset_cache()
        if folder != before:
            yield


def table(path, rows, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 6)) @ random.normal(size=(6, 6))
    values[:, 0] += 3 * (random.random(rows) < 0.5)
    np.savetxt(path, values, delimiter=",", header="a,b,c,d,e,f", comments="")
    return path


def test_programs_are_listed_with_the_shapes_that_they_are_for():
    @eqx.filter_jit
    def halved(x):
        return 0.5 * x

    with listening_to_programs() as programs:
        for size in (2, 3, 3):
            halved(np.zeros((size, 7), np.float32))
    assert [program.name for program in programs.found] == ["jit(halved)"] * 2
    assert [program.inputs for program in programs.found] == [("float32[2,7]",), ("float32[3,7]",)]
    halved(jnp.zeros((4, 7)))
    assert len(programs.found) == 2
    programs.found[0].is_read, programs.found[1].is_read = True, False
    first, second = programs.lines()
    assert first.startswith("1 programs compiled in") and first.endswith("1 read from disk")
    assert second.endswith("s  jit(halved): float32[3,7]")


def test_other_data_with_another_seed_and_chain_compile_little(tmp_path, cli, kept_nowhere_else):
    """All at once: what a table of other length, a mixture of other size, another seed and another T have to compile."""
    counts = []
    for name, rows, changed in (("one", 500, {}), ("two", 510, {"seed": 7, "trajectory.steps": 90})):
        path = table(tmp_path / f"{name}.csv", rows, rows)
        options = [f"--set={key}={value}" for key, value in {**TINY, **changed}.items()]
        found = cli("run", path, "--out", tmp_path / name, "-q", "--trace-programs", *options)
        assert found.exit_code == 0, found.stderr
        assert len(re.findall("jit[(](chunk|_batch_terms|_block|_paths_back)[)]: float32", found.stderr)) >= 4
        counts.append(int(re.search(r"^(\d+) programs compiled in", found.stderr, re.MULTILINE)[1]))
    first, second = counts
    assert first > 20
    assert second <= 5, found.stderr
