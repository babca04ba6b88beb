"""Reading .csv, .npy and .npz files: many spellings, every problem named, nothing executed."""

import io
import os
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import quasistatic as qs
from quasistatic._data import numpy_files as _numpy_files
from quasistatic._data import tables as _tables
from quasistatic.kits import arrays

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6)


def read(path):
    return qs.files.read_array(path).values


def problem(path, key=None):
    with pytest.raises(qs.DataError) as caught:
        qs.files.read_array(path, arrays.ArrayChoices(key=key))
    message = str(caught.value)
    assert "\n" not in message and os.fspath(path) in message
    return message


def written(tmp_path, text, name="my.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=2)),
    st.sampled_from([",", "\t", " ", ", "]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "a", "# a", '"a b"']),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_csv_is_read_however_it_is_spelt(tmp_path_factory, rows, comma, newline, header, mark, blank, last):
    if comma == " " and (" " in header or len(rows[0]) == 1):
        comma = ","
    lines = [comma.join(map(repr, row)) for row in rows]
    if header:
        lines.insert(0, comma.join(header if i == 0 else f"x{i}" for i in range(len(rows[0]))))
    if blank:
        lines[1:1] = ["", "  "]
    text = ("\ufeff" if mark else "") + newline.join(lines) + newline * last
    path = tmp_path_factory.mktemp("csv") / "some.CSV"
    path.write_bytes(text.encode())
    table = qs.files.read_array(path)
    np.testing.assert_array_equal(table.values, np.array(rows, np.float64))
    assert (table.columns is not None) == bool(header)
    if header:
        assert table.columns[0] == header.strip('"') and table.columns[1:] == tuple(f"x{i}" for i in range(1, len(rows[0])))


@given(
    st.integers(1, 3).flatmap(lambda n: st.lists(st.integers(0, 4), min_size=n, max_size=n)),
    st.sampled_from(["?", "i1", "<u2", ">i4", "<i8", "u8", "<f2", ">f4", "<f8", "g"]),
    st.booleans(),
    st.booleans(),
)
def test_arrays_are_read_in_any_shape_type_and_order(tmp_path_factory, shape, kind, fortran, large):
    folder = tmp_path_factory.mktemp("npy")
    values = np.random.default_rng(0).integers(0, 2, shape).astype(kind, order="F" if fortran else "C")
    np.save(folder / "a.npy", values)
    np.savez(folder / "b.npz", values)
    np.savez_compressed(folder / "c.npz", only=values)
    for name in ("a.npy", "b.npz", "c.npz"):
        found = read(folder / name)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


def test_savetxt_is_read(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 3))
    np.savetxt(tmp_path / "a.csv", values)
    np.savetxt(tmp_path / "b.csv", values, header="x y z", comments="")
    np.savetxt(tmp_path / "c.csv", values, header="x,y,z", delimiter=",", comments="")
    for name in "abc":
        np.testing.assert_array_equal(read(tmp_path / f"{name}.csv"), values)
    assert qs.files.read_array(tmp_path / "b.csv").columns == qs.files.read_array(tmp_path / "c.csv").columns == ("x", "y", "z")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "holds a header and no events"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, the others have 2"),
        ("1,2\n\n3,4,5\n", "line 3 has 3 cells, the others have 2"),
        ("a,b\n1,2\n3,red\n", "line 3, column 'b': 'red' is not a number, as all cells of an array are"),
        ("1,2\n3,1_000\n", "line 2, column 2: '1_000' is not a number"),
        ("1,2\n3,0x1F\n", "line 2, column 2: '0x1F' is not a number"),
        ("x,1\n2,3\n", "line 1, column 1: 'x' is not a number, and the line is no header, as it has numbers as well"),
        ("a,\n1,2\n3,oops\n", "line 3, column '': 'oops' is not a number"),
        ("a,b\n1,2\nnan,4\nnan,6\n", "2 of 6 numbers are missing, the first at line 3, column 'a'"),
        ("a,b\n1,2\n3,inf\n", "1 of 4 numbers are infinite, the first at line 3, column 'b'"),
        ("a,b\n1,2\n\n3,nan\n", "1 of 4 numbers are missing, the first at line 4, column 'b'"),
        ("a,b\n1,2\n3,1e999\n", "line 3, column 'b'"),
        (b"\xff\xfea\x00", "not UTF-8 text"),
        (b"caf\xe9,b\n1,2\n", "not UTF-8 text"),
        ('a,b\n1,"' + "x" * 200_000, "is not a number"),
    ],
)
def test_problems_of_a_csv_are_named(tmp_path, text, said):
    assert said in problem(written(tmp_path, text))


def test_long_text_in_a_cell_is_cut(tmp_path):
    assert len(problem(written(tmp_path, "a\n1\n" + "x" * 5000))) < 400


def test_files_that_are_none_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "is a folder" in problem(tmp_path)
    with pytest.raises(qs.DataError, match=r"^gone\.csv: there is no such file in "):
        qs.files.read_array("gone.csv")
    said = problem(written(tmp_path, "1,2", "my.json"))
    assert "ends in .npy, .npz, .csv, .tsv, .txt, .dat; make one of it: python -c " in said
    assert "read_json('my.json').to_csv('my.csv', index=False)" in said
    assert "keys are for .npz files" in problem(written(tmp_path, "1,2"), "x")
    assert "is not a .npz file" in problem(written(tmp_path, "1,2", "a.npz"))
    assert "is not a .npy array" in problem(written(tmp_path, "1,2", "a.npy"))
    assert "is not a .npy array" in problem(written(tmp_path, "", "a.npy"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "expected a file" in problem(tmp_path / "pipe.csv")


def test_one_of_several_arrays_is_chosen_by_its_key(tmp_path):
    path = tmp_path / "several.npz"
    np.savez(path, x=np.arange(6.0).reshape(3, 2), y=np.zeros(4))
    assert "holds 2 arrays (x, y); choose one with source.key" in problem(path)
    assert "holds no array 'z', but x, y" in problem(path, "z")
    table = qs.files.read_array(path, arrays.ArrayChoices(key="x"))
    np.testing.assert_array_equal(table.values, np.arange(6.0).reshape(3, 2))
    assert table.name.endswith("several.npz[x]")
    np.savez(tmp_path / "none.npz")
    assert "holds 0 arrays (nothing)" in problem(tmp_path / "none.npz")


class Bomb:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (self.canary, "w")


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_pickles_are_never_loaded(tmp_path, save):
    canary = tmp_path / "canary"
    path = tmp_path / ("a.npy" if save is np.save else "a.npz")
    save(path, np.array([Bomb(str(canary))], object))
    assert "Python objects (a pickle), which are never loaded" in problem(path)
    with open(path, "wb") as file:
        pickle.dump(Bomb(str(canary)), file)
    assert "is not a" in problem(path)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Bomb(str(canary)))).close()
    assert canary.exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array(3.0), "a single number"),
        (np.array(["a", "b"]), "expected real numbers, found type <U1"),
        (np.array([1 + 2j]), "expected real numbers, found type complex128"),
        (np.array(["2020-01-01"], "M8[D]"), "expected real numbers, found type datetime64[D]"),
        (np.zeros(3, [("a", float), ("b", int)]), "expected real numbers, found type"),
        (
            np.array([[[1.0, np.nan]], [[np.inf, 2.0]]]),
            "1 of 4 numbers are missing, the first at event 0, element (0, 1)",
        ),
    ],
)
def test_arrays_that_hold_no_numbers_are_named(tmp_path, values, said):
    np.save(tmp_path / "a.npy", values)
    np.savez_compressed(tmp_path / "b.npz", values)
    assert said in problem(tmp_path / "a.npy")
    assert said in problem(tmp_path / "b.npz")
    with pytest.raises(qs.DataError, match=r"^data: "):
        qs.files.as_table(values)


def test_ragged_lists_in_memory_are_named():
    with pytest.raises(qs.DataError, match="data: not an array"):
        qs.files.as_table([[1, 2], [3]])
    np.testing.assert_array_equal(qs.files.as_table([[1, 2], [3, 4]]).values, [[1, 2], [3, 4]])


def header(shape, kind="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (3, -1)])
def test_false_shapes_are_refused_before_anything_is_allocated(tmp_path, shape):
    path = written(tmp_path, header(shape) + b"\0" * 64, "a.npy")
    assert "is damaged: it declares" in problem(path) or "above the limit of 1 GB" in problem(path)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x.npy", header(shape) + b"\0" * 64)
    assert "is damaged" in problem(tmp_path / "b.npz") or "above the limit of 1 GB" in problem(tmp_path / "b.npz")


@pytest.mark.parametrize("name", ["a.npy", "b.npz"])
def test_more_rows_than_can_be_numbered_are_refused_even_if_empty(tmp_path, name):
    path = written(tmp_path, header((2**40, 0)), name)
    if name == "b.npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", header((2**40, 0)))
    assert "it takes 8.8e+03 GB, above the limit of 1 GB; QUASISTATIC_LIMIT_GB=N allows N GB" in problem(path)


def test_archives_that_unpack_to_more_than_the_limit_are_not_inflated(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((2**17, 2)))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**13
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "0.003")
    assert qs.files.read_array(tmp_path / "bomb.npz").values.shape == (2**17, 2)
    monkeypatch.setattr(np, "frombuffer", lambda *_: pytest.fail("inflated"))
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "0.002")
    assert "unpacked it takes 0.0021 GB, above the limit of 0.002 GB" in problem(tmp_path / "bomb.npz")
    assert "save it as .npy" in problem(tmp_path / "bomb.npz")


def test_archives_that_numpy_does_not_write_are_refused(tmp_path):
    """Other ways to compress take memory of their own, as much as the file likes."""
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", header((4,)) + b"\0" * 32)
    assert "compressed as numpy does not" in problem(tmp_path / "b.npz")


def test_archive_that_holds_more_than_it_declares_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "more.npz", "w") as archive:
        archive.writestr("x.npy", header((4,)) + b"\0" * 40)
    assert "is damaged: it declares 32 bytes of numbers and holds 40" in problem(tmp_path / "more.npz")


def test_archive_whose_directory_lies_about_a_size_is_refused(tmp_path):
    path = tmp_path / "liar.npz"
    np.savez_compressed(path, np.zeros(2**15))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    path.write_bytes(data)
    assert "is damaged" in problem(path)


@pytest.mark.parametrize("name", ["a.npy", "b.npz", "c.npz"])
def test_damaged_bytes_give_the_message_and_no_wrong_numbers(tmp_path, name):
    values = np.random.default_rng(0).normal(size=(20, 3))
    {"a.npy": np.save, "b.npz": np.savez, "c.npz": np.savez_compressed}[name](tmp_path / name, values)
    whole, rng, path = (tmp_path / name).read_bytes(), random.Random(0), tmp_path / f"damaged-{name}"
    for _ in range(400):
        data = bytearray(whole)
        place = rng.randrange(rng.choice([len(data), 160]))
        if rng.random() < 0.7:
            data[place] ^= 1 << rng.randrange(8)
        else:
            del data[place : place + rng.randint(1, 40)]
        path.write_bytes(data)
        try:
            found = read(path)
        except qs.DataError:
            continue
        if name != "a.npy":  # an .npy has no checksum
            np.testing.assert_array_equal(found, values)


def test_large_npy_stays_on_disk_and_small_one_does_not(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.arange(20.0).reshape(10, 2))
    assert not isinstance(read(tmp_path / "a.npy"), np.memmap)
    monkeypatch.setattr(_numpy_files, "MAP_ABOVE", 100)
    monkeypatch.setattr(_tables, "CHUNK", 6)
    table = qs.files.read_array(tmp_path / "a.npy")
    assert isinstance(table.values, np.memmap) and not table.values.flags.writeable
    parts = list(table.chunks())
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(parts), table.values)
    np.testing.assert_array_equal(np.concatenate(list(table.chunks(np.array([9, 0, 3, 3])))), table.values[[9, 0, 3, 3]])
    assert table.count(lambda x: x > 12) == (7, "event 6, column 2")
    assert table.count(lambda x: x < 0) == (0, "")
