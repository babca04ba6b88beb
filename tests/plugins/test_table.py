"""Tables of mixed columns: kinds are reported, a number that is missing does not exist, cells come back, runs know their file."""

import csv
import itertools
import json
import math
import re

import attrs
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import ndtr

import quasistatic as qs
from quasistatic._data.conversion import log_scale
from quasistatic._report.pictures import Walks
from quasistatic.kits.tables.mixture import Flat, best_mixture

SPLITS = ("train", "validation", "test")
HEADER = ("height", "children", "steps", "born", "smokes", "town", "size", "code", "always", "story")


def rows(count, seed=0, missing=0.05):
    random = np.random.RandomState(seed)
    towns = ("Aix", "Bonn", "Cork, Ireland")
    found = []
    for number in range(count):
        tall = random.normal(170, 10)
        row = [
            f"{tall:.1f}", str(random.poisson(1.5)), str(random.poisson(5_000)),
            f"{1989 + random.randint(10)}-0{1 + random.randint(9)}-1{random.randint(10)}", ("yes", "no")[random.randint(2)],
            towns[int(tall > 165) + int(tall > 175)], str(36 + 2 * random.randint(5)), str(random.choice([101, 205, 330])),
        ]  # fmt: skip
        row = ["" if random.rand() < missing else cell for cell in row]
        found.append([*row, "1", f"story {number}"])
    return found


def write(path, header, table):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *table])
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("table") / "people.csv", HEADER, rows(300))


def drawn(source, xs, part):
    """The panel of a part in the picture of samples."""
    figure = qs.pictures.samples(source, xs)
    assert qs.pictures.encode(figure)  # no warning
    return figure.axes[list(source.event).index(part)]


def with_gaps(path, columns):
    """A table of towns and real columns, in each of which other cells are missing."""
    numbers = [[f"{row + 0.25 + column}" if (row + column) % 5 else "" for column in range(columns)] for row in range(200)]
    cells = [["abc"[number % 3], *row] for number, row in enumerate(numbers)]
    return table(write(path / f"{columns}.csv", ["town", "p", "q", "r"][: columns + 1], cells))


def test_pictures_of_a_number_are_of_the_cells_that_are_there(tmp_path):
    source = with_gaps(tmp_path, 1)
    xs = source.split("test").x
    there = xs["bits"][:, 0] == 0
    numbers = source.to_user(xs)["numbers"][there]
    axes = drawn(source, xs, "numbers")
    first, last = axes.patches[0], axes.patches[-1]
    assert (first.get_x(), last.get_x() + last.get_width()) == pytest.approx((numbers.min(), numbers.max()))
    share = 1 / (there.sum() * first.get_width())
    heights = [bar.get_height() / share for bar in axes.patches]
    assert sum(heights) == pytest.approx(there.sum()) and axes.get_xlabel() == "p, where a number"
    assert not drawn(source, {**xs, "bits": np.ones_like(xs["bits"])}, "numbers").patches  # all are missing


def test_pictures_of_two_numbers_are_of_rows_that_have_both(tmp_path):
    source = with_gaps(tmp_path, 2)
    xs = source.split("test").x
    axes = drawn(source, xs, "numbers")
    whole = source.to_user(xs)["numbers"][(xs["bits"] == 0).all(axis=1)]
    np.testing.assert_allclose(np.asarray(axes.collections[0].get_offsets()), whole, rtol=1e-6)
    assert 0 < len(whole) < len(xs["bits"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("p, where a number", "q, where a number")


def test_rows_of_numbers_are_yellow_where_cells_are_missing(tmp_path):
    source = with_gaps(tmp_path, 3)
    xs = source.split("test").x
    axes = drawn(source, xs, "numbers")
    shown = np.ma.masked_invalid(axes.images[0].get_array())
    np.testing.assert_array_equal(shown.mask, xs["bits"][: len(shown)] == 1)
    red, green, blue, _ = axes.images[0].to_rgba(shown)[shown.mask].T
    assert np.ptp(red) == np.ptp(blue) == 0 and (np.minimum(red, green) > blue + 0.1).all()
    assert axes.get_title() == "numbers, yellow where there is none"


def test_paths_of_numbers_say_that_some_are_missing(tmp_path):
    source = with_gaps(tmp_path, 1)
    x = source.split("test").x
    path = qs.trajectory.Path(x, {part: np.stack([own, own], axis=1) for part, own in x.items()})
    walks = Walks(np.array([0.5, 1.0]), path, path, np.array([np.nan, 0.5]))
    rows = np.reshape(qs.pictures.trajectories(source, walks).axes, (6, 3))
    assert rows[4, 0].get_ylabel() == "p, where a number" and rows[0, 0].get_ylabel() == "p, number or not"
    assert all(axes.get_title() == "" for axes in rows[2:].ravel())


def test_pictures_name_columns_and_leave_out_what_is_missing(tmp_path):
    cells = [[f"{1000.5 + 9 * number}" if number % 4 else "", "abc"[number % 3]] for number in range(400)]
    source = table(write(tmp_path / "some.csv", ("height", "town"), cells))
    xs = source.split("test").x
    there = xs["bits"][:, 0] == 0
    assert 0 < there.sum() < len(there) and set(source.event) == {"bits", "categories-3", "numbers"}
    bars = drawn(source, xs, "numbers").patches
    assert bars[0].get_x() > 1000 and sum(bar.get_height() for bar in bars) * bars[0].get_width() == pytest.approx(1)
    numbers = source.to_user(xs)["numbers"][there]
    edges = [bars[0].get_x(), bars[-1].get_x() + bars[-1].get_width()]
    assert edges == pytest.approx([numbers.min(), numbers.max()])
    for part, said, ticks in (
        ("numbers", "height, where a number", None),
        ("bits", "height, number or not", ["a number", "missing"]),
        ("categories-3", "town", ["a", "b", "c"]),
    ):
        axes = drawn(source, xs, part)
        assert axes.get_xlabel() == said
        if ticks is not None:
            assert axes.get_xticks().tolist() == list(range(len(ticks)))
            assert [label.get_text() for label in axes.get_xticklabels()] == ticks
    assert not drawn(source, {**xs, "bits": np.ones_like(xs["bits"])}, "numbers").patches  # all are missing


def table(path, **options):
    return qs.make("source", "table", path=str(path), **options)


def refused(path, **options):
    with pytest.raises(qs.errors.QuasistaticError) as caught:
        table(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_kinds_are_recognised_reported_and_can_be_set(file):
    source = table(file, categorical=("code",))
    said = source.notes[1]
    for each in (
        "height: real, some missing", "children: categorical of 7, some missing", "steps: count from 4", "born: date, some missing",
        "smokes: categorical no, yes, some missing", "town: categorical Aix, Bonn, Cork, Ireland", "size: categorical of 5",
        "code: categorical 101, 205, 330", "always: constant 1",
    ):  # fmt: skip
        assert each in said
    assert "column 'story' is left out: it is text with 300 different values, more than source.most_categories = 50" in source.notes
    assert {part.rpartition("-")[0] or part for part in source.event} == {"numbers", "bits", "categories"}
    assert source.event["bits"].size == 3  # whether height, steps and born are missing
    assert dict(source.event.gates)["numbers"] == tuple(qs.Gate("bits", place, 0) for place in range(3))
    assert source.event["categories-4"].size == 2 and source.event["categories-3"].size == 1  # a missing cell is one state more
    assert "children: count" in table(file, count=("children",)).notes[1]
    assert "children" not in table(file, drop=("children",)).columns


def test_ordered_states_that_are_never_missing_are_a_part_of_their_own(tmp_path):
    source = table(write(tmp_path / "x.csv", HEADER, rows(100, missing=0)))
    assert isinstance(source.event["ordinal-5"], qs.Categorical) and source.event["bits"].size == 1
    assert dict(source.event.gates) == {"numbers": (None, None, None)}  # all exist


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.3])
def test_every_cell_comes_back(tmp_path, missing):
    written = rows(200, missing=missing)
    source = table(write(tmp_path / "x.csv", HEADER, written))
    for name in SPLITS:
        data = source.split(name)
        lines = list(csv.reader(source.write_events(data.x, ".csv").decode().splitlines()))
        assert tuple(lines[0]) == source.columns == HEADER[:9]  # a constant is no part of the event, and is written
        assert lines[1:] == [written[place - 2][:9] for place in data.tags["line"]]
    again = source.read_events(write(tmp_path / "y.csv", HEADER, written[:30]))
    assert list(csv.reader(source.write_events(again.x, ".csv").decode().splitlines()))[1:] == [row[:9] for row in written[:30]]


def test_a_number_that_is_missing_does_not_exist(file):
    source = table(file)
    x, height = source.split("test").x, source.columns.index("height")
    there = source.event.there(x)["numbers"]
    lost = [line.split(",")[height] == "" for line in source.write_events(x, ".csv").decode().splitlines()[1:]]
    assert 0 < sum(lost) < 15 and there[:, 0].tolist() == [not each for each in lost]
    assert not x["numbers"][~there].any() and np.isnan(source.to_user(x)["numbers"][~there]).all()
    again = source.from_user(source.to_user(x))
    for part, values in x.items():
        np.testing.assert_allclose(again[part], values, atol=1e-6)
    stored = source.stored()[np.arange(9)]
    for part, values in source.split("train", 9).x.items():
        np.testing.assert_allclose(stored[part], values, atol=1e-5)


def test_densities_in_the_units_of_the_file_are_of_the_numbers_that_are_there(file):
    source = table(file, real=("steps",))
    x = source.split("test", 60).x
    there = source.event.there(x)["numbers"]
    assert 0 < there[:, 0].sum() < 60
    np.testing.assert_allclose(log_scale(source, x), there @ np.log(source.units["numbers"].scale), rtol=1e-12)
    counted = table(file)  # a probability of steps has no unit
    held, scale = counted.event.there(x)["numbers"], counted.units["numbers"].scale
    np.testing.assert_allclose(log_scale(counted, counted.split("test", 60).x), held[:, [0, 2]] @ np.log(scale[[0, 2]]), rtol=1e-12)


def test_a_column_that_cannot_be_scaled_is_named_before_training(tmp_path):
    random, lines = np.random.RandomState(0), rows(100)
    trained = set(table(write(tmp_path / "all.csv", HEADER, lines)).split("train").tags["line"].tolist())
    gone = [["" if number in trained else line[0], *line[1:]] for number, line in enumerate(lines, 2)]
    assert "column 'height': no row of the training split has a number" in refused(write(tmp_path / "gone.csv", HEADER, gone))
    huge = [[f"{random.normal()}e152", *line[1:]] for line in rows(100)]
    assert "column 'height': expected numbers up to 1e+150, got one of size" in refused(write(tmp_path / "huge.csv", HEADER, huge))


def test_the_same_table_is_the_same_in_every_format(tmp_path, file):
    pyarrow, openpyxl = pytest.importorskip("pyarrow"), pytest.importorskip("openpyxl")
    from pyarrow import parquet

    written = rows(120)
    wanted = table(write(tmp_path / "x.csv", HEADER, written)).split("train").x
    objects = [{name: cell or None for name, cell in zip(HEADER, row, strict=True)} for row in written]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(each) + "\n" for each in objects))
    parquet.write_table(pyarrow.Table.from_pylist(objects), tmp_path / "x.parquet")
    book = openpyxl.Workbook()
    for each in (HEADER, *written):
        book.active.append(list(each))
    book.save(tmp_path / "x.xlsx")
    for ending in (".jsonl", ".parquet", ".xlsx"):
        found = table(tmp_path / f"x{ending}").split("train").x
        for part, values in wanted.items():
            np.testing.assert_array_equal(found[part], values)


def test_bad_tables_are_one_message_that_names_the_column(tmp_path, file):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": [1, 2]}\n')
    assert "line 2, column 'a': holds [1, 2], expected one number or text" in refused(path)
    path.write_text('{"a": 1}\n[1]\n')
    assert "line 2 holds '[1]', expected an object" in refused(path)
    path.write_text('{"a": 1}\n{"a"\n')
    assert "line 2 is not JSON" in refused(path)
    path.write_text("")
    assert "is empty" in refused(path)
    assert "2 columns are called 'a'" in refused(write(tmp_path / "x.csv", ("a", "b", "a"), [("1", "2", "3")] * 30))
    assert "source.real: there is no column 'hight'" in refused(file, real=("hight",))
    assert re.search("source.count: column 'town' holds '.*', which is not a number", refused(file, count=("town",)))
    assert "is named twice" in refused(file, real=("height",), drop=("height",))
    assert "holds 3 rows, expected at least 10" in refused(write(tmp_path / "y.csv", HEADER, rows(3, missing=0)))
    assert "no column is left" in refused(write(tmp_path / "y.csv", ("a", "b"), [("x", "y")] * 30))
    with pytest.raises(qs.DataError, match="there is no column 'children'"):
        table(file).read_events(write(tmp_path / "z.csv", ("height", "steps"), [("170.0", "5000")] * 3))


def test_a_row_with_a_cell_that_no_row_can_have_is_outside(tmp_path, file):
    source = table(file)
    first = rows(1)[0]
    data = source.read_events(write(tmp_path / "z.csv", HEADER, [*rows(3), [*first[:5], "Rome", *first[6:]], first]))
    (outside,) = data.outside
    assert outside.number == 3 and outside.tags == {"line": 5}
    assert outside.reason == "town: 'Rome' is not among what the column holds (categorical Aix, Bonn, Cork, Ireland, some missing)"
    assert data.tags["line"].tolist() == [2, 3, 4, 6] and len(data.x["numbers"]) == 4


def test_nested_cells_of_parquet_are_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([{"a": 1, "b": [1, 2]}]), tmp_path / "x.parquet")
    assert "column 'b' holds List(Int64) in each cell" in refused(tmp_path / "x.parquet")


def flat(count, seed=0):
    random = np.random.RandomState(seed)
    group = random.randint(2, size=count)
    numbers = (np.where(group, 1.0, -1.0) + 0.3 * random.normal(size=count))[:, None]
    counts = np.clip(np.round(random.normal(2.0 + 3.0 * group)), 0, 7)[:, None]
    states = np.stack([np.where(random.rand(count) < 0.9, group, 2), random.randint(3, size=count)], axis=1)
    ends = np.array([[-np.inf, 0.0], [np.inf, 7.0]])
    return Flat(np.concatenate([numbers, counts], axis=1), np.array([0.0, 1.0]), ends, states, (3, 3))


def test_a_mixture_is_a_distribution_and_finds_what_columns_have_in_common():
    train, test = flat(600), flat(300, 1)
    mixture = best_mixture(train, flat(200, 2))
    every = np.array(list(itertools.product(range(8), range(3), range(3))))
    points = np.linspace(-6, 6, 601)
    numbers = np.stack([np.repeat(points, len(every)), np.tile(every[:, 0], 601)], axis=1)
    rows = attrs.evolve(train, numbers=numbers, states=np.tile(every[:, 1:], (601, 1)))
    assert np.exp(mixture.log_prob(rows)).sum() * 0.02 == pytest.approx(1, abs=1e-6)
    columns = zip(train.alone(), flat(200, 2).alone(), test.alone(), strict=True)
    alone = sum(best_mixture(one, two).log_prob(three).mean() for one, two, three in columns)
    # the group is one bit, which numbers have nearly all of, and counts and states nine tenths: it is counted three times, not once
    assert alone + 1.0 < mixture.log_prob(test).mean() < alone + 2 * np.log(2)


def test_samples_are_judged_beside_training_rows(file):
    source = table(file)
    found = source.judge(source.split("test").x)
    assert found["column_shapes"] == found["pair_trends"] == 1 > found["column_shapes_of_training"] > 0.8
    assert source.judge(source.split("train").x)["distance_to_closest_training_row"] < 1e-6
    assert found["distance_to_closest_training_row"] == found["distance_to_closest_training_row_of_test"] > 0.1


def test_simple_models_are_of_the_same_events(file):
    source = table(file)
    found = source.baselines(source.split("test").x)
    assert next(iter(found)) == "independent columns" and all(np.isfinite(values).all() for values in found.values())
    assert list(found.values())[1].mean() > found["independent columns"].mean()  # town follows height


def test_a_run_knows_its_file_again(tmp_path):
    path = write(tmp_path / "x.csv", HEADER, rows(100))
    source = table(path)
    component = qs.plugins().component("source", "table")
    again = component.load_restore()(source._options, source.kept().at(path))
    assert again.event == source.event and again.notes == source.notes and again.columns == source.columns
    for part, values in source.split("test").x.items():
        np.testing.assert_array_equal(again.split("test").x[part], values)
    write(path, HEADER, rows(100, seed=1))
    changed = component.load_restore()(source._options, source.kept().at(path))
    assert changed.write_events(source.split("test").x, ".csv") == source.write_events(source.split("test").x, ".csv")
    with pytest.raises(qs.DataError, match="these are not the data of the run"):
        changed.split("test")
    with pytest.raises(qs.DataError, match="cannot be read by this version"):
        component.load_restore()(source._options, qs.sources.Kept({"path": "x"}))


@pytest.mark.slow
def test_the_laws_hold(file):
    for law in qs.testing.laws_of("source", table(file)):
        law()


class Nothing(qs.AbstractModel):
    """Leaves data to be unit normal."""

    def __call__(self, features, t, side=None, *, key=None):
        return jnp.zeros((1, 2))


def test_a_network_need_not_learn_to_round():
    """Counts cost what they are, with the smooth reversal of a unit normal: the chain ends where levels are half apart.

    From noise of a hundredth of a deviation on, it costs 1.3 bits more.
    """
    levels = np.linspace(-3.0, 3.0, 61)
    ends = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    share = np.diff(ndtr(ends))
    kernel = qs.make("kernel", "gaussian", qs.Levels((1,), -3.0, 3.0, 61))
    diffusion = qs.Diffusion(kernel, Nothing(), 100)
    found = qs.ledger(diffusion, jnp.asarray(levels[:, None], jnp.float32), key=jr.key(0), repeats=64)
    error = math.sqrt(np.sum((share * found.per_event_error) ** 2))
    lost = -np.sum(share * found.per_event) - -np.sum(share * np.log(share))
    assert -4.0 * error < lost < 0.03 + 4.0 * error and error < 0.02


def test_few_levels_begin_with_some_signal():
    kernel = qs.make("kernel", "gaussian", qs.Levels((1,), -1.0, 1.0, 2))
    assert np.all(kernel.marginal(jnp.ones(1), jnp.zeros(())).variance <= 0.25)
