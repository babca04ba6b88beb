"""How many events K is measured of for the error that is wanted."""

import attrs
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._recipes.sections import EvaluationOptions
from quasistatic._report.summary import planned_line
from quasistatic._runs.effort import Effort, expected_seconds
from quasistatic._runs.pace import Pace
from quasistatic._training.options import TrainingOptions
from quasistatic._training.store import Measured, Progress

VALUES = np.random.default_rng(0).normal(size=1000)
VALUES = tuple(2.0 * (VALUES - VALUES.mean()) / VALUES.std(ddof=1))  # a deviation of 2 nats
KNOWN = Progress().with_(Measured(0, 0.0, 0.1, 10), np.array(VALUES))


@pytest.mark.parametrize(
    ("error", "progress", "expected"),
    [
        (0.05, KNOWN, Effort(1600, 1)),
        (0.5, KNOWN, Effort(256, 1)),  # fewer would not tell their own error
        (0.019, KNOWN, Effort(10_000, 4)),  # too few
        (0.0, KNOWN, Effort(10_000, 4)),
        (0.05, Progress(), Effort(10_000, 4)),
        (0.05, Progress().with_(Measured(0, -np.inf, 0.1, 10), np.array([1.0, -np.inf])), Effort(10_000, 4)),
    ],
)
def test_events_are_as_many_as_the_error_takes(error, progress, expected):
    found = Effort.of(EvaluationOptions(repeats=4, error=error), progress)
    assert found == attrs.evolve(expected, events=found.events) and abs(found.events - expected.events) <= 1


def test_a_run_is_measured_to_the_error_and_no_further():
    values = np.random.default_rng(1).normal(size=(6000, 1))
    small = {
        "model.width": 4,
        "model.depth": 1,
        "training.updates": 4,
        "training.fuse": 1,
        "training.batch": 8,
        "trajectory.steps": 3,
    }
    more = {"training.observers": [], "evaluation.trajectory_steps": [], "evaluation.repeats": 2, "source.test_share": 0.2}
    run = qs.train(qs.load_recipe("array", {**small, **more, "evaluation.error": 0.04}), values)
    found = run.evaluate()
    assert 256 <= len(found.data) < 1200 and found.ledger.per_event_error is None
    assert found.bound.standard_error == pytest.approx(0.04, rel=0.2)
    assert f"{len(found.data)} test events (T = 3): " in planned_line(run)
    finer = attrs.evolve(run, recipe=qs.load_recipe("array", {**small, **more, "evaluation.error": 0.001})).evaluate()
    assert len(finer.data) == 1200 and finer.ledger.per_event_error is not None
    # an event meets the same noise however many are measured
    again = run.evaluate(repeats=2)
    np.testing.assert_allclose(again.ledger.per_event, finer.ledger.per_event[: len(again.data)], rtol=1e-5)


def test_time_is_expected_from_an_update():
    assert expected_seconds(3_000_000, Pace(10, 5.0, 1e-3), TrainingOptions(batch=100)) == pytest.approx(10.0)
    assert expected_seconds(3, Pace(10, 5.0), TrainingOptions()) is None and expected_seconds(3, None, TrainingOptions()) is None
