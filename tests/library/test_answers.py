"""Every record of a file has an answer: K, or why it is outside of the model."""

import csv

import numpy as np
import pytest

import quasistatic as qs


def data(count, outside, **tags):
    x = np.arange(count, dtype=np.float32)[:, None]
    return qs.Data(x, None, {name: np.array(values, object) for name, values in tags.items()}, tuple(outside))


def rows_of(table):
    return list(csv.DictReader(table.decode().splitlines()))


def test_events_know_their_numbers_among_all_records():
    found = data(3, [qs.sources.Outside(0, "a"), qs.sources.Outside(3, "b"), qs.sources.Outside(4, "c")])
    assert found.numbers.tolist() == [1, 2, 5]
    for count, outside in ((1, [0]), (2, [0, 3, 4]), (3, [0, 3, 4]), (9, [0, 3, 4]), (0, [0])):
        head = found.head(count)
        assert len(head) == min(count, 3) and [each.number for each in head.outside] == outside
        assert head.numbers.tolist() == [1, 2, 5][:count]


@pytest.mark.parametrize("numbers", [(1, 0), (0, 0), (-1,), (5,)])
def test_numbers_that_are_none_are_refused(numbers):
    with pytest.raises(ValueError, match="expected numbers that rise"):
        data(3, [qs.sources.Outside(number, "a") for number in numbers])


def test_a_table_has_a_line_for_each_record_in_the_order_of_the_file():
    found = data(2, [qs.sources.Outside(1, "why", {"line": 7, "name": "b"})], line=[6, 8], status=["x", "y"])
    rows = rows_of(qs.answers.record_table(found, {"bound_nats": np.array([-1.5, -2.5])}))
    assert list(rows[0]) == ["line", "status (file)", "name", "status", "bound_nats", "reason"]
    assert [list(row.values()) for row in rows] == [
        ["6", "x", "", "inside", "-1.5", ""],
        ["7", "", "b", "outside", "", "why"],
        ["8", "y", "", "inside", "-2.5", ""],
    ]
    rows = rows_of(qs.answers.record_table(data(1, [qs.sources.Outside(0, "why")]), {"bound_nats": [-1.0]}))
    assert [list(row.values()) for row in rows] == [["0", "outside", "", "why"], ["1", "inside", "-1.0", ""]]
    assert rows_of(qs.answers.record_table(data(0, [qs.sources.Outside(0, "why")]), {"bound_nats": []}))[0]["status"] == "outside"


def test_a_sentence_names_the_first_and_json_has_all():
    found = data(
        39,
        [
            qs.sources.Outside(12, "town: 'Derry' is not one of Bath, York", {"line": 14}),
            qs.sources.Outside(40, "far", {"line": 42}),
        ],
    )
    about = "2 of 41 records are outside of the model's support: log-probability minus infinity; first: line 14, town: 'Derry'"
    assert qs.answers.about_outside(found).startswith(about)
    assert qs.answers.about_outside(data(3, ())) is None
    assert qs.answers.answers_to_json(found)["records"] == 41 and len(qs.answers.answers_to_json(found)["outside"]) == 2
    assert qs.answers.answers_to_json(found)["outside"][1] == {"number": 40, "tags": {"line": 42}, "reason": "far"}


@pytest.fixture(scope="module")
def run():
    options = {"training.updates": 2, "training.batch": 8, "training.validate_every": 2, "training.validation_events": 8}
    options |= {"model.width": 4, "model.depth": 1, "trajectory.steps": 3, "training.observers": [], "training.fuse": 1}
    recipe = qs.load_recipe("array", {**options, "evaluation.trajectory_steps": []})
    return qs.train(recipe, np.random.RandomState(0).normal(5, 2, (60, 2)))


def test_records_outside_have_no_part_in_k_and_are_minus_infinity_in_the_whole(run):
    x = run.source.split("test").x
    alone = run.evaluate(qs.Data(x))
    found = run.evaluate(qs.Data(x, outside=(qs.sources.Outside(0, "a"), qs.sources.Outside(4, "b"))))
    assert found.bound == alone.bound and len(found.data.outside) == 2
    assert np.flatnonzero(np.isneginf(found.per_record)).tolist() == [0, 4]
    np.testing.assert_array_equal(np.delete(found.per_record, [0, 4]), alone.ledger.per_event)
    far = x.copy()
    far[2] = 1e30
    found = run.evaluate(qs.Data(far, outside=(qs.sources.Outside(1, "a"),)), repeats=2)
    assert [each.number for each in found.data.outside] == [1, 3] and len(found.ledger.per_event_error) == len(x) - 1
    assert np.isfinite(found.bound.value) and found.to_dict()["bound"]["events"] == len(x) - 1
    nothing = run.evaluate(qs.Data(x[:0], outside=(qs.sources.Outside(0, "a"),)))
    assert np.isnan(nothing.bound.value) and nothing.per_record.tolist() == [-np.inf] and nothing.ledger.steps == 3
    assert nothing.to_dict()["bound"]["events"] == 0
