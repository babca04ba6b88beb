"""Ways to write numbers and dates: recognised, settled or refused, and written as the file has them."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quasistatic.kits.tables.dates import DateForm, date_forms
from quasistatic.kits.tables.forms import NumberForm, fit_number_form, number_forms

COUNT = 40


def draws(write, seed=0, low=1_000.0, high=50_000.0):
    return [write(each) for each in np.random.RandomState(seed).uniform(low, high, COUNT).tolist()]


def german(text):
    return text.translate(str.maketrans(",.", ".,"))


NUMBERS = {
    "fixed": (lambda x: f"{x:.2f}", ","),
    "with a sign": (lambda x: f"{x - 25_000:+.2f}", ","),
    "whole": (lambda x: f"{x:.0f}", ","),
    "as short as it goes": (lambda x: repr(round(x, 2)).removesuffix(".0"), ","),
    "without a zero": (lambda x: f"{x / 60_000:.3f}"[1:], ","),
    "of Python": (lambda x: repr(float(f"{x * 10.0 ** -(int(x) % 12):.12g}")), ","),
    "of R": (lambda x: f"{x * 1e-9:.4g}", ","),
    "scientific": (lambda x: f"{x * 1e-9:.2e}", ","),
    "in capitals": (lambda x: f"{x * 1e-9:.2E}", ","),
    "three digits of an exponent": (lambda x: f"{x * 1e-9:.2e}".replace("e-", "e-0"), ","),
    "one digit of an exponent": (lambda x: f"{x * 1e-9:.2e}".replace("e-0", "e-"), ","),
    "large": (lambda x: f"{x * 1e20:.3e}", ","),
    "amounts": (lambda x: f"{x * 1e4:.2f}", ","),
    "decimal comma": (lambda x: german(f"{x:.2f}"), ";"),
    "quoted decimal comma": (lambda x: german(f"{x:.2f}"), ","),
    "thousands with commas": (lambda x: f"{x:,.2f}", ","),
    "whole thousands with commas": (lambda x: f"{x:,.0f}", ","),
    "thousands with points": (lambda x: german(f"{x:,.2f}"), ";"),
    "thousands with blanks": (lambda x: f"{x:,.1f}".replace(",", " "), ","),
    "thousands with narrow blanks": (lambda x: german(f"{x:,.1f}").replace(".", "\u202f"), ";"),
    "thousands with apostrophes": (lambda x: f"{x:,.1f}".replace(",", "'"), ","),
    "dollars": (lambda x: f"{'-' if x < 9_000 else ''}${x:,.2f}", ","),
    "euros": (lambda x: german(f"{x:,.2f} €"), ";"),
    "per cent": (lambda x: f"{x / 500:.1f}%", ","),
    "per cent after a blank": (lambda x: f"{x / 500:.1f} %", ","),
    "kilograms": (lambda x: f"{x / 500:.1f} kg", ","),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_written_as_they_are(files, name):
    write, delimiter = NUMBERS[name]
    cells = draws(write)
    text = files.beside(cells, delimiter)
    source = files.source(text)
    assert files.about(source).startswith("real"), source.notes
    assert not any("written otherwise" in note for note in source.notes)
    assert files.again(text) == text
    values = source.whole().numbers[0]
    plain = [cell.strip("%€kg ").replace("$", "").replace("'", "").replace("\u202f", "").replace(" ", "") for cell in cells]
    commas = [german(cell) if ("comma" in name and "thousands" not in name) or delimiter == ";" else cell for cell in plain]
    assert np.array_equal(values, [float(cell.replace(",", "")) for cell in commas])


def test_a_decimal_comma_is_settled_or_refused(files):
    three = draws(lambda x: german(f"{x / 500:.3f}"))
    text = files.csv(["gewicht", "ort"], three, ["Ulm", "Jena"] * 20, delimiter=";")
    said = files.problem(text)
    assert said.startswith("FILE: column 'gewicht': ") and "--set source.decimal=, or --set source.decimal=." in said
    comma, point = files.source(text, decimal=","), files.source(text, decimal=".")
    assert np.allclose(comma.whole().numbers[0] * 1000, point.whole().numbers[0])
    assert files.again(text, decimal=",") == files.again(text, decimal=".") == text
    settled = files.csv(["a", "b"], three, draws(lambda x: german(f"{x:.1f}")), delimiter=";")
    source = files.source(settled)
    assert "(decimal ,)" in files.about(source, "a") and np.array_equal(source.whole().numbers[0], comma.whole().numbers[0])
    assert files.again(settled) == settled


def test_what_is_written_otherwise_is_reported(files):
    for cells, said in (
        (draws(lambda x: f"{(x - 25_000) / 30_000:.1f}"), "'-0.0' as '0.0'"),
        ([*(f"{k}.{k % 9 + 1}25" for k in range(39)), "5.7500"], "'5.7500' as '5.75'"),
        (draws(lambda x: f"{x:.0f}."), "as"),
        (draws(lambda x: f"${'-' if x < 9_000 else ''}{x:.2f}"), "'$-"),
    ):
        notes = [note for note in files.source(files.beside(cells)).notes if "are written otherwise than in the file" in note]
        assert len(notes) == 1 and notes[0].startswith("v: ") and said in notes[0]


def test_what_looks_like_a_number_and_is_none_is_left_out_and_named(files):
    for write in (lambda x: f"{x:,.1f}".replace(",", "_"), lambda x: f"{x:.1f} {'kg' if x < 9_000 else 'lb'}"):
        source = files.source(files.csv(["v", "w"], draws(write) * 2, files.numbers(2 * COUNT)), most_categories=20)
        assert source.columns == ("w",)
        assert any(note.startswith("column 'v' is left out: it is text with 40 different values") for note in source.notes)


def days(format, count=COUNT, seed=0):
    random = np.random.RandomState(seed)
    seconds = random.randint(0, 3 * 10**8, count).tolist()
    return [(dt.datetime(2015, 1, 1) + dt.timedelta(seconds=each)).strftime(format) for each in seconds]


DATES = [
    "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y", "%-d/%-m/%Y", "%-m/%-d/%Y", "%d/%m/%y", "%-m/%-d/%y",
    "%d-%b-%Y", "%d %B %Y", "%B %d, %Y", "%b %-d, %Y", "%-d %b %Y", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M",
    "%-m/%-d/%Y %-H:%M", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+05:30", "%Y-%m-%d %H:%M:%S+0100",
    "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.7", "%Y-%m-%d %H:%M:%S.1234567", "%Y-%m-%d 00:00:00",
]  # fmt: skip


@pytest.mark.parametrize("format", DATES)
def test_dates_are_recognised_and_written_as_they_are(files, format):
    text = files.beside(days(format))
    source = files.source(text)
    assert files.about(source).startswith("date"), source.notes
    assert not any("written otherwise" in note for note in source.notes)
    assert files.again(text) == text
    values = source.whole().numbers[0]
    exact = [dt.datetime.strptime(each, "%Y-%m-%d %H:%M:%S").timestamp() for each in days("%Y-%m-%d %H:%M:%S")]
    scale = 1.0 if source.layout.columns[0].form.has_time else 86_400.0
    assert np.max(np.abs((values - values[0]) * scale - (np.array(exact) - exact[0]))) <= 86_400.0


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_months_keep_their_case(files, change):
    text = files.beside([change(each) for each in days("%d-%b-%Y")])
    assert files.again(text) == text


def test_the_order_of_day_and_month_is_settled_or_refused(files):
    early = [f"{1 + k % 12:02d}/{1 + k // 12 % 12:02d}/2020" for k in range(48)]
    said = files.problem(files.beside(early))
    assert "may be a date as %d/%m/%Y or %m/%d/%Y" in said and "source.dates=[" in said and "source.categorical" in said
    text = files.beside(early)
    one, other = (files.source(text, dates=(format,)).whole().numbers[0] for format in ("%d/%m/%Y", "%m/%d/%Y"))
    assert not np.array_equal(one, other)
    assert files.again(text, dates=("%m/%d/%Y",)) == text
    assert "read as %d/%m/%Y" in files.about(files.source(files.beside([*early, "25/03/2020"])))


def test_formats_of_dates_are_set_beside_those_that_are_recognised(files):
    text = files.csv(["v", "w"], days("%Y%m%d"), days("%Y-%m-%d", seed=1))
    source = files.source(text, dates=("%Y%m%d",))
    assert files.about(source).startswith("date") and files.about(source, "w").startswith("date")
    assert files.again(text, dates=("%Y%m%d",)) == text
    noon = files.beside(days("%m/%d/%Y %I:%M %p"))
    assert files.again(noon, dates=("%m/%d/%Y %I:%M %p",)) == noon
    for wrong in ("hello", "%Q", "%d/%m"):
        assert f"source.dates: the cells of no column are dates as {wrong!r}" in files.problem(text, dates=(wrong,))


def test_fractions_nanoseconds_and_midnights(files):
    millis = [f"{each}.{k * 7 % 1000:03d}" for k, each in enumerate(days("%Y-%m-%d %H:%M:%S"))]
    nanos = [f"2020-01-01 00:00:00.{k * 7_654_321 % 10**9:09d}" for k in range(COUNT)]
    short = [each[:10] if k % 4 == 0 else each for k, each in enumerate(days("%Y-%m-%d %H:%M:%S"))]
    for cells in (millis, nanos, short):
        text = files.beside(cells)
        assert files.again(text) == text
    long = [f"{each}.{k * 7_654_321 % 10**9:09d}" for k, each in enumerate(days("%Y-%m-%d %H:%M:%S"))]
    notes = files.source(files.beside(long)).notes  # more digits than float64 has
    assert any("cells are written otherwise than in the file" in note for note in notes)


def test_mixed_zones_are_moments_and_reported(files):
    cells = [each + ("+01:00" if k % 2 else "+02:00") for k, each in enumerate(days("%Y-%m-%dT%H:%M:%S"))]
    source = files.source(files.beside(cells))
    assert any("written otherwise" in note and "+00:00" in note for note in source.notes)
    values, exact = source.whole().numbers[0], [dt.datetime.fromisoformat(each).timestamp() for each in cells]
    assert np.array_equal(values - values[0], np.array(exact) - exact[0])


def test_dates_of_all_ages_and_sentinels(files):
    old = [each.replace("20", "18", 1) for each in days("%Y-%m-%d %H:%M:%S")]
    assert files.again(files.beside(old)) == files.beside(old)
    for far in ("9999-12-31", "1900-01-01", "0001-01-01"):
        cells = [far if k % 3 == 0 else each for k, each in enumerate(days("%Y-%m-%d"))]
        source = files.source(files.beside(cells))
        assert files.about(source) == f"date or {far}"
        assert any(note.startswith(f"v: {far} in 35 % of the rows, as a state of its own") for note in source.notes)
        assert files.again(files.beside(cells)) == files.beside(cells)
    never = ["0000-00-00" if k % 3 == 0 else each for k, each in enumerate(days("%Y-%m-%d"))]
    assert files.about(files.source(files.beside(never))) == "date or 0000-00-00"


def test_a_date_that_is_none_is_named(files):
    cells = days("%Y-%m-%d")
    cells[9] = "2020-02-31"
    said = files.problem(files.beside(cells))
    assert "column 'v': 39 of 40 cells are dates; line 11 has '2020-02-31'" in said
    for option in ("source.missing_words=", "source.categorical", "source.drop"):
        assert option in said
    assert "or 2020-02-31" not in files.about(files.source(files.beside(cells), missing_words=("2020-02-31",)))


# laws

STYLES = st.sampled_from(["fixed", "short", "point", "scientific", "general"])
FORMS = st.builds(
    NumberForm,
    style=STYLES,
    digits=st.integers(1, 6),
    exponent=st.integers(1, 3),
    before=st.sampled_from(["", "$"]),
    after=st.sampled_from(["", " %", "€"]),
    capital=st.booleans(),
    has_plus=st.booleans(),
    has_zero=st.booleans(),
) | st.builds(
    NumberForm,
    style=st.sampled_from(["fixed", "short"]),
    digits=st.integers(1, 4),
    decimal=st.just(","),
    thousands=st.sampled_from(["", ".", " ", "'"]),
)


@settings(max_examples=150)
@given(FORMS, st.lists(st.floats(-1e9, 1e9) | st.floats(-1e-3, 1e-3) | st.integers(-(10**6), 10**6), min_size=1, max_size=20))
def test_a_number_is_written_and_read_again(form, values):
    rounded = form.rounded(np.array(values, float))
    cells = form.write(rounded)
    assert np.array_equal(form.parse(pl.Series(cells, dtype=pl.String)), rounded)
    assert form.write(form.rounded(rounded)) == cells
    if form.resolution is not None:
        assert np.all(np.abs(rounded - values) <= 0.5 * form.resolution * (1 + 1e-9) + 1e-15 * np.abs(values))


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_the_fewest_digits_are_the_number(values):
    form = NumberForm("exact")
    assert np.array_equal(form.parse(pl.Series(form.write(np.array(values)))), np.array(values))


@settings(max_examples=60)
@given(FORMS, st.lists(st.floats(1e-2, 1e5), min_size=12, max_size=30, unique=True))
def test_the_form_of_cells_is_found(form, values):
    values = form.rounded(np.array(values))
    cells = form.write(values)
    decimal = form.decimal if form.decimal == "," else "auto"
    found = [fit_number_form(cells, each) for each in number_forms(cells, decimal, ";")]
    assert any(np.array_equal(each.parse(pl.Series(cells)), values) for each in found)
    assert any(each.write(values) == cells for each in found)


MOMENTS = st.lists(st.integers(-(2 * 10**9), 4 * 10**9), min_size=1, max_size=20)


@settings(max_examples=80)
@given(st.sampled_from([each for each in DATES if "." not in each.replace("%d.%m.%Y", "")]), MOMENTS)
def test_a_date_is_written_and_read_again(format, seconds):
    has_time = "%H" in format or "%-H" in format
    form = DateForm(format, has_time, origin=86_400 * 18_000 if has_time else 0)
    values = np.array(seconds, float) - form.origin if has_time else np.array(seconds) // 86_400
    rounded = form.rounded(values)
    cells = form.write(rounded)
    again = form.parse(pl.Series(cells, dtype=pl.String))
    if "%y" not in format:
        assert np.array_equal(again, rounded)
    assert form.write(again) == cells
    assert np.all(np.abs(rounded - values) <= 0.5 * form.resolution)


@settings(max_examples=40)
@given(st.sampled_from(DATES[:12]), st.lists(st.integers(0, 9_000), min_size=40, max_size=60))
def test_the_form_of_dates_is_found(format, numbers):
    days = [dt.date(2000, 1, 1) + dt.timedelta(each) for each in numbers]
    cells = [each.strftime(format) for each in days]
    found = date_forms(cells, ())
    exact = np.array([(each - dt.date(1970, 1, 1)).days for each in days])
    right = [form for form in found if np.array_equal(form.parse(pl.Series(cells)), exact)]
    assert len(right) == 1
    assert len(found) == 1 or all(each.day <= 12 for each in days)
    assert right[0].write(exact.astype(float)) == cells


@pytest.mark.parametrize("digits", [0, 1, 3, 9, 22])
@pytest.mark.parametrize("style", ["fixed", "short", "point"])
def test_a_rounded_number_is_the_one_that_its_cell_has(style: str, digits: int) -> None:
    """Also next to halves of the last digit, where float64 decides, and where numbers are large, small or zero."""
    rng = np.random.default_rng(digits)
    halves = (rng.integers(-1_000, 1_000, 300) + 0.5) / 10.0**digits
    wide = rng.normal(size=300) * 10.0 ** rng.integers(-8, 12, 300)
    numbers = np.concatenate([wide, halves, np.nextafter(halves, 0.0), np.round(wide, digits), [0.0, -0.0, 1e300, -5e-324]])
    form = NumberForm(style, digits)
    found, read = form.rounded(numbers), form.parse(pl.Series(form.write(numbers)))
    np.testing.assert_array_equal(found, read)
    assert not np.signbit(found[found == 0]).any()
