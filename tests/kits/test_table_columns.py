"""What columns are: categories, codes, gaps, words, booleans, constants; and cells that do not fit."""

import numpy as np
import pytest

from quasistatic.kits.tables.columns import Column

N = 60
RANDOM = np.random.RandomState(0)


def picked(*cells, count=N, seed=0):
    """Cells of these, all of them among the first."""
    some = np.random.RandomState(seed).randint(0, len(cells), count - len(cells))
    return [*cells, *(cells[k] for k in some)]


def with_some(cells, word, every=7, first=5):
    return [word if k % every == first else cell for k, cell in enumerate(cells)]


def column(source, name="v"):
    (found,) = (each for each in source.layout.columns if each.name == name)
    return found


REALS = [f"{each:.2f}" for each in np.random.RandomState(1).normal(170, 10, N)]


@pytest.mark.parametrize(
    ("cells", "described"),
    [
        (picked("1E3", "1000", "2E3", "1F3"), "categorical 1000, 1E3, 1F3, 2E3"),
        (picked("1E3", "1000", "2E3"), "categorical 1000, 1E3, 2E3"),
        (picked("01", "1", "2"), "categorical 01, 1, 2"),
        (picked("1", "1.0", "2"), "categorical 1, 1.0, 2"),
        (picked("-0", "0", "1"), "categorical -0, 0, 1"),
        (picked("00534", "10789", "04407"), "categorical 00534, 04407, 10789"),
        (picked("9007199254740992", "9007199254740993"), "binary 9007199254740992, 9007199254740993"),
        (picked("None", "Beer", "Wine"), "categorical Beer, None, Wine"),
        (picked("NA", "ZA", "BW"), "categorical BW, NA, ZA"),
        (picked("Infinity", "NaN", "None"), "categorical Infinity, NaN, None"),
        (picked("true", "false"), "binary false, true"),
        (picked("TRUE", "FALSE"), "binary FALSE, TRUE"),
        (picked("True", "False", ""), "categorical False, True, some missing"),
        (picked("0", "1"), "binary 0, 1"),
        (picked("0.0", "1.0"), "binary 0.0, 1.0"),
        (picked("1", "3", "5"), "ordinal 1, 3, 5"),
        (picked("1", "2", "3", "other"), "categorical 1, 2, 3, other"),
        (picked("1", "2", "3+"), "categorical 1, 2, 3+"),
        (picked("0x1", "0x2"), "binary 0x1, 0x2"),
        (picked("1_000", "2_000", "3_000"), "categorical 1_000, 2_000, 3_000"),
        (picked("yes", "Yes", "yes "), "binary Yes, yes"),
        (["7"] * N, "constant 7"),
        (["x"] * N, "constant x"),
        (["NA"] * N, "constant NA"),
        (with_some(["7"] * N, ""), "categorical 7, some missing"),
    ],
)  # fmt: skip
def test_what_a_column_is(files, cells, described):
    text = files.beside(cells)
    source = files.source(text)
    assert files.about(source) == described
    stripped = [[cell.strip() for cell in row] for row in files.cells(text)]
    assert files.cells(files.again(text)) == stripped


def test_kinds_are_set(files):
    text = files.csv(["v", "w", "u"], picked("1", "2", "3", "4"), REALS, picked("2020-01-01", "2021-01-01", "2022-01-01"))
    assert files.about(files.source(text, real=("v",))).startswith("real")
    assert files.about(files.source(text, count=("v",))) == "count from 1 to 4"
    assert files.about(files.source(text, categorical=("v",))) == "categorical 1, 2, 3, 4"
    assert files.about(files.source(text, categorical=("u",)), "u") == "categorical 2020-01-01, 2021-01-01, 2022-01-01"
    assert files.source(text, drop=("w",)).columns == ("v", "u")
    assert files.source(text, columns=("u", "w")).columns == ("u", "w")
    for kind in ("real", "count", "ordinal"):
        assert f"source.{kind}: column 'town' holds 'Aix', which is not a number" in files.problem(
            files.beside(REALS), **{kind: ("town",)}
        )
    for option in ("real", "drop", "columns", "categorical"):
        assert f"source.{option}: there is no column 'x'  (it has: v, w, u)" in files.problem(text, **{option: ("x",)})


def test_codes_are_reported_and_made_numbers_where_that_is_set(files):
    codes = [f"{each:05d}" for each in np.random.RandomState(0).randint(0, 10_000, N)]
    source = files.source(files.beside(codes), most_categories=70)
    assert "cells of 'v' look like numbers but are codes, and are read as text" in source.notes
    assert column(source).kind == "categorical" and files.again(files.beside(codes), most_categories=70) == files.beside(codes)
    assert files.about(files.source(files.beside(codes), real=("v",))).startswith("real")


def test_text_of_too_many_values_is_left_out_and_named(files):
    stories = [f"story {k}" for k in range(N)]
    source = files.source(files.csv(["v", "w"], REALS, stories))
    assert source.columns == ("v",)
    said = "column 'w' is left out: it is text with 60 different values, more than source.most_categories = 50"
    assert said in source.notes
    assert files.source(files.csv(["v", "w"], REALS, stories), most_categories=60).columns == ("v", "w")
    empty = files.source(files.csv(["v", "w"], REALS, [""] * N))
    assert "column 'w' is left out: it is empty" in empty.notes
    said = files.problem(files.csv(["w"], stories))
    assert "no column is left" in said and "source.most_categories" in said


def test_gaps_are_states_by_their_spelling(files):
    cells = REALS
    for place, word in enumerate(["NA", "", "null", "n/a", "?", "NaN"]):
        cells = with_some(cells, word, every=12, first=place)
    text = files.beside(cells)
    source = files.source(text)
    assert column(source).missing == ("", "?", "NA", "NaN", "n/a", "null")
    assert "missing cells are also written '?', 'NA', 'NaN', 'n/a', 'null' (source.missing_words)" in source.notes
    assert "30 of 120 cells are missing: each is a state of its own" in source.notes
    assert files.again(text) == text


def test_a_missing_word_is_one_in_the_whole_file_where_numbers_have_it(files):
    text = files.csv(["v", "country"], with_some(REALS, "NA"), picked("NA", "ZA", "BW"))
    source = files.source(text)
    assert column(source, "country").missing == ("NA",)
    assert files.again(text) == text
    other = files.source(files.csv(["v", "country"], REALS, picked("NA", "ZA", "BW")))
    assert column(other, "country").missing == ()
    assert "'NA' are categories, not missing cells (source.missing_words)" in other.notes
    alone = files.source(text, missing_words=())
    assert column(alone, "country").missing == () and "NA" in column(alone).states and not column(alone).missing


def test_missing_words_are_set_also_those_that_look_like_numbers(files):
    text = files.beside(with_some(REALS, "-999"))
    source = files.source(text, missing_words=("-999",))
    assert column(source).missing == ("-999",)
    assert np.nanmin(source.whole().numbers[0]) > 0
    assert files.again(text, missing_words=("-999",)) == text
    words = files.source(files.beside(with_some(picked("a", "b", "c"), "None")), missing_words=("None",))
    assert column(words).missing == ("None",)


def test_a_gap_is_one_however_it_is_written(files):
    source = files.source(files.beside(with_some(REALS, "NA")))
    data = source.read_events(files.file(files.beside(with_some(REALS, ""))))
    assert data.outside == ()
    assert source.write_events(data.x, ".csv").decode() == files.beside(with_some(REALS, "NA"))


def test_words_among_numbers_are_states(files):
    for word in ("<0.1", "inf", "#DIV/0!"):
        text = files.beside(with_some(REALS, word))
        source = files.source(text)
        assert files.about(source) == f"real or {word}"
        assert files.again(text) == text
    excel = with_some(with_some(REALS, "#N/A"), "#DIV/0!", first=2)
    source = files.source(files.beside(excel))
    assert files.about(source) == "real or #DIV/0!, some missing ('#N/A')"


@pytest.mark.parametrize("cell", ["12O", "#DIV/0!", "inf", "1e400", "(12.5)", "12,5;", "12,5", "2020-01-01"])
def test_one_bad_cell_is_named_with_its_line_and_the_options(files, cell):
    cells = [*REALS]
    cells[7] = cell
    said = files.problem(files.beside(cells))
    assert f"FILE: column 'v': 59 of 60 cells are numbers; line 9 has {cell!r}. Mend the cell" in said
    assert f"--set 'source.missing_words=[\"{cell}\"]'" in said
    assert "source.categorical" in said and "source.drop" in said
    source = files.source(files.beside(cells), missing_words=(cell,))
    assert column(source).missing == (cell,)
    assert files.again(files.beside(cells), missing_words=(cell,)) == files.beside(cells)


def test_a_number_that_is_too_large_is_named(files):
    cells = [*REALS]
    cells[7] = "1e200"
    assert "column 'v': expected numbers up to 1e+150, got one of size 1e+200" in files.problem(files.beside(cells))


def test_blanks_around_cells_are_left_out_and_counted(files):
    source = files.source("v, w\n" + "".join(f"{cell}, {cell}\n" for cell in REALS))
    assert source.columns == ("v", "w")
    assert "blanks around 60 cells are left out, in 'w'" in source.notes


def test_a_constant_column_stands_beside_others_and_not_alone(files):
    text = files.csv(["v", "w"], REALS, ["7"] * N)
    assert files.again(text) == text
    assert "no column is left" in files.problem(files.csv(["w", "u"], ["7"] * N, ["x"] * N))


def test_columns_are_JSON_values_and_back(files):
    cells = with_some(with_some(REALS, "NA"), "<1", first=2)
    text = files.csv(["v", "w", "d"], cells, picked("a", "b", ""), [f"2020-01-{1 + k % 28:02d}" for k in range(N)])
    for each in files.source(text, bounds={"v": "positive"}).layout.columns:
        again = Column.of_json(each.to_json())
        assert str(again) == str(each)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Column.of_json({"name": "v"})


def test_why_a_cell_has_no_state_is_one_sentence(files):
    source = files.source(files.csv(["v", "w"], REALS, picked("a", "b", "c")))
    other = files.csv(["v", "w"], ["", "x", "1.0", REALS[0]], ["a", "a", "d", "a"])
    data = source.read_events(files.file(other))
    assert [(each.number, each.reason) for each in data.outside] == [
        (0, "v: the cell is empty, and in training the column had no gap"),
        (1, "v: 'x' is not a number"),
        (2, "w: 'd' is not among what the column holds (categorical a, b, c)"),
    ]
    assert [each.tags["line"] for each in data.outside] == [2, 3, 4] and data.tags["line"].tolist() == [5]


@pytest.mark.parametrize("cells", [("1e5", "2e5"), ("1.0", "2"), ("1e5", "")], ids=str)
def test_few_numbers_in_a_spelling_of_their_own_are_text(files, cells):
    text = files.beside([cells[k % len(cells)] for k in range(N)])
    assert files.again(text) == text


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["9:30 AM", "12:05 PM", "1:00 am"], "cells of 'v' are times of day, such as '9:30 AM', and are read as text"),
        ([f"{k % 24:02d}:{k % 60:02d}" for k in range(N)], "cells of 'v' are times of day, such as '00:00', and are read as text"),
        (["USD 12", "EUR 1,200.50"], "cells of 'v' are amounts with a currency, such as 'USD 12', and are read as text"),
    ],
    ids=["am and pm", "hours", "currencies"],
)
def test_times_and_amounts_that_are_text_are_said(files, cells, said):
    text = files.beside([cells[k % len(cells)] for k in range(N)])
    source = files.source(text, most_categories=N)
    assert (
        said in source.notes and column(source).kind in ("binary", "categorical") and files.again(text, most_categories=N) == text
    )
    assert not any("read as text" in each for each in files.source(files.beside([f"{k} USD" for k in range(N)])).notes)


def test_digits_of_other_scripts_beside_powers_are_no_defect(files):
    said = files.problem(files.beside(["1e5", "\u0661\u0662", *(str(k) for k in range(N - 2))]))
    assert "numbers; line 3 has" in said
