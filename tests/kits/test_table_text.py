"""Tables in text files: delimiters, headers, comments, encodings, line ends and damage; and that guesses are reported."""

import codecs
import gzip
import io

import attrs
import numpy as np
import polars as pl
import pytest

import quasistatic as qs
from quasistatic.kits import tables

TOWNS = ["Aix", "Bonn", "Cork"] * 8


def names(source):
    return list(source.columns)


def states(source, name):
    (column,) = (column for column in source.layout.columns if column.name == name)
    return set(column.states)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_a_delimiter_is_recognised_reported_and_written(files, delimiter):
    text = files.csv(["town", "area"], TOWNS, files.numbers(24), delimiter=delimiter)
    source = files.source(text)
    shown = {"\t": "tabs", " ": "blanks"}.get(delimiter, repr(delimiter))
    assert f"columns are parted by {shown} (source.delimiter), line 1 is the header (source.header)" in source.notes
    assert files.again(text) == text


def test_a_delimiter_is_set(files):
    text = files.csv(["town", "area"], TOWNS, files.numbers(24), delimiter=":")
    assert names(files.source(text, delimiter=":")) == ["town", "area"]
    assert files.again(text, delimiter=":") == text
    for wrong in ("::", '"', "\n"):
        assert "source.delimiter: expected one ASCII sign" in files.problem(text, delimiter=wrong)


@pytest.mark.parametrize(
    ("cells", "delimiter"),
    [
        (["three; four", "one; two"], ","),
        (["x|y", "z|y"], ","),
        (["Aix, France", "Bonn"], ","),
        (["1, 2; 3", "4, 5; 6"], "\t"),
        (['say "hi"', "no"], ","),
        (["two\nlines", "one"], ","),
        (["two\r\nlines", "one"], ","),
        (["# no comment\n# either", "one"], ","),
        (["it's", "'quoted'"], ","),
    ],
)
def test_signs_within_cells_are_of_the_cell(files, cells, delimiter):
    text = files.csv(["note", "area"], cells * 12, files.numbers(24), delimiter=delimiter)
    assert states(files.source(text), "note") == set(cells)
    assert files.again(text) == text


def test_quotation_marks_amid_cells_and_blanks_before_them(files):
    inches = "pipe,area\n" + "".join(f'5" pipe {k % 3},{cell}\n' for k, cell in enumerate(files.numbers(24)))
    assert states(files.source(inches), "pipe") == {f'5" pipe {k}' for k in range(3)}
    spaced = "area, town\n" + "".join(f'{cell}, "Aix, {k % 3}"\n' for k, cell in enumerate(files.numbers(24)))
    assert names(files.source(spaced)) == ["area", "town"]
    assert states(files.source(spaced), "town") == {f"Aix, {k}" for k in range(3)}


def test_columns_that_blanks_align(files):
    rows = [f"{town:<8}{cell:>10}" for town, cell in zip(["town", *TOWNS], ["area", *files.numbers(24)], strict=True)]
    assert files.cells(files.again("\n".join(rows)), " ") == [row.split() for row in rows]


def test_tables_as_R_writes_them(files):
    cars = [f"Car {k % 7}" for k in range(24)]
    rows = [f'"{car}" {cell} "{town}"' for car, cell, town in zip(cars, files.numbers(24), TOWNS, strict=True)]
    source = files.source('"mpg" "town"\n' + "\n".join(rows))
    assert names(source) == ["", "mpg", "town"] and states(source, "") == set(cars)
    source = files.source("mpg,town\n" + "\n".join(row.replace('" ', '",').replace(' "', ',"') for row in rows))
    assert names(source) == ["", "mpg", "town"]


@pytest.mark.parametrize("name", ["2019", "true", "inf", "NA", "2020-01-31", "nan", "-", "1e5"])
def test_a_header_may_look_like_anything(files, name):
    for header, *columns in (
        (["country", name, "2021"], TOWNS, files.numbers(24), files.numbers(24, 1)),
        (["height", name], files.numbers(24), files.numbers(24, 1)),
    ):
        text = files.csv(header, *columns)
        source = files.source(text)
        assert names(source) == header
        assert len(source.whole()) == 24
        assert files.again(text) == text


def test_a_header_is_recognised_reported_and_set(files):
    text = files.csv(None, TOWNS, files.numbers(24))
    source = files.source(text)
    assert names(source) == ["column 1", "column 2"] and len(source.whole()) == 24
    assert any("there is no header (source.header)" in note for note in source.notes)
    assert files.again(text) == text
    words = files.csv(["a", "b"], TOWNS, ["x", "y"] * 12)
    assert names(files.source(words)) == ["a", "b"]
    assert names(files.source(words, header="no")) == ["column 1", "column 2"]
    assert len(files.source(words, header="no").whole()) == 25
    years = files.csv(["2018", "2019"], files.numbers(24), files.numbers(24, 1))
    assert names(files.source(years, header="yes")) == ["2018", "2019"]


@pytest.mark.parametrize("header", ["yes", "no"])
def test_another_file_has_a_header_where_a_column_is_named(files, header):
    text = files.csv(["2018", "2019"], files.numbers(24), files.numbers(24, 1))
    path = files.file(text)
    source = files.source(path, header=header)
    assert len(source.read_events(path).x["numbers"]) == (24 if header == "yes" else 25)


def test_a_first_row_with_a_gap_is_no_header(files):
    cells = ["NA", *files.numbers(23)]
    source = files.source(files.csv(None, cells, files.numbers(24, 1), TOWNS))
    assert len(source.whole()) == 24


def test_names_that_lack_or_are_there_twice(files):
    numbers = files.numbers(24)
    assert "2 columns are called 'a'" in files.problem(files.csv(["a", "a"], TOWNS, numbers))
    assert names(files.source(files.csv(["a", "", "b"], TOWNS, numbers, files.numbers(24, 1)))) == ["a", "", "b"]
    trailing = files.source(files.csv(["a", "b", "", ""], TOWNS, numbers, [""] * 24, [""] * 24))
    assert names(trailing) == ["a", "b"]
    rows = files.csv(None, TOWNS, numbers, [""] * 24)
    assert names(files.source("a,b\n" + rows)) == ["a", "b"]


def test_comments_at_the_top(files):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24))
    source = files.source("# made by hand\n# on 3 May, 2020\n\n" + rows)
    assert names(source) == ["town", "area"] and len(source.whole()) == 24
    assert "2 lines at the top that begin with # are comments (source.comment)" in source.notes
    assert any("line 4 is the header" in note for note in source.notes)
    numbers = files.csv(None, files.numbers(24), files.numbers(24, 1))
    assert names(files.source("# a,b\n" + numbers)) == ["a", "b"]
    assert names(files.source("# a b\n" + numbers.replace(",", " "))) == ["a", "b"]
    assert names(files.source("#town" + rows[4:])) == ["#town", "area"]
    assert "holds no rows, only 2 lines that begin with #" in files.problem("# a\n# b\n")


@pytest.mark.parametrize("sign", ["#", "%", "//"])
def test_a_comment_sign_is_set(files, sign):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24))
    text = f"{sign} at the top\n{rows}{sign} amid\nAix,3.0\n{sign} at the end"
    source = files.source(text, comment=sign)
    assert names(source) == ["town", "area"] and len(source.whole()) == 25
    assert source.whole().places[-1] == 28


def test_rows_that_begin_with_a_comment_sign_are_rows(files):
    colours = ["#ff0000", "#00ff00", "#0000ff", "navy"] * 6
    for text in (files.csv(["colour", "area"], colours, files.numbers(24)), files.csv(None, colours, files.numbers(24))):
        source = files.source(text)
        assert len(source.whole()) == 24 and states(source, source.columns[0]) == set(colours)
        assert files.again(text) == text
    only = ["#ff0000", "#00ff00", "#0000ff"] * 8
    assert len(files.source(files.csv(None, only, files.numbers(24))).whole()) == 24
    tickets = [f"#{k % 4}" for k in range(24)]
    assert states(files.source(files.beside(tickets)), "v") == set(tickets)


TEXT = "town,area\n" + "".join(f"{'Aïx é' if k % 2 else 'Bonn'},{k}.5\n" for k in range(24))


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (codecs.BOM_UTF8 + TEXT.encode(), None),
        (TEXT.encode(), None),
        (TEXT.encode("utf-16"), "text is read as utf-16 (source.encoding)"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "text is read as utf-16 (source.encoding)"),
        (TEXT.encode("utf-32"), "text is read as utf-32 (source.encoding)"),
        (TEXT.encode("latin-1"), "line 3 is not UTF-8, so that text is read as windows-1252 (source.encoding)"),
        (
            TEXT.encode("latin-1").replace(b"Bonn", b"Bo\x81n"),
            "line 2 is not UTF-8, so that text is read as latin-1 (source.encoding)",
        ),
    ],
)
def test_an_encoding_is_recognised_and_reported(files, data, note):
    source = files.source(data)
    assert names(source) == ["town", "area"] and "Aïx é" in states(source, "town")
    assert [each for each in source.notes if "source.encoding" in each] == ([note] if note else [])


def test_an_encoding_is_set(files):
    source = files.source(TEXT.replace("Bonn", "東京").replace("Aïx é", "大阪").encode("shift-jis"), encoding="shift-jis")
    assert states(source, "town") == {"東京", "大阪"}
    assert names(files.source(codecs.BOM_UTF8 + TEXT.encode(), encoding="utf-8")) == ["town", "area"]
    assert "there is no encoding 'klingon'" in files.problem(TEXT, encoding="klingon")
    assert "is not utf-8 text" in files.problem(TEXT.encode("latin-1"), encoding="utf-8")
    late = (TEXT + "Bonn,3.0\n" * 30_000 + "Aïx,3.0\n").encode("latin-1")
    assert "is not utf-8 text" in files.problem(late, encoding="utf-8")
    assert "source.encoding" in files.problem(TEXT.encode("utf-16-le"))
    assert "source.encoding" in files.problem(bytes(range(256)) * 20)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\n  \n"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_end_in_many_ways(files, end, last):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24))
    text = rows.replace("\n", end) if last else rows.rstrip("\n").replace("\n", end)
    path = files.file(text)
    source = files.source(path)
    assert source.write_events(source.read_events(path).x, ".csv").decode() == rows
    blank = max(0, end.count("\n") - 1) * (24 + last - 1) + (last and end.count("\n") > 1)
    lost = [note for note in source.notes if "without any cell" in note]
    assert bool(lost) == bool(blank)
    assert source.whole().places[-1] == 1 + 24 * max(1, end.count("\n"))


def test_mixed_line_ends_blank_lines_and_rare_spaces(files):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24))
    mixed = rows.replace("\nAix", "\r\nAix").replace("\nCork", "\rCork")
    assert files.again(mixed) == rows
    assert files.again("\n\n" + rows + "\n\n") == rows
    assert any("2 rows without any cell are left out" in note for note in files.source(rows + "\n,\n").notes)
    for sign in "\x0b\x0c\x1c\x85\u2028":
        text = rows.replace("town", f"to{sign}wn").replace("Cork", f"Co{sign}rk")
        assert files.again(text) == text


@pytest.mark.parametrize(
    ("last", "line", "count"),
    [("Aix\n", 26, 1), ("Aix,1,2\n", 26, 3), ("\n\nAix,1,2\n", 28, 3), ("Aix,1\n" * 3000 + "Bonn", 3026, 1)],
)
def test_a_row_with_other_cells_is_named_by_its_line(files, last, line, count):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24))
    said = f"FILE: line {line} has {count} cells, the others have 2"
    for text in (rows + last, (rows + last).replace("\n", "\r\n")):
        assert files.problem(text).startswith(said)
    assert "source.delimiter" in files.problem(rows + last)
    quoted = rows.replace("Aix", '"A,\nx"')  # 8 cells of two lines
    assert files.problem(quoted + last.replace("Aix", "Bonn")).startswith(said.replace(str(line), str(line + 8)))


def test_lines_of_cells_in_messages_count_quoted_line_ends(files):
    cells = files.numbers(24)
    cells[20] = "12O"
    text = files.csv(["area", "town"], cells, ["two\nlines", "one"] * 12)
    assert "23 of 24 cells are numbers; line 32 has '12O'" in files.problem(text)
    assert "line 32 has '12O'" in files.problem(text.replace("\n", "\r\n"))


def test_an_open_quotation_mark_is_named(files):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24)).splitlines(keepends=True)
    rows[6] = '"' + rows[6]
    assert "FILE: line 7: unexpected end of data  (is a quotation mark left open?" in files.problem("".join(rows))


def test_files_without_rows(files):
    for text in ("", "\n\n  \n", "\ufeff"):
        assert files.problem(text) == "FILE: is empty"
    for text in ("a,b\n", "a,b", "a"):
        assert files.problem(text) == "FILE: holds a header and no rows"
    assert "FILE: " in files.problem("a,b\n1,2\n")
    assert "holds 9 rows, expected at least 10" in files.problem(files.csv(["v"], files.numbers(9)))


def test_one_column_and_many(files):
    text = files.csv(["v"], files.numbers(24))
    assert files.again(text) == text
    gaps = "v\n" + "".join(f"{cell}\n" if k % 5 else '""\n' for k, cell in enumerate(files.numbers(24)))
    assert files.again(gaps) == gaps
    wide = files.csv([f"c{k}" for k in range(60)], *(files.numbers(12, k) for k in range(60)))
    assert files.again(wide) == wide


def test_a_compressed_file_and_a_damaged_one(files):
    rows = files.csv(["town", "area"], TOWNS, files.numbers(24))
    packed = gzip.compress(rows.encode())
    assert len(files.source(packed, ".csv.gz").whole()) == 24
    damaged = [packed[:-12], packed[:-8] + b"12345678", packed[:40] + bytes([packed[40] ^ 255]) + packed[41:], rows.encode()]
    for data in damaged:
        assert "FILE: is not a .gz file, or is damaged" in files.problem(data, ".csv.gz")
    assert files.problem(b"", ".csv.gz") == files.problem(gzip.compress(b""), ".csv.gz") == "FILE: is empty"


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".feather", ".xlsx", ".jsonl", ".ndjson"])
def test_other_files_that_are_none_are_one_message(files, ending):
    for data in (b"", b"hello", b"\x00" * 100):
        assert files.problem(data, ending).startswith("FILE: ")
        assert "os error" not in files.problem(data, ending)


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("ms"), pl.Datetime("us")], ids=str)
def test_dates_that_no_calendar_has_are_named(files, kind):
    ticks = pl.Series([*range(20), 2**31 - 1 if kind == pl.Date else 2**63 - 1]).cast(pl.Int32 if kind == pl.Date else pl.Int64)
    frame = pl.DataFrame({"area": range(21), "at": ticks.cast(kind)})
    for ending, write in ((".parquet", frame.write_parquet), (".arrow", frame.write_ipc)):
        out = io.BytesIO()
        write(out)
        assert files.problem(out.getvalue(), ending) == "FILE: column 'at', row 21: holds a date beyond the year 249,000"
    with pytest.raises(qs.DataError, match="data: column 'at', row 20: holds a date beyond"):
        tables.frame_source(tables.TableOptions(), frame)


@pytest.mark.parametrize("line", ['{"area": "\\ud800"}', '{"\\udfff": 3}'])
def test_half_a_letter_in_a_line_of_json_is_named(files, line):
    said = files.problem("\n".join(['{"area": 1}'] * 20 + [line]), ".jsonl")
    assert "FILE: line 21, column" in said and "one half of a surrogate pair" in said


def test_a_file_is_read_in_pieces(files, monkeypatch):
    text = files.csv(["note", "area"], ["two\nlines, one", "one"] * 500, files.numbers(1000))
    whole = files.source(text).whole()
    monkeypatch.setattr("quasistatic.kits.tables.pieces.PIECE", 997)
    for end in ("\n", "\r\n"):
        found = files.source(text.replace("\n", end)).whole()
        assert np.array_equal(found.places, whole.places)
        assert all(np.array_equal(one, other) for one, other in zip(found.states, whole.states, strict=True))
        assert np.array_equal(found.numbers[1], whole.numbers[1])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "cells, is_plain",
    [
        (["1.5", "-0.25", "10.05", ".5", "1000"], True),
        (["1.5", "", "2.0", "3.1", "4.0"], True),
        (["1.5", "007", "2", "3", "4"], False),
        (["1.5", "-07", "2", "3", "4"], False),
        (["1.5", "1e3", "2", "3", "4"], False),
        (["1.5", "+2", "2", "3", "4"], False),
        (["1.5", " 2", "2", "3", "4"], False),
        (["1.5", "NA", "2", "3", "4"], False),
    ],
)
def test_cells_of_plain_digits_are_seen(files, monkeypatch, cells, is_plain, end):
    text = files.csv(["a", "b"], cells, ["5.25"] * 5, end=end)
    for some in (1, 3, 2**17):  # bytes that are looked at together
        monkeypatch.setattr("quasistatic.kits.tables.pieces.SOME", some)
        (piece,) = tables.read_table(files.file(text), tables.TableOptions(delimiter=",", header="yes")).pieces()
        assert piece.is_plain == is_plain and piece.frame["0"].to_list() == [cell or None for cell in cells]


def test_numbers_are_read_once_and_other_cells_again(files):
    numbers = files.numbers(24)
    for text, count in ((files.csv(["a", "b"], numbers, numbers), 1), (files.csv(["a", "town"], numbers, TOWNS), 2)):
        table, read = tables.read_table(files.file(text)), []
        counted = attrs.evolve(table, pieces=lambda table=table, read=read: (read.append(each) or each for each in table.pieces()))
        found = tables.read_columns(counted, tables.TableOptions())
        assert len(read) == count
        assert found.values.numbers[0].tolist() == list(map(float, numbers))


def test_paths_that_are_no_tables(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv", tmp_path / "my.pdf"):
        if path.suffix == ".pdf":
            path.touch()
        with pytest.raises(qs.DataError, match=r"expected a file that ends in|there is no such file"):
            tables.read_table(path)
