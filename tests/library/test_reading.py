"""Tables as people have them: columns, dates, thousands, comments, compressed, sheets; every rule is stated where it is broken."""

import datetime
import gzip
import random
import sys

import numpy as np
import pytest

import quasistatic as qs


def read(path, **choices):
    return qs.read_array(path, qs.ArrayChoices(**choices))


def problem(path, **choices):
    with pytest.raises(qs.DataError) as caught:
        read(path, **choices)
    message = str(caught.value)
    assert "\n" not in message
    return message


def written(tmp_path, text, name="my.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize(
    ("text", "choices", "values"),
    [
        ("a,b\n1,true\n2,FALSE\n", {}, [[1, 1], [2, 0]]),
        ("a;b\n1,5;2\n-,25;3e2\n", {"decimal": ","}, [[1.5, 2], [-0.25, 300]]),
        ("a;b\n1.234,5;1.234.567\n1;2\n", {"decimal": ","}, [[1234.5, 1234567], [1, 2]]),
        ('a,b\n"1,234",2\n"12,345.5",3\n', {}, [[1234, 2], [12345.5, 3]]),
        ("a;b\n1,234,567;2\n1,234.5;2\n", {}, [[1234567, 2], [1234.5, 2]]),
        ("a;b\n1 234;2\n1\u202f234,5;3\n", {"decimal": ","}, [[1234, 2], [1234.5, 3]]),
        ("a;b\n1'234.5;2\n1;3\n", {}, [[1234.5, 2], [1, 3]]),
        ("when,x\n1970-01-02,1\n1970-01-01T12:00,2\n", {}, [[1, 1], [0.5, 2]]),
        ("when,x\n1970-01-02 06:00:00+06:00,1\n1969-12-31,2\n", {}, [[1, 1], [-1, 2]]),
        ("# made by hand\n# in 2020\na,b\n1,2\n# a remark\n3,4\n", {}, [[1, 2], [3, 4]]),
        ("# first\n# a b\n1 2\n3 4\n", {}, [[1, 2], [3, 4]]),
    ],
)  # fmt: skip
def test_cells_are_read_by_stated_rules(tmp_path, text, choices, values):
    table = read(written(tmp_path, text), **choices)
    np.testing.assert_allclose(table.values, values, rtol=1e-12)
    assert table.columns == (("when", "x") if "when" in text else ("a", "b"))


@pytest.mark.parametrize(
    ("text", "choices", "said"),
    [
        ("a;b\n1,234;2\n", {}, "column 'a': '1,234' is not a number; is the comma before decimals? then --set source.decimal=,"),
        ("a;b\n1.5;2\n", {"decimal": ","}, "line 2, column 'a': '1.5' is not a number"),
        ("a,b\n12,31/01/2020\n", {}, "'31/01/2020' is not a number"),
        ("a,b\n2020-13-01,2\n", {}, "'2020-13-01' is not a number"),
        ("a,b\n2020-01-01,2\n7,2\n", {}, "column 'a' holds 1 dates and 1 other numbers"),
        ("# x\n\na,b\n1,2\n# y\n3,red\n", {}, "line 6, column 'b'"),
        ("a,a\n1,2\n", {"drop": ("a",)}, "source.drop: 2 columns are called 'a'; name it by its number"),
        ("age,b\n1,2\n", {"drop": ("agee",)}, "source.drop: there is no column 'agee'; did you mean 'age'?  (it has: age, b)"),
        ("a,b\n1,2\n", {"drop": ("a", "b")}, "expected at least one column"),
        ("a,b\n1,\n3,inf\n", {"missing": "drop-rows"}, "1 of 2 numbers are infinite, the first at line 3, column 'b'"),
    ],
)  # fmt: skip
def test_what_no_rule_covers_is_named(tmp_path, text, choices, said):
    assert said in problem(written(tmp_path, text), **choices)


def test_numbers_with_a_decimal_comma_are_no_header(tmp_path):
    path = written(tmp_path, "1,5;2,25\n3,5;4,5\n")
    assert read(path, decimal=",").values.tolist() == [[1.5, 2.25], [3.5, 4.5]]
    assert "line 1, column 1: '1,5' is not a number; is the comma before decimals?" in problem(path)


def test_columns_are_chosen_by_name_or_number_and_text_in_others_does_not_matter(tmp_path):
    path = written(tmp_path, "id,kind,x,y\n1,red,0.5,7\n2,blue,1.5,8\n")
    assert read(path, columns=("y", "3")).columns == ("y", "x")
    np.testing.assert_array_equal(read(path, columns=("y", "x")).values, [[7, 0.5], [8, 1.5]])
    np.testing.assert_array_equal(read(path, drop=("id", "kind")).values, [[0.5, 7], [1.5, 8]])
    table = read(path, labels="kind", drop=("id",))
    assert table.columns == ("x", "y") and table.labels[0] == "kind" and table.labels[1].tolist() == ["red", "blue"]
    assert {name: values.tolist() for name, values in table.tags(np.array([1])).items()} == {"line": [3], "kind": ["blue"]}
    with pytest.raises(ValueError, match="not both"):
        qs.ArrayChoices(columns=("a",), drop=("b",))
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(read(tmp_path / "a.npy", drop=("2",)).values, np.arange(12).reshape(4, 3)[:, [0, 2]])
    np.save(tmp_path / "b.npy", np.zeros((4, 3, 3)))
    assert "has no columns" in problem(tmp_path / "b.npy", drop=("2",))


def test_rows_with_a_missing_number_are_left_out_if_asked_and_the_others_keep_their_places(tmp_path):
    table = read(written(tmp_path, "a,b\n1,2\nNA,4\n\n5,6\n"), missing="drop-rows")
    np.testing.assert_array_equal(table.values, [[1, 2], [5, 6]])
    assert list(table.places) == [2, 5] and table.notes == ("1 of 3 rows are left out, as a number is missing",)
    np.save(tmp_path / "a.npy", np.array([[1.0], [np.nan], [3.0]]))
    table = read(tmp_path / "a.npy", missing="drop-rows")
    assert table.tags(np.arange(2))["event"].tolist() == [0, 2]
    assert "source.missing=drop-rows" in problem(tmp_path / "a.npy")


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "dat"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_has_many_endings_and_may_be_compressed(tmp_path, ending, packed):
    text = {"csv": "a,b\n1,2\n", "tsv": "a\tb\n1\t2\n", "txt": "a b\n1 2\n", "dat": "# a b\n 1  2\n"}[ending]
    path = tmp_path / f"my.{ending}{'.gz' * packed}"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    table = read(path)
    assert table.columns == ("a", "b") and table.values.tolist() == [[1, 2]]


def test_compressed_files_that_are_none_or_too_large(tmp_path, monkeypatch):
    (tmp_path / "a.csv.gz").write_bytes(b"1,2\n")
    assert "is not a .gz file, or is damaged" in problem(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 1000)[:-20])
    assert "is not a .gz file, or is damaged" in problem(tmp_path / "b.csv.gz")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"0" * 10**7))
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "0.001")
    assert "above the limit" in problem(tmp_path / "c.csv.gz")


def test_sheets_of_excel(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        ["day", "ok", "x", "kind"],
        [datetime.date(1970, 1, 3), True, 1.5, "red"],
        [datetime.date(1970, 1, 4), False, None, "b"],
    ):
        book.active.append(row)
    book.save(tmp_path / "my.xlsx")
    table = read(tmp_path / "my.xlsx", labels="kind", missing="drop-rows")
    assert table.columns == ("day", "ok", "x") and table.values.tolist() == [[2, 1, 1.5]] and table.tags(np.arange(1))["row"] == [2]
    assert "row 3, column 'x'" in problem(tmp_path / "my.xlsx", labels="kind")
    (tmp_path / "bad.xlsx").write_bytes((tmp_path / "my.xlsx").read_bytes()[:-300])
    assert "is not an .xlsx file, or is damaged" in problem(tmp_path / "bad.xlsx")


def test_columns_of_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"2020": [1.5, 0.1], "n": [1, 2], "day": [datetime.date(1970, 1, 3), datetime.date(1970, 1, 4)], "kind": ["red", "b"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "my.parquet")
    table = read(tmp_path / "my.parquet", drop=("kind",))
    assert table.columns == ("2020", "n", "day") and table.values.tolist() == [[1.5, 1, 2], [0.1, 2, 3]]
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    assert "is not a .parquet file, or is damaged" in problem(tmp_path / "bad.parquet")


@pytest.mark.parametrize(("name", "library"), [("my.xlsx", "openpyxl"), ("my.parquet", "pyarrow")])
def test_without_its_library_a_format_says_what_to_install(tmp_path, monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    said = problem(written(tmp_path, "x", name))
    assert f"needs {library}: pip install" in said and "quasistatic[table]" in said


def test_odd_bytes_are_numbers_or_one_message(tmp_path):
    rng = random.Random(0)
    pieces = [
        b",",
        b";",
        b"\t",
        b"#",
        b'"',
        b"\n",
        b"\r",
        b"\0",
        b"1,5",
        b"1.234,5",
        b"0001-01-01T00:00+23:59",
        b"2020-01-01",
        b"true",
    ]
    pieces += [b"NA", b"inf", b"1e999", b"\xff", b"\xc2\xa0", b" ", b"1'000", b"_", b"a", b"7", b"8"]
    for _ in range(300):
        path = tmp_path / rng.choice(["my.csv", "my.tsv", "my.dat"])
        path.write_bytes(b"".join(rng.choice(pieces) for _ in range(rng.randrange(60))))
        choices = qs.ArrayChoices(
            decimal=rng.choice(".,"), missing=rng.choice(["refuse", "drop-rows"]), labels=rng.choice([None, "1"])
        )
        for look in (qs.read_array, qs.inspect_table):
            try:
                look(path, choices)
            except qs.DataError as error:
                assert "\n" not in str(error)
