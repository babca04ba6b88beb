"""Kinds of tables that people have, each with the outcome that they expect; and messages of the command line."""

import json

import numpy as np
import pytest

N = 24
AREAS = [f"{each:.1f}" for each in np.random.RandomState(0).normal(170, 9, 200)]


def dates(count, format="%m/%d/%Y"):
    import datetime as dt

    random = np.random.RandomState(1)
    return [(dt.date(2000, 1, 1) + dt.timedelta(int(each))).strftime(format) for each in random.randint(0, 9000, count)]


def cycle(*cells, count=N):
    return [cells[k % len(cells)] for k in range(count)]


def conc(count=N):
    return [f"{each:.2e}" for each in np.random.RandomState(2).lognormal(-12.3, 0.9, count)]


def rain(count=200):
    random = np.random.RandomState(3)
    return [f"{0.1 + each:.1f}" if random.rand() < 0.28 else "0.0" for each in random.exponential(4.0, count)]


def valid(count=40):
    return ["9999-12-31" if k % 3 == 0 else each for k, each in enumerate(dates(count, "%Y-%m-%d"))]


def amounts(count=N):
    return [f"{each:.2f}" for each in np.random.RandomState(4).uniform(4e6, 9e7, count)]


TABLES = {
    "codes that look like numbers": (
        {"well": cycle("1E3", "1000", "2E3", "1F3"), "account": cycle(*(str(2**53 + k) for k in range(4))), "area": AREAS[:N]},
        {"well": "categorical 1000, 1E3, 1F3, 2E3", "account": f"categorical {', '.join(str(2**53 + k) for k in range(4))}"},
    ),
    "cells of more digits than float32": (
        {"amount": amounts(), "at": [f"2021-05-{1 + k:02d}T11:{k:02d}:3{k % 10}+05:30" for k in range(N)], "area": AREAS[:N]},
        {"amount": "real", "at": "date"},
    ),
    "rows that begin with #": (
        {"colour": cycle("#ff0000", "#00ff00", "teal", "navy", count=48), "area": AREAS[:48]},
        {"colour": "categorical #00ff00, #ff0000, navy, teal"},
    ),
    "gaps beside words": (
        {"height": ["", *AREAS[1:N]], "town": cycle("Aix", "Bonn", "Cork"), "smokes": cycle("yes", "no")},
        {"height": "real, some missing", "town": "categorical Aix, Bonn, Cork", "smokes": "binary no, yes"},
    ),
    "leading zeros": (
        {"zip": [f"{each:05d}" for each in np.random.RandomState(5).choice(9000, N, replace=False)], "area": AREAS[:N]},
        {"zip": "categorical of 24"},
    ),
    "None and NA as categories": (
        {"alcohol": cycle("None", "Beer", "Wine"), "country": cycle("NA", "ZA", "BW", "NA"), "area": AREAS[:N]},
        {"alcohol": "categorical Beer, None, Wine", "country": "categorical BW, NA, ZA"},
    ),
    "years in a header": (
        {"country": cycle("Peru", "Chad"), "2019": AREAS[:N], "2020": AREAS[1 : N + 1]},
        {"2019": "real", "country": "binary Chad, Peru"},
    ),
    "dates of America": ({"weight": AREAS[:84], "born": dates(84)}, {"born": "date read as %m/%d/%Y"}),
    "scientific notation": ({"conc": conc(), "height": AREAS[:N]}, {"conc": "real > 0.00e+00"}),
    "semicolons in text": ({"note": cycle("three; four", "one; two"), "area": AREAS[:N]}, {"note": "binary one; two, three; four"}),
    "a date without an end": ({"valid_to": valid(), "height": AREAS[:40]}, {"valid_to": "date or 9999-12-31"}),
    "a spike at zero": ({"rain": rain(), "area": AREAS}, {"rain": "or 0.0"}),
}  # fmt: skip


def sampled(source, count=500):
    """A file of what a network might make, events of any numbers and states."""
    random, xs = np.random.RandomState(6), {}
    for name, part in source.event.parts().items():
        shape = (count, *part.shape)
        drawn = random.normal(size=shape) if name == "numbers" else random.randint(0, getattr(part, "categories", 2), shape)
        xs[name] = drawn.astype(part.dtype)
    return source.write_events(xs, ".csv").decode()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_it_is_and_comes_back(files, name):
    columns, wanted = TABLES[name]
    text = files.csv(list(columns), *columns.values())
    source = files.source(text)
    assert source.columns == tuple(columns)
    assert len(source.whole()) == len(next(iter(columns.values())))
    for column, what in wanted.items():
        assert what in files.about(source, column)
    assert files.again(text) == text
    made = files.cells(sampled(source))
    assert made[0] == list(columns) and len(made) == 501
    for place, (column, cells) in enumerate(columns.items()):
        if files.about(source, column).startswith(("categorical", "binary")):
            assert {row[place] for row in made[1:]} == set(cells)


def test_samples_of_concentrations_and_rain_are_such(files):
    columns, _ = TABLES["scientific notation"]
    made = files.cells(sampled(files.source(files.csv(list(columns), *columns.values()))))[1:]
    values = np.array([float(row[0]) for row in made])
    assert np.all(values > 0) and np.all(values < 1e-3) and all("e-" in row[0] for row in made)
    columns, _ = TABLES["a spike at zero"]
    made = files.cells(sampled(files.source(files.csv(list(columns), *columns.values()))))[1:]
    values = np.array([float(row[0]) for row in made])
    assert 0.4 < np.mean(values == 0.0) < 0.6  # states are drawn evenly here
    assert values.min() == 0.0 and np.min(values[values > 0]) >= 0.1


def test_a_row_with_a_gap_has_the_same_event_at_any_place(files):
    columns, _ = TABLES["gaps beside words"]
    rows = files.csv(list(columns), *columns.values())
    turned = files.csv(list(columns), *(cells[::-1] for cells in columns.values()))
    source = files.source(rows)
    one, other = (source.read_events(files.file(text)).x for text in (rows, turned))
    assert all(np.array_equal(one[part], other[part][::-1]) for part in one)


def test_the_command_line_names_what_does_not_fit(files, cli, tmp_path):
    weights = [*AREAS[:7], "12O", *AREAS[8:84]]
    path = files.file(files.csv(["weight", "born", "area"], weights, dates(84), AREAS[:84]))
    result = cli("run", path, "--out", tmp_path / "r")
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "column 'weight': 83 of 84 cells are numbers; line 9 has '12O'" in result.stderr
    comma = [f"{each:.3f}".replace(".", ",") for each in np.random.RandomState(0).uniform(75, 95, N)]
    path = files.file(files.csv(["gewicht", "ort"], comma, cycle("Ulm", "Jena"), delimiter=";"))
    result = cli("run", path, "--out", tmp_path / "r")
    assert result.exit_code == 2 and "source.decimal=" in result.stderr
    assert cli("inspect", path, "--set", "source.decimal=,").exit_code == 0


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("source.delimiter=::", "source.delimiter"),
        ("source.encoding=klingon", "source.encoding"),
        ('source.dates=["%d/%m"]', "source.dates"),
        ('source.bounds={"area": "negative"}', "source.bounds"),
        ('source.categorical=["nowhere"]', "there is no column 'nowhere'"),
        ('source.missing_words=["x"]', None),
    ],
)
def test_options_of_reading_reach_the_reader(files, cli, tmp_path, option, said):
    path = files.file(files.csv(["town", "area"], cycle("Aix", "Bonn", count=60), AREAS[:60]))
    looked = cli("inspect", path, "--set", option)
    assert "Traceback" not in looked.output
    if said is None:
        assert looked.exit_code == 0
    else:
        result = cli("run", path, "--set", option, "--out", tmp_path / "r")
        assert result.exit_code == 2 and said in result.stderr and said in looked.output


def test_a_look_ends_with_the_command_that_keeps_the_options(files, cli):
    columns, _ = TABLES["gaps beside words"]
    path = files.file(files.csv(list(columns), *columns.values()))
    result = cli("inspect", path, "--set", 'source.drop=["town"]')
    assert result.exit_code == 0
    assert str(path) in result.stdout.splitlines()[-1] and "source.drop" in result.stdout.splitlines()[-1]
    found = json.loads(cli("inspect", path, "--set", 'source.drop=["town"]', "--json").stdout)
    assert "town" not in [column["column"] for column in found["columns"]]
