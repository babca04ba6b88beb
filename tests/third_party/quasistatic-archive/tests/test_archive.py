import json

import numpy as np
from click.testing import CliRunner
from quasistatic_archive.command import archive

import quasistatic as qs

SHORT = (
    *("training.updates=20", "training.validate_every=20", "training.validation_events=20"),
    *("model.width=8", "trajectory.steps=4", "evaluation.events=20"),
)


def test_what_is_written_is_what_the_run_draws(tmp_path):
    run = qs.train(qs.load_recipe("swiss-roll", SHORT), out=tmp_path / "run")
    for name in ("x.npy", "x.csv"):
        arguments = [str(tmp_path / "run"), str(tmp_path / name), "-n", "5"]
        CliRunner().invoke(archive, arguments, obj=qs.plugins(), catch_exceptions=False)
    xs = run.sample(5)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), xs)
    np.testing.assert_allclose(qs.files.read_array(tmp_path / "x.csv").values, xs, rtol=1e-6)
    described = json.loads((tmp_path / "x.npy.json").read_text())
    assert [described[key] for key in ("recipe", "number", "seed", "trajectory_steps")] == ["swiss-roll", 5, 0, 4]
    assert described["units"]["scale"] == run.source.units.scale
    assert described["bound"]["value"] == run.evaluate().bound.value and described["bound"]["standard_error"] > 0
