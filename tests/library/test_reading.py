"""Plain text of numbers as an array: columns by name or number, rows that lack a number, and what is not such a text."""

import random

import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import arrays


def read(path, **choices):
    return qs.files.read_array(path, arrays.ArrayChoices(**choices))


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
    ("text", "choices", "said"),
    [
        ("a,b\n1,true\n", {}, "line 2, column 'b': 'true' is not a number, as all cells of an array are; `quasistatic inspect`"),
        ("a;b\n1,5;2\n", {}, "line 2"),
        ("a,b\n1,2\n# a remark\n3,4\n", {}, "line 3"),
        ("a,b\n1,\n", {}, "line 2, column 'b': '' is not a number"),
        ("a,a\n1,2\n", {"drop": ("a",)}, "source.drop: 2 columns are called 'a'; name it by its number"),
        ("age,b\n1,2\n", {"drop": ("agee",)}, "source.drop: there is no column 'agee'; did you mean 'age'?  (it has: age, b)"),
        ("a,b\n1,2\n", {"drop": ("a", "b")}, "expected at least one column"),
        ("a,b\n1,nan\n3,inf\n", {"missing": "drop-rows"}, "1 of 2 numbers are infinite, the first at line 3, column 'b'"),
    ],
)  # fmt: skip
def test_what_is_no_array_of_numbers_is_named(tmp_path, text, choices, said):
    assert said in problem(written(tmp_path, text), **choices)


def test_columns_are_chosen_by_name_or_number(tmp_path):
    path = written(tmp_path, "id,kind,x,y\n1,5,0.5,7\n2,6,1.5,8\n")
    assert read(path, columns=("y", "3")).columns == ("y", "x")
    np.testing.assert_array_equal(read(path, columns=("y", "x")).values, [[7, 0.5], [8, 1.5]])
    np.testing.assert_array_equal(read(path, drop=("id", "kind")).values, [[0.5, 7], [1.5, 8]])
    table = read(path, labels="kind", drop=("id",))
    assert table.columns == ("x", "y") and table.labels[0] == "kind" and table.labels[1].tolist() == ["5.0", "6.0"]
    assert {name: values.tolist() for name, values in table.tags(np.array([1])).items()} == {"line": [3], "kind": ["6.0"]}
    with pytest.raises(ValueError, match="not both"):
        arrays.ArrayChoices(columns=("a",), drop=("b",))
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(read(tmp_path / "a.npy", drop=("2",)).values, np.arange(12).reshape(4, 3)[:, [0, 2]])
    np.save(tmp_path / "b.npy", np.zeros((4, 3, 3)))
    assert "has no columns" in problem(tmp_path / "b.npy", drop=("2",))


def test_rows_with_a_missing_number_are_left_out_if_asked_and_the_others_keep_their_places(tmp_path):
    table = read(written(tmp_path, "a,b\n1,2\nnan,4\n\n5,6\n"), missing="drop-rows")
    np.testing.assert_array_equal(table.values, [[1, 2], [5, 6]])
    assert list(table.places) == [2, 5] and table.notes == ("1 of 3 rows are left out, as a number is missing",)
    np.save(tmp_path / "a.npy", np.array([[1.0], [np.nan], [3.0]]))
    table = read(tmp_path / "a.npy", missing="drop-rows")
    assert table.tags(np.arange(2))["event"].tolist() == [0, 2]
    assert "source.missing=drop-rows" in problem(tmp_path / "a.npy")


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "dat"])
def test_text_has_many_endings(tmp_path, ending):
    text = {"csv": "a,b\n1,2\n", "tsv": "a\tb\n1\t2\n", "txt": "a b\n1 2\n", "dat": "a b\n 1  2\n"}[ending]
    table = read(written(tmp_path, text, f"my.{ending}"))
    assert table.columns == ("a", "b") and table.values.tolist() == [[1, 2]]


def test_odd_bytes_are_numbers_or_one_message(tmp_path):
    rng = random.Random(0)
    pieces = [b",", b";", b"\t", b"#", b'"', b"\n", b"\r", b"\0", b"1,5", b"1.234,5", b"2020-01-01", b"true", b"NA", b"inf"]
    pieces += [b"1e999", b"\xff", b"\xc2\xa0", b" ", b"1'000", b"_", b"a", b"7", b"8"]
    for _ in range(300):
        path = tmp_path / rng.choice(["my.csv", "my.tsv", "my.dat"])
        path.write_bytes(b"".join(rng.choice(pieces) for _ in range(rng.randrange(60))))
        try:
            read(path, missing=rng.choice(["refuse", "drop-rows"]), labels=rng.choice([None, "1"]))
        except qs.DataError as error:
            assert "\n" not in str(error)
