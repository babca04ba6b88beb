"""What a source writes is what it has read, in every format; and what it has written it reads again."""

import csv
import datetime as dt
import decimal
import io
import json

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import quasistatic as qs
from quasistatic.kits import tables
from quasistatic.kits.tables.options import TableOptions

N = 60
R = np.random.RandomState(0)
START = dt.datetime(2020, 1, 1)


def moments(unit="us", step=1_000_000, count=N):
    ticks = [START + dt.timedelta(microseconds=int(each) * step) for each in R.randint(0, 10**8, count)]
    return pl.Series(ticks).dt.cast_time_unit(unit)


def gaps(values):
    return [None if k % 7 == 0 else value for k, value in enumerate(values)]


FRAME = pl.DataFrame(
    {
        "int64": pl.Series(R.poisson(300, N), dtype=pl.Int64),
        "int8": pl.Series(R.randint(0, 100, N), dtype=pl.Int8),
        "uint16": pl.Series(R.randint(0, 60_000, N), dtype=pl.UInt16),
        "beyond float64": pl.Series(2**60 + R.randint(0, 3, N), dtype=pl.Int64),
        "float64": R.normal(size=N).round(3),
        "float32": pl.Series(R.normal(size=N).astype(np.float32)),
        "whole float64": R.poisson(300, N).astype(float),
        "few": pl.Series(R.randint(0, 3, N), dtype=pl.Int32),
        "boolean": pl.Series(R.rand(N) > 0.5),
        "boolean with gaps": pl.Series(gaps((R.rand(N) > 0.5).tolist())),
        "int64 with gaps": pl.Series(gaps(R.poisson(300, N).tolist()), dtype=pl.Int64),
        "float64 with gaps": pl.Series(gaps(R.normal(size=N).round(2).tolist())),
        "float64 with nan": pl.Series([float("nan") if k % 7 == 0 else round(float(R.normal()), 2) for k in range(N)]),
        "date": pl.Series([dt.date(2020, 1, 1) + dt.timedelta(int(each)) for each in R.randint(0, 3000, N)]),
        "sentinel": pl.Series([dt.date(9999, 12, 31) if k % 2 else dt.date(2020, 1, 1) + dt.timedelta(7 * k) for k in range(N)]),
        "seconds": moments(),
        "milliseconds": moments("ms", 1000),
        "nanoseconds": moments("ns"),
        "midnights": pl.Series([START + dt.timedelta(days=int(each)) for each in R.randint(0, 3000, N)]),
        "zone": moments().dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"),
        "utc": moments("ns").dt.replace_time_zone("UTC"),
        "time": pl.Series([dt.time(int(each)) for each in R.randint(0, 24, N)]),
        "duration": pl.Series([dt.timedelta(seconds=int(each)) for each in R.randint(0, 10**5, N)]),
        "categorical": pl.Series([f"x{k % 3}" for k in range(N)]).cast(pl.Categorical),
        "enum": pl.Series([f"x{k % 3}" for k in range(N)]).cast(pl.Enum(["x2", "x1", "x0"])),
        "text": [f"s{k % 4}" for k in range(N)],
        "text with gaps": [None if k % 5 == 0 else f"s{k % 4}" for k in range(N)],
        "NA as text": ["NA" if k % 5 == 0 else f"s{k % 4}" for k in range(N)],
        "codes": [f"{k % 5:05d}" for k in range(N)],
        "numbers as text": [str(k % 2 + 5) for k in range(N)],
        "decimal": pl.Series([decimal.Decimal(int(each)) / 100 for each in R.randint(0, 10**6, N)], dtype=pl.Decimal(12, 2)),
        "spike": pl.Series([0.0 if k % 2 else round(float(R.rand()) + 0.01, 2) for k in range(N)]),
        "constant": pl.Series([7] * N),
        "amount": R.uniform(1e6, 1e8, N).round(2),
        "small": (R.rand(N) * 1e-9).round(15),
    }
)
TYPED = {".parquet": pl.DataFrame.write_parquet, ".arrow": pl.DataFrame.write_ipc, ".feather": pl.DataFrame.write_ipc}


@pytest.mark.parametrize("ending", TYPED)
def test_typed_files_come_back_with_their_types(tmp_path, ending):
    path = tmp_path / f"all{ending}"
    TYPED[ending](FRAME, path)
    source = tables.table_source(TableOptions(path=str(path)))
    data = source.read_events(path)
    assert data.outside == () and source.columns == tuple(FRAME.columns)
    back = pl.read_parquet(io.BytesIO(source.write_events(data.x, ".parquet")))
    assert back.schema == FRAME.schema
    assert [name for name in FRAME.columns if not back[name].equals(FRAME[name])] == []


def test_lines_of_json_come_back(tmp_path):
    path = tmp_path / "all.jsonl"
    FRAME.drop("zone", "duration", "float64 with nan").write_ndjson(path)
    source = tables.table_source(TableOptions(path=str(path)))
    data = source.read_events(path)
    assert data.outside == ()
    lines = [source.write_events(data.x, ".jsonl").decode().splitlines(), path.read_text().splitlines()]
    own, wanted = ([json.loads(line, parse_float=str, parse_int=str) for line in each] for each in lines)
    numbers = {"float32", "small"}  # of which others write other digits of the same number
    assert [{name: row[name] for name in row if name not in numbers} for row in own] == [
        {name: row[name] for name in row if name not in numbers} for row in wanted
    ]
    assert all(float(one[name]) == float(other[name]) for one, other in zip(own, wanted, strict=True) for name in numbers)


def test_sheets_of_excel_come_back_as_text(tmp_path):
    names = ["int64", "float64", "boolean", "float64 with gaps", "date", "sentinel", "text with gaps", "NA as text", "codes"]
    path = tmp_path / "some.xlsx"
    frame = FRAME.select(names)
    frame.to_pandas().to_excel(path, index=False)
    source = tables.table_source(TableOptions(path=str(path)))
    assert source.columns == tuple(names)
    back = csv.DictReader(io.StringIO(source.write_events(source.read_events(path).x, ".csv").decode()))
    wanted = frame.with_columns(pl.col("boolean").cast(pl.String)).cast(pl.String).fill_null("")
    assert list(back) == wanted.to_dicts()


def test_a_number_that_is_marked_as_a_date_without_being_one_is_one_cell(tmp_path):
    """openpyxl warns of it, which is no message for a user."""
    book = openpyxl.Workbook()
    for row in (["size"], *([k] for k in range(30))):
        book.active.append(row)
    book.active["A9"].value, book.active["A9"].number_format = 1.152921504606847e18, "yyyy-mm-dd"
    book.save(tmp_path / "some.xlsx")
    pieces = tables.read_table(tmp_path / "some.xlsx").pieces()
    assert sum(piece.frame.to_series(0).to_list().count("#VALUE!") for piece in pieces) == 1


def test_one_of_several_sheets_is_named_and_set(tmp_path):
    path = tmp_path / "some.xlsx"
    with pd.ExcelWriter(path) as book:
        FRAME.select("int64", "text").to_pandas().to_excel(book, sheet_name="first", index=False)
        FRAME.select("date", "codes").to_pandas().to_excel(book, sheet_name="second", index=False)
    source = tables.table_source(TableOptions(path=str(path)))
    assert source.columns == ("int64", "text") and "sheet 'first' of 2 is read (source.sheet)" in source.notes
    assert tables.table_source(TableOptions(path=str(path), sheet="second")).columns == ("date", "codes")
    with pytest.raises(Exception, match=r"source.sheet: there is no sheet 'third'  \(it has: first, second\)"):
        tables.table_source(TableOptions(path=str(path), sheet="third"))


def test_an_empty_sheet_is_named_and_columns_without_a_name_have_a_number(tmp_path):
    path = tmp_path / "some.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="notes", index=False)
        frame = FRAME.select("int64", "text", "codes").rename({"text": " ", "codes": "  "})
        frame.to_pandas().to_excel(book, sheet_name="data", index=False)
    with pytest.raises(qs.DataError, match=r"is empty: sheet 'notes'  \(it has: notes, data; source.sheet\)"):
        tables.table_source(TableOptions(path=str(path)))
    found = tables.table_source(TableOptions(path=str(path), sheet="data"))
    assert found.columns[0] == "int64" and len(set(found.columns)) == 3


PANDAS = pd.DataFrame(
    {
        "int64": R.poisson(300, N),
        "float64": R.normal(size=N).round(3),
        "float32": R.normal(size=N).round(2).astype("float32"),
        "with nan": np.where(np.arange(N) % 7 == 0, np.nan, R.normal(size=N).round(2)),
        "Int64": pd.array(gaps(R.poisson(300, N).tolist()), dtype="Int64"),
        "boolean": pd.array(gaps((R.rand(N) > 0.5).tolist()), dtype="boolean"),
        "bool": R.rand(N) > 0.5,
        "text": [f"s{k % 4}" for k in range(N)],
        "category": pd.Categorical([f"x{k % 3}" for k in range(N)]),
        "category with gaps": pd.Categorical(gaps([f"x{k % 3}" for k in range(N)])),
        "moment": pd.to_datetime(START) + pd.to_timedelta(R.randint(0, 10**8, N), unit="s"),
        "zone": (START + pd.to_timedelta(R.randint(0, 10**8, N), unit="s")).tz_localize("UTC").tz_convert("Asia/Tokyo"),
        "moment with NaT": pd.Series(START + pd.to_timedelta(R.randint(0, 10**8, N), unit="s")).where(np.arange(N) % 7 > 0),
        "duration": pd.to_timedelta(R.randint(0, 10**5, N), unit="s"),
    }
)


def test_frames_of_pandas_come_back_with_their_types():
    source = tables.frame_source(TableOptions(), PANDAS)
    data = source.read_frame(PANDAS)
    assert data.outside == ()
    back = source.to_frame(data.x)
    pd.testing.assert_frame_equal(back, PANDAS, check_dtype=True, check_categorical=False)


def test_nullable_types_without_gaps_are_numpys():
    frame = PANDAS[["float64"]].assign(many=pd.array(R.poisson(300, N), dtype="Int64"))
    source = tables.frame_source(TableOptions(), frame)
    back = source.to_frame(source.read_frame(frame).x)
    assert back["many"].dtype == "int64" and back["many"].tolist() == frame["many"].tolist()


def test_frames_of_polars_and_arrow_and_mappings_come_back():
    plain = FRAME.drop("duration")
    for data in (plain, plain.drop("enum").to_arrow(), {"a": R.poisson(300, N), "b": ["x", "y"] * (N // 2)}):
        source = tables.frame_source(TableOptions(), data)
        read = source.read_frame(data)
        assert read.outside == ()
        back = source.to_frame(read.x)
        wanted = pl.DataFrame(data)
        assert back.columns == wanted.columns
        assert [name for name in back.columns if not back[name].cast(pl.String).equals(wanted[name].cast(pl.String))] == []


def test_data_in_memory_that_are_no_table_are_named():
    for data, said in (
        ([1, 2], "expected a data frame or a mapping of columns, got a list"),
        (np.zeros((N, 2)), "expected a data frame or a mapping of columns, got a ndarray"),
        ({"a": [1] * 5, "b": [1] * 6}, "expected columns of one length"),
        ({}, "holds no rows"),
        (pl.DataFrame({"a": []}), "holds no rows"),
        (pd.DataFrame(np.zeros((N, 2)), columns=["a", "a"]), "2 columns are called 'a'"),
        (pl.DataFrame({"a": [[1]] * N}), "column 'a' holds List"),
    ):
        with pytest.raises(Exception, match=f"data: .*{said}"):
            tables.frame_source(TableOptions(), data)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_what_is_written_in_any_format_is_read_again(tmp_path, ending):
    for first, frame in (("a.csv", FRAME), ("a.parquet", FRAME)):
        path = tmp_path / first
        frame.drop("duration").write_csv(path) if first.endswith("csv") else frame.write_parquet(path)
        source = tables.table_source(TableOptions(path=str(path)))
        xs = source.read_events(path).x
        other = tmp_path / f"b{ending}"
        other.write_bytes(source.write_events(xs, ending))
        again = source.read_events(other)
        assert again.outside == ()
        one, two = source.values(xs), source.values(again.x)
        for column, own, found in zip(source.layout.columns, one.states, two.states, strict=True):
            assert np.array_equal(own, found), column.name
        for column, own, found in zip(source.layout.columns, one.numbers, two.numbers, strict=True):
            assert own is None or np.allclose(own, found, rtol=1e-13, equal_nan=True), column.name


# laws on generated tables

COUNTS = st.shared(st.integers(12, 40), key="rows")


def listed(values):
    return COUNTS.flatmap(lambda count: st.lists(values, min_size=count, max_size=count))


DIGITS = st.integers(0, 4)
REALS = st.one_of(
    st.tuples(DIGITS, listed(st.integers(-(10**8), 10**8))).map(
        lambda pair: [f"{each / 10 ** pair[0]:.{pair[0]}f}" for each in pair[1]]
    ),
    listed(st.floats(1e-12, 1e-3)).map(lambda own: [f"{each:.3e}" for each in own]),
    listed(st.integers(0, 20_000)).map(lambda own: [(dt.date(1960, 1, 1) + dt.timedelta(each)).isoformat() for each in own]),
    listed(st.integers(0, 10**9)).map(lambda own: [(START + dt.timedelta(seconds=each)).isoformat() for each in own]),
)
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8).map(str.strip)
WORDS = st.sampled_from(["NA", "None", "007", "1E3", "1000", "#1", "a,b", 'a"b', "true", ""])
CATEGORIES = st.lists(TEXT | WORDS, min_size=2, max_size=5)
COLUMN = st.one_of(
    REALS,
    st.tuples(REALS, listed(st.booleans())).map(lambda pair: ["" if gone else cell for cell, gone in zip(*pair, strict=True)]),
    CATEGORIES.flatmap(lambda own: listed(st.sampled_from(own))),
    listed(st.sampled_from(["true", "false"])),
)
TABLES = st.lists(COLUMN, min_size=1, max_size=4)
LAWS = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def source_of(files, columns, delimiter=","):
    """A table of a column of numbers and of these, with the text of those columns that are kept; None where none can be."""
    count = len(columns[0])
    header = ["first", *(f"c{k}" for k in range(len(columns)))]
    text = files.csv(header, files.numbers(count), *columns, delimiter=delimiter)
    path = files.file(text)
    kept = TableOptions(path=str(path), header="yes", delimiter=delimiter, most_categories=100)
    return tables.table_source(kept), path, text


@LAWS
@given(columns=TABLES, delimiter=st.sampled_from([",", ";", "\t"]))
def test_a_table_is_written_as_it_was_read(many_files, columns, delimiter):
    try:
        source, path, text = source_of(many_files, columns, delimiter)
    except qs.DataError as error:
        assert "cells are" in str(error) or "may " in str(error)  # numbers among few words
        return
    if any("written otherwise" in note for note in source.notes):
        return
    rows = many_files.cells(text, delimiter)
    kept = [rows[0].index(name) for name in source.columns]
    data = source.read_events(path)
    assert data.outside == ()
    assert many_files.cells(source.write_events(data.x, ".csv").decode(), delimiter) == [[row[k] for k in kept] for row in rows]


@LAWS
@given(columns=TABLES, seed=st.integers(0, 1000))
def test_samples_are_read_as_they_were_written(many_files, columns, seed):
    try:
        source, _, _ = source_of(many_files, columns)
    except qs.DataError:
        return
    random = np.random.RandomState(seed)
    xs = {}
    for name, part in source.event.parts().items():
        shape = (30, *part.shape)
        drawn = random.normal(size=shape) if name == "numbers" else random.randint(0, getattr(part, "categories", 2), shape)
        xs[name] = drawn.astype(part.dtype)
    first = source.write_events(xs, ".csv")
    data = source.read_events(many_files.file(first))
    assert data.outside == ()
    assert source.write_events(data.x, ".csv") == first
    made, read = source.layout.snapped(source.values(xs)), source.values(data.x)
    raw = source.values(xs)
    for column, own, found in zip(source.layout.columns, made.states, read.states, strict=True):
        assert np.array_equal(own, found), column.name
    for column, own, snapped, found in zip(source.layout.columns, raw.numbers, made.numbers, read.numbers, strict=True):
        if own is None:
            continue
        there = ~np.isnan(own)
        assert np.array_equal(np.isnan(found), ~there)
        assert column.holds(snapped[there]).all()
        step = column.step or column.form.resolution
        if step and column.bend.is_straight and not column.step and not any(np.isfinite(column.atoms)):
            assert np.all(np.abs(found[there] - own[there]) <= 0.5 * step * (1 + 1e-6) + 1e-12 * np.abs(own[there]))


def test_rows_of_blanks_in_a_sheet_are_no_rows_and_are_counted(tmp_path):
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, 2], [None, None], [3, 4], [" ", None], [5, 6], [None, None]):
        book.active.append(row)
    book.save(tmp_path / "some.xlsx")
    (piece,) = tables.read_table(tmp_path / "some.xlsx").pieces()
    assert piece.frame.rows() == [("1", "2"), ("3", "4"), ("5", "6")]
    assert piece.places.tolist() == [2, 4, 6] and piece.blank == 2
