"""Rows of another file or frame: columns by name in any order, and an answer for every row."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import quasistatic as qs
from quasistatic.kits import tables
from quasistatic.kits.tables.options import TableOptions

N = 80


def people():
    """Rows as mappings; income has gaps."""
    random = np.random.RandomState(0)
    return [
        {
            "age": str(random.randint(18, 80)),
            "town": ("Cork", "Aix", "Bonn")[k % 3],
            "income": "" if k % 9 == 1 else f"{np.exp(random.normal(10.3, 0.5)):.2f}",
            "born": f"19{50 + k % 40}-0{1 + k % 9}-1{k % 10}",
            "smokes": ("yes", "no")[random.randint(2)],
        }
        for k in range(N)
    ]


def text(rows, names=None):
    names = names or list(rows[0])
    return "\n".join([",".join(names), *(",".join(row[name] for name in names) for row in rows)]) + "\n"


@pytest.fixture
def source(files):
    return files.source(text(people()), count=("age",))


def equal(one, other):
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_columns_are_taken_by_name_in_any_order(files, source):
    whole = source.read_events(files.file(text(people())))
    mixed = source.read_events(files.file(text(people(), ["smokes", "income", "born", "age", "town"])))
    more = [{**row, "new": "x"} for row in people()]
    for data in (mixed, source.read_events(files.file(text(more, ["new", "town", "age", "smokes", "born", "income"])))):
        assert equal(whole.x, data.x) and data.outside == ()
        assert np.array_equal(data.tags["line"], np.arange(2, N + 2))
    frame = pl.read_csv(files.file(text(people())), infer_schema=False)
    for each in (frame, frame.select(reversed(frame.columns)), frame.to_pandas()[["town", "age", "income", "smokes", "born"]]):
        assert equal(whole.x, source.read_frame(each).x)


def test_a_column_that_is_not_there_is_named(files, source):
    with pytest.raises(qs.DataError, match=r"there is no column 'income'  \(it has: age, town\)"):
        source.read_events(files.file(text(people(), ["age", "town"])))
    with pytest.raises(qs.DataError, match=r"data: there is no column 'age'  \(it has: town\)"):
        source.read_frame(pd.DataFrame({"town": ["Aix"]}))
    with pytest.raises(qs.DataError, match="expected a data frame or a mapping of columns"):
        source.read_frame([1, 2])


@pytest.mark.parametrize(
    ("name", "cell", "said"),
    [
        ("town", "Derry", "town: 'Derry' is not among what the column holds (categorical Aix, Bonn, Cork)"),
        ("age", "88", "age: '88' is not among what the column holds (count from 18 to 79)"),
        ("age", "30.5", "age: '30.5' is not among what the column holds (count from 18 to 79)"),
        ("age", "old", "age: 'old' is not a number"),
        ("age", "", "age: the cell is empty, and in training the column had no gap"),
        ("smokes", "", "smokes: the cell is empty, and in training the column had no gap"),
        ("income", "-5.00", "income: '-5.00' is not among what the column holds (real > 0.00)"),
        ("income", "1e999", "income: '1e999' is not a number"),
        ("born", "1990-02-31", "born: '1990-02-31' is not a date"),
    ],
)
def test_a_row_that_no_model_has_is_outside_and_the_others_keep_order_and_places(files, source, name, cell, said):
    rows = people()
    whole = source.read_events(files.file(text(rows)))
    rows[3], rows[-1] = {**rows[3], name: cell}, {**rows[-1], name: cell}
    data = source.read_events(files.file(text(rows)))
    assert [each.number for each in data.outside] == [3, N - 1]
    reasons = {each.reason.removesuffix(", some missing)") for each in data.outside}
    assert {each if each.endswith(")") == said.endswith(")") else each + ")" for each in reasons} == {said}
    assert [each.tags["line"] for each in data.outside] == [5, N + 1]
    inside = [k for k in range(N) if k not in (3, N - 1)]
    assert data.tags["line"].tolist() == [k + 2 for k in inside]
    assert equal(data.x, {part: values[inside] for part, values in whole.x.items()})


def test_rows_all_of_which_are_outside(files, source):
    data = source.read_events(files.file(text([{**row, "town": "Derry"} for row in people()])))
    assert len(data.outside) == N and len(data.tags["line"]) == 0


def test_one_row_is_enough(files, source):
    data = source.read_events(files.file(text(people()[:1])))
    whole = source.read_events(files.file(text(people())))
    assert data.outside == () and equal(data.x, {part: values[:1] for part, values in whole.x.items()})


def test_labels_stand_beside_rows(files):
    rows = [{**row, "name": f"n{k}"} for k, row in enumerate(people())]
    path = files.file(text(rows))
    source = files.source(path, labels="name")
    assert "name" not in source.columns
    data = source.read_events(path)
    assert data.tags["name"].tolist() == [f"n{k}" for k in range(N)]
    assert set(source.split("test").tags["name"].tolist()) <= {f"n{k}" for k in range(N)}
    rows[4]["town"] = "Derry"
    (lost,) = source.read_events(files.file(text(rows))).outside
    assert lost.tags == {"line": 6, "name": "n4"}
    assert source.read_events(files.file(text(people()))).outside == ()


def test_other_files_of_another_format(files, source, tmp_path):
    whole = source.read_events(files.file(text(people())))
    frame = pl.DataFrame(people()).with_columns(
        pl.col("age").cast(pl.Int64), pl.col("income").cast(pl.Float64, strict=False), pl.col("born").str.to_date()
    )
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    for path in ("a.parquet", "a.jsonl"):
        assert equal(source.read_events(tmp_path / path).x, whole.x)
    assert equal(source.read_frame(frame).x, whole.x)


def test_a_value_does_not_depend_on_its_place(files, source):
    rows = people()
    whole = source.read_events(files.file(text(rows)))
    back = source.read_events(files.file(text(rows[::-1])))
    assert equal({part: values[::-1] for part, values in back.x.items()}, whole.x)


def test_splits_are_shares_and_files_of_their_own(files):
    path = files.file(text(people()))
    whole = files.source(path)
    assert [len(whole.split(name).tags["line"]) for name in ("train", "validation", "test")] == [56, 8, 16]
    none = files.source(path, validation_share=0.0, test_share=0.0)
    assert [len(none.split(name).tags["line"]) for name in ("train", "validation", "test")] == [N, 0, 0]
    others = [{**row, "town": "Derry"} if k == 2 else row for k, row in enumerate(people()[:20])]
    own = files.source(path, test_path=str(files.file(text(others))), validation_share=0.0)
    assert [len(own.split(name).tags["line"]) for name in ("train", "validation", "test")] == [N, 0, 19]
    assert any("1 rows of it are left out" in note and "'Derry'" in note for note in own.notes)


def test_a_frame_with_tags_of_rows():
    frame = pl.DataFrame({"v": np.random.RandomState(0).normal(size=N).round(2), "w": ["a", "b"] * (N // 2)})
    source = tables.frame_source(TableOptions(), frame)
    bad = frame.with_columns(pl.when(pl.int_range(N) == 5).then(pl.lit("c")).otherwise("w").alias("w"))
    (lost,) = source.read_frame(bad).outside
    assert lost.number == 5 and lost.reason == "w: 'c' is not among what the column holds (binary a, b)"
