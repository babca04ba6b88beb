"""Runs on tables in memory: K by the names of columns, whatever the order of rows, and samples that are rows of the table."""

import pickle

import numpy as np
import polars as pl
import pytest

import quasistatic as qs

ROWS = 160
SMALL = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 6, "training.updates": 20, "training.batch": 32,
    "training.validate_every": 20, "training.observers": [], "evaluation.events": 40, "evaluation.trajectory_steps": [6],
}  # fmt: skip


def people(rows=ROWS):
    """Rain with an atom at 0.0, a height that is missing in a sixth of the rows, an age and a town."""
    rng = np.random.default_rng(0)
    rain = np.where(rng.random(rows) < 0.5, 0.0, np.round(rng.gamma(1.0, 5.0, rows) + 0.1, 1))
    height = np.where(rng.random(rows) < 1 / 6, np.nan, np.round(rng.normal(170.0, 9.0, rows), 1))
    towns = np.array(["Aix", "Bonn", "Cork"])[rng.integers(0, 3, rows)]
    return pl.DataFrame({"rain": rain, "height": height, "age": rng.integers(18, 79, rows), "town": towns}, nan_to_null=True)


@pytest.fixture(scope="module")
def run():
    return qs.train(qs.load_recipe("table", SMALL), data=people())


def test_columns_are_found_by_their_names(run):
    frame = people().head(8)
    expected = run.bound(frame).per_event
    np.testing.assert_array_equal(run.bound(frame.select(reversed(frame.columns))).per_event, expected)
    np.testing.assert_array_equal(run.bound({name: frame[name].to_list() for name in frame.columns}).per_event, expected)
    with pytest.raises(qs.DataError, match="there is no column 'town'"):
        run.bound(frame.drop("town"))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [("town", "Derry", "'Derry' is not among"), ("age", 88, "'88' is not among"), ("age", None, "the column had no gap")],
)
def test_a_row_that_cannot_be_is_outside_and_the_others_have_their_k(run, column, value, reason):
    frame = people().head(6)
    other = frame.with_columns(pl.Series(column, [value, *frame[column].to_list()[1:]]))
    found = run.bound(other)
    assert found.per_event[0] == -np.inf and found.bound.value == -np.inf
    assert np.isfinite(found.per_event[1:]).all()
    outside = run.evaluate(other).data.outside
    assert [each.number for each in outside] == [0] and outside[0].reason.startswith(f"{column}: ") and reason in outside[0].reason


def test_k_of_rows_with_gaps_does_not_depend_on_their_place(run):
    """Differences over their errors have a mean square of 1: over 120 rows, four standard errors of it are 0.5."""
    frame = people().head(120)
    one, other = run.bound(frame, repeats=16), run.bound(frame.reverse(), repeats=16)
    away = one.per_event - other.per_event[::-1]
    error = np.hypot(one.per_event_error, other.per_event_error[::-1])
    for rows in (frame["height"].is_null().to_numpy(), frame["height"].is_not_null().to_numpy()):
        # the error is that of 16 draws: a t distribution of so many degrees of freedom has a mean square of 1.15
        assert 0.5 < np.mean((away[rows] / error[rows]) ** 2) < 1.9


def test_a_number_that_does_not_exist_has_no_term(run):
    frame = people()
    gap = frame.filter(pl.col("height").is_null() & (pl.col("rain") == 0.0)).head(5)
    numbers = run.source.read_frame(gap).x["numbers"]
    is_age = np.abs(numbers).sum(axis=0) > 0
    assert is_age.sum() == 1  # the only number that is there
    assert np.allclose(run.source.log_volume(run.source.read_frame(gap).x), 0.0)  # ages are counts: no density at all


def test_samples_are_rows_that_the_table_could_hold(run):
    made = run.sample(200, as_frame=True)
    assert made.schema == people().schema
    rain, age = made["rain"].to_numpy(), made["age"].to_numpy()
    assert (rain >= 0.0).all() and (np.abs(rain * 10 - np.round(rain * 10)) < 1e-9).all()
    assert ((age >= 18) & (age <= 78)).all() and set(made["town"].to_list()) <= {"Aix", "Bonn", "Cork"}
    again = run.source.read_frame(made)
    assert not again.outside
    assert run.source.write_events(again.x, ".csv") == run.source.write_events(run.source.read_frame(made).x, ".csv")


def test_runs_and_sources_pickle(run):
    frame = people().head(5)
    again = pickle.loads(pickle.dumps(run))
    np.testing.assert_array_equal(again.bound(frame).per_event, run.bound(frame).per_event)
    source = pickle.loads(pickle.dumps(run.source))
    np.testing.assert_array_equal(source.split("test").x["numbers"], run.source.split("test").x["numbers"])


def test_splits_may_have_files_of_their_own_or_be_empty(tmp_path):
    frame = people()
    frame.head(100).write_csv(tmp_path / "train.csv")
    frame.slice(100, 20).write_csv(tmp_path / "validation.csv")
    strange = frame.slice(120, 20).with_columns(pl.Series("town", ["Derry", *frame["town"].to_list()[121:140]]))
    strange.write_csv(tmp_path / "test.csv")
    options = {"validation_path": str(tmp_path / "validation.csv"), "test_path": str(tmp_path / "test.csv")}
    source = qs.make("source", "table", path=str(tmp_path / "train.csv"), **options)
    assert [len(source.split(name)) for name in ("train", "validation", "test")] == [100, 20, 19]
    assert any("1 rows of it are left out" in note and "Derry" in note for note in source.notes)
    whole = qs.make("source", "table", path=str(tmp_path / "train.csv"), validation_share=0.0, test_share=0.0)
    assert [len(whole.split(name)) for name in ("train", "validation", "test")] == [100, 0, 0]
    assert len(whole.all_rows()) == 100 and len(source.all_rows()) == 139


def test_a_run_that_is_reopened_needs_its_file_for_splits_alone(tmp_path):
    people().write_csv(tmp_path / "people.csv")
    out = tmp_path / "run"
    qs.train(qs.load_recipe(str(tmp_path / "people.csv"), SMALL), out=out)
    frame = people().head(4)
    expected = qs.open_run(out).bound(frame).per_event
    (tmp_path / "people.csv").write_text("rain,height,age,town\n1.0,2.0,20,Aix\n")
    reopened = qs.open_run(out)
    np.testing.assert_array_equal(reopened.bound(frame).per_event, expected)
    assert len(reopened.sample(3, as_frame=True)) == 3
    with pytest.raises(qs.DataError, match="changed since"):
        reopened.evaluate("test")
