"""Columns of numbers: atoms, sentinels, steps and bounds; and bends, which keep numbers within bounds."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import quasistatic as qs
from quasistatic.kits.tables.bends import Bend, fit_bend
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.forms import NumberForm
from quasistatic.kits.tables.numbers import parse_bounds, refined
from quasistatic.kits.tables.options import ColumnOptions

N = 400


def normal(mean=170.0, deviation=10.0, digits=2, count=N, seed=0):
    return [f"{each:.{digits}f}" for each in np.random.RandomState(seed).normal(mean, deviation, count)]


def positive(digits=1, count=N, seed=1):
    return [f"{each + 0.5 * 10.0**-digits:.{digits}f}" for each in np.random.RandomState(seed).exponential(6.0, count)]


def in_place(cells, word, share, seed=2):
    chosen = np.random.RandomState(seed).rand(len(cells)) < share
    return [word if is_one else cell for cell, is_one in zip(cells, chosen, strict=True)]


def column(source, name="v"):
    (found,) = (each for each in source.layout.columns if each.name == name)
    return found


def sampled(source, count=3_000, seed=0):
    """The values of events as a network makes them: any numbers, any states."""
    random = np.random.RandomState(seed)
    parts = {}
    for name, part in source.event.parts().items():
        if name == "numbers":
            parts[name] = (3.0 * random.normal(size=(count, *part.shape))).astype(np.float32)
        else:
            parts[name] = random.randint(0, getattr(part, "categories", 2), (count, *part.shape))
    values = source.layout.to_values(parts)
    return source.layout.snapped(values)


@pytest.mark.parametrize(
    ("cells", "atoms"),
    [
        (in_place(positive(), "0.0", 0.6), ["0.0"]),
        (in_place(normal(), "0.00", 0.1), ["0.00"]),
        (in_place(normal(), "-999.00", 0.03), ["-999.00"]),
        (in_place(in_place(normal(), "0.00", 0.2), "-1.00", 0.2, seed=3), ["-1.00", "0.00"]),
        ([f"{min(float(each), 180.0):.2f}" for each in normal()], ["180.00"]),
        ([f"{max(float(each), 165.0):.2f}" for each in normal()], ["165.00"]),
        (normal(), []),
        (normal(digits=0), []),
    ],
    ids=["zeros", "zeros amid", "sentinel", "two", "cap", "floor", "none", "whole"],
)
def test_numbers_that_repeat_are_states(files, cells, atoms):
    text = files.beside(cells)
    source = files.source(text)
    found = column(source)
    assert sorted(found.states, key=float) == atoms
    for atom in atoms:
        share = 100 * cells.count(atom) / N
        assert any(f"{atom} in {share:.0f} % of the rows" in note and "(source.atoms)" in note for note in source.notes)
    assert files.again(text) == text
    values = sampled(source)
    written = found.write(values.states[0], values.numbers[0]).to_list()
    is_number = values.states[0] == 0
    assert not set(np.array(written)[is_number]) & set(atoms)
    assert set(np.array(written)[~is_number]) == set(atoms)
    assert column(files.source(text, atoms="none")).states == ()


def test_rare_numbers_are_states_too(files, monkeypatch):
    monkeypatch.setattr("quasistatic.kits.tables.numbers.LARGE", 50)
    cells = ["0", "2"] * 200
    cells[7] = "1"
    source = files.source(files.beside(cells))
    assert column(source).states == ("0", "1", "2")
    cells[7] = "0.5"
    assert files.again(files.beside(cells)) == files.beside(cells)


def test_a_positive_column_stays_positive(files):
    text = files.beside(in_place(positive(), "0.0", 0.6))
    source = files.source(text)
    found = column(source)
    assert found.bend.low == 0.0 and files.about(source) == "real > 0.0 or 0.0"
    values = sampled(source).numbers[0]
    assert np.nanmin(values) >= 0.1 and np.isfinite(values[~np.isnan(values)]).all()
    assert found.holds(values[~np.isnan(values)]).all()


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [
        ("positive", 0.0, None), ("> 3", 3.0, None), (">= 3", 3.0, None), ("< 1000", None, 1000.0), ((0, 1000), 0.0, 1000.0),
        ([100, 250.5], 100.0, 250.5), ("none", None, None),
    ],
)  # fmt: skip
def test_bounds_are_set_and_no_sample_leaves_them(files, given, low, high):
    text = files.beside(normal())
    source = files.source(text, bounds={"v": given}, real=("v",))
    bend = column(source).bend
    assert (bend.low, bend.high) == (low, high)
    values = sampled(source).numbers[0]
    assert np.all(values > (-np.inf if low is None else low)) and np.all(values < (np.inf if high is None else high))
    assert files.again(text, bounds={"v": given}, real=("v",)) == text


@pytest.mark.parametrize("given", ["negative", "> x", (3, 1), (1, 2, 3), 5, "0..1", [1]])
def test_bounds_that_are_none_are_named(files, given):
    with pytest.raises(qs.DataError, match=r'source.bounds.v: expected "positive", "> 3", "< 100", \[low, high\] or "none", got'):
        parse_bounds("v", given)
    assert "source.bounds.v" in files.problem(files.beside(normal()), bounds={"v": given})


def test_bounds_that_numbers_leave_are_refused(files):
    text = files.beside(normal())
    lowest, highest = min(map(float, normal())), max(map(float, normal()))
    assert f"column 'v': expected numbers > {lowest:g}" in files.problem(text, bounds={"v": f"> {lowest}"})
    assert f"column 'v': expected numbers < {highest:g}" in files.problem(text, bounds={"v": (0, highest)})
    assert "(1 of 400; " in files.problem(text, bounds={"v": (0, highest)})
    assert "source.bounds: there is no column 'x'" in files.problem(text, bounds={"x": "positive"})


def test_counts_and_tenths(files):
    counts = [str(each) for each in np.random.RandomState(0).randint(18, 80, N)]
    source = files.source(files.beside(counts))
    assert files.about(source) == f"count from {min(map(int, counts))} to {max(map(int, counts))}"
    tenths = [f"{each / 10:.1f}" for each in np.random.RandomState(0).randint(18, 80, N)]
    source = files.source(files.beside(tenths))
    assert files.about(source).startswith("count from ") and files.about(source).endswith(" in steps of 0.1")
    fives = [str(5 * each) for each in np.random.RandomState(0).randint(18, 80, N)]
    assert files.about(files.source(files.beside(fives))).endswith(" in steps of 5")
    for cells in (counts, tenths, fives):
        assert files.again(files.beside(cells)) == files.beside(cells)
        source = files.source(files.beside(cells))
        values = sampled(source)
        assert column(source).holds(values.numbers[0]).all()
        again = [float(cell) for cell in column(source).write(values.states[0], values.numbers[0])]
        assert np.allclose(again, values.numbers[0], atol=1e-9)
    whole = [str(each) for each in np.random.RandomState(0).randint(0, 10**9, N)]
    assert files.about(files.source(files.beside(whole))).startswith("real")
    assert "holds numbers that are not multiples of a step" in files.problem(files.beside(whole), count=("v",))


def test_every_sample_can_be_in_the_file(files):
    text = files.csv(
        ["rain", "price", "at", "size", "conc", "count"],
        in_place(positive(), "0.0", 0.5),
        in_place(positive(2), "", 0.1),
        [f"2020-{1 + k % 12:02d}-{1 + k % 28:02d}T{k % 24:02d}:{k % 60:02d}:00" for k in range(N)],
        normal(digits=1),
        [f"{float(each) * 1e-7:.2e}" for each in positive(3)],
        [str(each) for each in np.random.RandomState(0).randint(18, 80, N)],
    )
    source = files.source(text)
    values = sampled(source)
    for own, numbers in zip(source.layout.columns, values.numbers, strict=True):
        assert own.holds(numbers[~np.isnan(numbers)]).all(), own.name
        assert np.array_equal(own.snapped(numbers[~np.isnan(numbers)]), numbers[~np.isnan(numbers)]), own.name


def test_numbers_keep_float64(files):
    cells = ["61310047.62", *(f"{each:.2f}" for each in np.random.RandomState(0).uniform(1e6, 1e8, N - 1))]
    text = files.beside(cells)
    source = files.source(text)
    assert source.event["numbers"].dtype == "float32" and source.split("test").x["numbers"].dtype == np.float64
    assert files.again(text) == text and "61310047.62" in files.again(text)


# bends

BOUNDS = st.sampled_from([(0.0, None), (None, 100.0), (0.0, 100.0), (-5.0, 100.0), (None, None)])
INSIDE = st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=20)


def bent(ends, scale):
    return Bend(*ends, scale)


@settings(max_examples=150)
@given(BOUNDS, st.floats(0.05, 50.0), INSIDE)
def test_a_bend_leads_there_and_back(ends, scale, shares):
    bend = bent(ends, scale)
    x = 100.0 * np.array(shares) if ends != (-5.0, 100.0) else 105.0 * np.array(shares) - 5.0
    line = bend.to_line(x)
    assume(np.isfinite(line).all())
    again = bend.from_line(line)
    largest = max(np.abs(line).max(), *(abs(end or 0.0) for end in ends))  # of the numbers that are added
    assert np.allclose(again, x, rtol=1e-12, atol=4e-15 * largest)
    order = np.argsort(x)
    assert np.all(np.diff(line[order]) >= 0)


@settings(max_examples=100)
@given(BOUNDS, st.floats(0.5, 50.0), st.lists(st.floats(0.05, 0.95), min_size=1, max_size=10))
def test_the_slope_of_a_bend_is_its_derivative(ends, scale, shares):
    bend = bent(ends, scale)
    x = 100.0 * np.array(shares) if ends != (-5.0, 100.0) else 105.0 * np.array(shares) - 5.0
    step = 1e-5
    slope = (bend.to_line(x + step) - bend.to_line(x - step)) / (2 * step)
    assert np.allclose(bend.log_slope(x), np.log(slope), atol=1e-6)


@settings(max_examples=60)
@given(BOUNDS, st.floats(0.05, 50.0), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_nothing_leaves_its_bounds(ends, scale, line):
    x = bent(ends, scale).from_line(np.array(line))
    low, high = ends
    assert np.isfinite(x).all()
    assert np.all(x >= (-np.inf if low is None else low)) and np.all(x <= (np.inf if high is None else high))


def test_a_bend_is_a_logarithm_where_that_fits_and_straight_where_no_bound_is_near():
    random = np.random.RandomState(0)
    far = random.normal(1000.0, 1.0, 500)
    assert np.allclose(fit_bend(far, 0.0, None).to_line(far), far, atol=1e-6)
    skewed = np.exp(random.normal(size=500))
    line = fit_bend(skewed, 0.0, None).to_line(skewed)
    skewness = float(np.mean(((line - line.mean()) / line.std()) ** 3))
    assert abs(skewness) < 1.0 < float(np.mean(((skewed - skewed.mean()) / skewed.std()) ** 3))
    assert fit_bend(far, None, None).is_straight


def test_a_sample_written_as_an_atom_is_the_next_number_that_is_none():
    whole = Column("a", 1, "count", ("0", "1", "2"), (), NumberForm("fixed", 0), (0.0, 1.0, 2.0), step=1.0, low=0.0, high=9.0)
    assert whole.snapped(np.array([-3.0, 0.2, 0.9, 1.6, 2.4, 3.0])).tolist() == [3.0] * 6
    tenths = Column("b", 1, "real", ("1.0", "1.1"), (), NumberForm("fixed", 1), (1.0, 1.1), Bend(low=0.0))
    assert tenths.snapped(np.array([0.98, 1.02, 1.08, 1.12])).tolist() == [0.9, 0.9, 1.2, 1.2]
    powers = Column("c", 1, "real", ("1.00e-3",), (), NumberForm("scientific", 2), (1e-3,))
    assert powers.form.write(powers.snapped(np.array([0.9999e-3, 1.0001e-3]))) == ["9.90e-04", "1.01e-03"]


@pytest.mark.parametrize("decimals", [1, 2, 3, 4])
def test_both_ends_of_a_lattice_are_written_and_read(decimals):
    for seed in range(10):
        numbers = np.random.RandomState(seed).normal(0.3, 0.2, 200).round(decimals)
        draft = Column("v", 1, "real", form=NumberForm("fixed", decimals))
        found = refined(draft, numbers, ColumnOptions(count=("v",)))
        cells = found.write(np.zeros(2, int), found.snapped(np.array([-1e9, 1e9])))
        assert found.read(cells)[0].tolist() == [0, 0], (found.low, found.high)


DRAWN = {
    "around 0": lambda random: random.normal(size=N),
    "far from 0": lambda random: random.normal(170.0, 9.0, N),
    "positive": lambda random: random.gamma(2.0, 20.0, N),
    "over decades": lambda random: random.lognormal(3.0, 2.0, N),
    "small": lambda random: random.normal(size=N) * 1e-9,
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize(("written", "lost"), [("{:.15g}", 0.0), ("{!r}", 0.2)], ids=["15 digits", "all"])
def test_all_digits_come_back_that_float64_keeps_in_model_units(files, name, written, lost):
    cells = [written.format(each) for each in DRAWN[name](np.random.RandomState(3)).tolist()]
    text = files.beside(cells)
    changed = sum(own != cell for own, cell in zip(files.again(text).splitlines(), text.splitlines(), strict=True))
    if name == "over decades":  # deviations of a logarithm have fewer digits than its numbers
        lost = 0.05 if lost == 0.0 else 1.0
    assert changed <= lost * N + 2
    assert changed == 0 or any(f"{changed} of {N} cells are written otherwise" in each for each in files.source(text).notes)


@pytest.mark.parametrize("name", DRAWN)
def test_samples_with_15_digits_are_read_as_they_were_written(files, name):
    source = files.source(files.beside([f"{each:.15g}" for each in DRAWN[name](np.random.RandomState(4))]))
    shapes = {part: own.shape for part, own in source.event.parts().items()}
    random = np.random.RandomState(5)
    xs = {part: random.normal(size=(N, *shape)).astype(np.float32) * (part == "numbers") for part, shape in shapes.items()}
    first = source.write_events(xs, ".csv")
    assert source.write_events(source.read_events(files.file(first)).x, ".csv") == first


def test_a_number_far_down_that_changes_is_said(files, monkeypatch):
    monkeypatch.setattr("quasistatic.kits.tables.values.CHECKED", 1)  # and 1,000 rows at least
    random = np.random.RandomState(8)
    cells = [
        *(f"{each:.6g}" for each in random.uniform(1e3, 9e3, 1200)),
        *(f"{each:.15g}" for each in random.uniform(1e-3, 2e-3, 50)),
    ]
    text = files.beside(cells)
    changed = sum(own != cell for own, cell in zip(files.again(text).splitlines(), text.splitlines(), strict=True))
    assert changed and any(f"v: {changed} of {len(cells)} cells are written otherwise" in each for each in files.source(text).notes)


def test_zero_and_short_numbers_come_back_among_long_ones(files):
    long = [f"{each:.15g}" for each in np.random.RandomState(6).normal(3.5, 1.0, N)]
    cells = [each if k % 3 else ("0", "1.5", "-0.25")[k // 3 % 3] for k, each in enumerate(long)]
    assert files.again(files.beside(cells)) == files.beside(cells)


def test_numbers_too_near_to_a_bound_have_none(files):
    text = files.beside(["1e-210", *(f"{each:.3e}" for each in 1e120 * np.random.RandomState(9).rand(N - 1))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = files.source(text)
        assert column(source).bend.is_straight and np.isfinite(source.split("train").x["numbers"]).all()
    assert "1e300 times as far" in files.problem(text, bounds={"v": "positive"})


def test_small_samples_are_the_numbers_that_are_read(files):
    source = files.source(files.beside([f"{each:.6g}" for each in np.random.RandomState(10).normal(size=N) * 1e-13]))
    xs = {name: np.zeros((N, *own.shape), own.dtype) for name, own in source.event.parts().items()}
    xs["numbers"] = np.random.RandomState(11).normal(size=(N, 1)).astype(np.float32)
    made = source.layout.snapped(source.values(xs)).numbers[0]
    assert np.array_equal(source.values(source.read_events(files.file(source.write_events(xs, ".csv"))).x).numbers[0], made)
