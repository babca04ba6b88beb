"""Pictures of own data are true: in the units of the file, on axes that hold the data, with colours that do not saturate."""

import jax.random as jr
import numpy as np
import pytest
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic._report.pictures import Walks, encode, samples, trajectories
from quasistatic.kits import arrays
from quasistatic.kits.tables.figures import correlations, histograms, limits, pairs
from quasistatic.kits.tables.report import quantiles


def own(*shape, scale="auto", shift=170.0, names=None, count=400, seed=0):
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    values = rng.normal(size=(count, size)) @ np.triu(np.ones((size, size))) * 10.0 ** (np.arange(size) % 3)
    table = qs.files.Table("own", shift + values.reshape(count, *shape), names)
    return arrays.array_source(table, arrays.ArrayChoices(scale=scale))


def walked(source, count=200):
    """Data and states on the way to noise, in model units."""
    x = source.split("train", count).x
    noise = np.asarray(jr.normal(jr.key(0), (len(x), 3, *source.event.shape)))
    path = qs.trajectory.Path(x, noise)
    return Walks(np.array([0.2, 0.6, 1.0]), path, qs.trajectory.Path(x[::-1], noise), np.array([np.nan, 0.2, 0.6]))


def inside(axes, points):
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return (points[:, 0] >= left) & (points[:, 0] <= right) & (points[:, 1] >= bottom) & (points[:, 1] <= top)


@pytest.mark.parametrize("scale", ["columns", "whiten", "one"])
def test_points_of_own_data_lie_inside_the_axes_in_their_own_units(scale):
    source = own(2, scale=scale, names=("height", "weight"))
    x = source.split("train").x
    (axes,) = samples(source, x).axes
    np.testing.assert_allclose(axes.collections[0].get_offsets(), source.units.to_user(x))
    assert inside(axes, source.units.to_user(x)).all() and axes.get_xlim()[0] > 100
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("height", "weight")
    panels = trajectories(source, walked(source)).axes
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
    for panel in panels:
        assert inside(panel, np.asarray(panel.collections[0].get_offsets())).mean() > 0.98
    assert inside(panels[0], source.units.to_user(x[:200])).all()


def test_the_pixels_of_own_points_are_where_the_axes_say(tmp_path):
    from PIL import Image

    source = own(2, names=("height", "weight"))
    figure = samples(source, source.split("train").x)
    (tmp_path / "x.png").write_bytes(encode(figure))
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    coloured = (pixels[..., 0] - pixels[..., 2] > 60).mean()  # that of samples
    assert 0.001 < coloured < 0.2


@pytest.mark.parametrize("shape", [(6,), (4, 5)])
def test_heat_maps_do_not_saturate(shape):
    source = own(*shape)
    for figure in (samples(source, source.split("train", 25).x), trajectories(source, walked(source, 25))):
        for image in (image for axes in figure.axes for image in axes.images):
            low, high = image.get_clim()
            shown = np.ma.compressed(np.ma.masked_invalid(image.get_array()))
            assert np.mean((shown < low) | (shown > high)) < 0.02
            assert high - low < 3 * (shown.max() - shown.min()) + 1


def test_greys_are_drawn_from_white_to_black_in_their_own_levels():
    values = np.random.default_rng(0).integers(0, 256, (40, 4, 4)).astype(np.uint8)
    source = arrays.array_source(values)
    axes = Figure().add_subplot()
    source.render(source.split("train", 4).x, axes)
    assert axes.images[0].get_clim() == pytest.approx((0, 255))
    assert np.nanmax(axes.images[0].get_array()) > 200


def test_pictures_in_colour_are_drawn_in_colour():
    values = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 3)).astype(np.uint8)
    source = arrays.array_source(values)
    axes = Figure().add_subplot()
    x = source.split("train", 4).x
    source.render(x, axes)
    shown = axes.images[0].get_array()
    assert shown.shape == (9, 11, 3)  # two by two, with a gap
    np.testing.assert_allclose(shown[:4, :5], source.units.to_user(x[0]) / 255, atol=1e-4)


def test_a_column_is_a_histogram_of_its_own_units():
    source = own(1, names=("height",))
    (axes,) = samples(source, source.split("train").x).axes
    low, high = axes.get_xlim()
    data = source.units.to_user(source.split("train").x)
    assert low <= data.min() and high >= data.max() and low > 100 and axes.get_xlabel() == "height"


NAMES = ("height", "weight", r"$\foo$ a very long name of a column")


def test_every_column_has_a_panel_that_holds_its_data():
    source, xs = own(3, names=NAMES), own(3, seed=1).split("train").x
    data = source.split("test").x
    figure = histograms(*(source.number_columns(x) for x in (data, xs)))
    rows = source.units.to_user(data)
    assert [axes.get_title()[:6] for axes in figure.axes[:3]] == [name[:6] for name in NAMES]
    for axes, column in zip(figure.axes, rows.T, strict=False):
        low, high = axes.get_xlim()
        assert low <= column.min() and column.max() <= high
        bars = [bar for bar in axes.patches if hasattr(bar, "get_width")]
        assert sum(bar.get_width() * bar.get_height() for bar in bars) == pytest.approx(1, abs=1e-6)
    encode(figure)


def test_pairs_have_data_below_and_samples_above_on_the_same_axes():
    source = own(3, names=NAMES)
    data, xs = source.split("test").x, source.split("train").x
    grid = np.reshape(pairs(*(source.number_columns(x) for x in (data, xs))).axes, (3, 3))
    below, above = grid[2, 0], grid[0, 2]
    np.testing.assert_allclose(below.collections[0].get_offsets(), source.units.to_user(data)[:, [0, 2]])
    np.testing.assert_allclose(above.collections[0].get_offsets(), source.units.to_user(xs)[:500, [2, 0]])
    assert below.get_xlim() == above.get_ylim() and inside(below, source.units.to_user(data)[:, [0, 2]]).all()


@pytest.mark.parametrize(("shift", "offset"), [(1e9, "+1"), (0.0, "")])
def test_what_is_taken_off_ticks_stands_below_the_name(shift, offset):
    source = own(2, names=("height", "weight"), shift=shift)
    data = source.split("test").x
    figure = pairs(*(source.number_columns(x) for x in (data, data)))
    encode(figure)
    grid = np.reshape(figure.axes, (2, 2))
    for axis in (grid[1, 0].xaxis, grid[1, 1].xaxis, grid[1, 0].yaxis):
        name, _, taken_off = axis.get_label_text().partition("\n")
        assert name in ("height", "weight") and taken_off.startswith(offset) and bool(taken_off) == bool(offset)
        assert not axis.get_offset_text().get_visible()
    assert grid[0, 0].get_ylabel() == "height"  # it has no ticks


def test_correlations_stand_side_by_side_on_one_scale():
    source = own(3, names=NAMES)
    data, xs = source.split("test").x, source.split("train").x
    left, right = correlations(*(source.number_columns(x) for x in (data, xs))).axes[:2]
    np.testing.assert_allclose(left.images[0].get_array(), np.corrcoef(data.T), atol=1e-5)
    np.testing.assert_allclose(right.images[0].get_array(), np.corrcoef(xs.T), atol=1e-5)
    assert left.images[0].get_clim() == right.images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("columns", [1, 2, 13])
def test_nothing_is_cut_off_at_the_edges(columns):
    source = own(columns, names=tuple(f"a very long name {k}" for k in range(columns)))
    data, xs = source.split("test").x, source.split("train").x
    for figure in (
        histograms(*(source.number_columns(x) for x in (data, xs))),
        correlations(*(source.number_columns(x) for x in (data, xs))),
        pairs(*(source.number_columns(x) for x in (data, xs))),
    ):
        encode(figure)
        whole = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert whole.x0 > -0.02 and whole.y0 > -0.02 and whole.x1 < width + 0.02 and whole.y1 < height + 0.02


def test_quantiles_and_what_is_odd():
    source = own(2, names=("height", "weight"))
    data = source.split("train").x
    told = quantiles(*(source.number_columns(x) for x in (data, data + np.array([0, 1]))))
    user = source.units.to_user(data)
    assert told.rows[0][:3] == ("height", f"{np.quantile(user[:, 0], 0.05):.4g}", f"{np.quantile(user[:, 0], 0.05):.4g}")
    assert told.header[1:3] == ("5 %, data", "5 %, samples")
    assert "1 of 2 columns differ by more than chance, most of all 'weight'" in told.note
    assert "more than chance" not in quantiles(*(source.number_columns(x) for x in (data, data))).note


def test_axes_of_one_value_and_names_without_a_header():
    assert limits(np.full(3, 5.0))[0] < 5 < limits(np.full(3, 5.0))[1]
    source = own(2)
    assert [*source.number_columns(source.split("train").x)] == ["column 1", "column 2"]
    twice = own(2, names=("a", "a"))
    assert [*twice.number_columns(twice.split("train").x)] == ["a", "a (2)"]
