"""The user's own data: fields inferred, stated and checked; splits, units, several parts, other files of the same kind."""

import jax
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic._data import numpy_files as _numpy_files
from quasistatic._data import tables as _tables
from quasistatic._data.conversion import log_scale, samples_to_user
from quasistatic._process.model import ConstantModel
from quasistatic.kits import arrays
from quasistatic_plugins.array import ArrayOptions
from quasistatic_plugins.array.source import build

SPLITS = ("train", "validation", "test")


def source_of(values, **options):
    return arrays.array_source(np.asarray(values), arrays.ArrayChoices(**options))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def csv_of(path, values, columns):
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in np.asarray(values).tolist())]
    path.write_text("\n".join(lines))
    return path


def refused(values, **options):
    with pytest.raises(qs.DataError) as caught:
        source_of(values, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(
    st.integers(10, 60),
    st.lists(st.integers(1, 3), max_size=3),
    st.integers(0, 3),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3),
)
def test_splits_are_the_data_in_model_units(count, shape, seed, shift, scale):
    values = shift + scale * normal(count, *shape)
    source = source_of(values, split_seed=seed)
    splits = [source.split(name).x for name in SPLITS]
    assert [len(x) for x in splits[1:]] == [max(2, round(0.1 * count)), max(2, round(0.2 * count))]
    assert all(x.dtype == np.float32 and x.shape[1:] == (tuple(shape) or (1,)) for x in splits)
    # every event is in one split, and comes back in the user's units
    back = source.units.to_user(np.concatenate(splits).astype(np.float64)).reshape(count, -1)
    expected = values.reshape(count, -1)
    np.testing.assert_allclose(back[np.argsort(back[:, 0])], expected[np.argsort(expected[:, 0])], atol=2e-5 * scale)
    train = splits[0].astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    assert train.var(axis=0).mean() == pytest.approx(1, abs=1e-5)


def test_units_come_from_the_training_events_alone():
    values = normal(100, 2)
    source = source_of(values)
    changed = values.copy()
    held_out = [
        i for i, row in enumerate(values) if np.isclose(source.units.to_user(source.split("train").x), row).all(axis=1).sum() == 0
    ]
    assert len(held_out) == 30
    changed[held_out] *= 50
    np.testing.assert_array_equal(source_of(changed).units.shift, source.units.shift)
    np.testing.assert_array_equal(source_of(changed).units.scale, source.units.scale)


def test_splits_are_fixed_by_their_seed_and_shuffled():
    values = np.arange(100.0)[:, None] * [1.5, 2.5]
    for name in SPLITS:
        np.testing.assert_array_equal(source_of(values).split(name).x, source_of(values).split(name).x)
        order = source_of(values).split(name).x[:, 0]
        assert not np.array_equal(order, np.sort(order))
    assert not np.array_equal(source_of(values).split("test").x, source_of(values, split_seed=1).split("test").x)
    # a change of the stream would silently change what every run is measured on
    first = source_of(values).units.to_user(source_of(values).split("test").x[:5].astype(float))[:, 0] / 1.5
    assert np.round(first).astype(int).tolist() == [26, 86, 2, 55, 75]


def test_shares_are_those_asked_for():
    source = source_of(normal(200, 1), validation_share=0.25, test_share=0.5)
    assert [len(source.split(name)) for name in SPLITS] == [50, 50, 100]
    with pytest.raises(ValueError, match=r"at most 0\.8 together"):
        ArrayOptions(validation_share=0.5, test_share=0.4)
    with pytest.raises(ValueError, match="validation_share"):
        ArrayOptions(validation_share=-0.1)


def test_a_share_of_nothing_is_an_empty_split():
    source = source_of(normal(50, 2), validation_share=0.0, test_share=0.0)
    assert [len(source.split(name)) for name in SPLITS] == [50, 0, 0]
    source = source_of(normal(50, 2), validation_share=0.0)
    assert [len(source.split(name)) for name in SPLITS] == [40, 0, 10]


def test_all_rows_are_those_of_every_split():
    source = source_of(normal(50, 2))
    rows, stored = source.all_rows(), source.stored()
    assert (len(rows), len(stored)) == (50, 35)
    known = np.concatenate([source.split(name).x for name in SPLITS])
    np.testing.assert_array_equal(rows[np.arange(50)], known)


MIXING = np.array([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-30.0, 4.0, 0.5]])


def test_every_column_of_a_table_has_a_scale_of_its_own():
    source = source_of([7, -2, 100] + normal(400, 3) @ MIXING.T)
    train = source.split("train").x.astype(float)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    assert source.units.scale.shape == (3,) and source.units.mixing is None
    # pictures keep one scale
    assert np.ndim(source_of(normal(40, 4, 4) * np.arange(1, 17).reshape(4, 4)).units.scale) == 0
    assert np.ndim(source_of(normal(40, 3), scale="one").units.scale) == 0


def test_whitened_columns_are_uncorrelated_and_come_back():
    values = [7, -2, 100] + normal(400, 3) @ MIXING.T
    source = source_of(values, scale="whiten")
    train = source.split("train").x.astype(float)
    np.testing.assert_allclose(train.T @ train / len(train), np.eye(3), atol=1e-5)
    back = source.units.to_user(np.concatenate([source.split(name).x for name in SPLITS]))
    np.testing.assert_allclose(back[np.argsort(back[:, 0])], values[np.argsort(values[:, 0])], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("scale", "shape"),
    [("columns", (3,)), ("whiten", (3,)), ("one", (3,)), ("whiten", (2, 2)), ("columns", (2, 2)), ("auto", (2, 2))],
)
def test_the_density_in_the_users_units_has_the_whole_jacobian(scale, shape):
    """Against numerical differences of the map itself, one element at a time."""
    values = 50 + normal(200, *shape) * np.linspace(1, 30, int(np.prod(shape))).reshape(shape)
    source = source_of(values, scale=scale)
    size = int(np.prod(shape))
    moved = source.units.to_user(np.concatenate([np.zeros((1, *shape)), np.eye(size).reshape(size, *shape)])).reshape(
        size + 1, size
    )
    found = log_scale(source, source.split("test").x)
    assert found == pytest.approx(np.full(40, np.linalg.slogdet(moved[1:] - moved[0])[1]), abs=1e-9)


def test_the_full_gaussian_is_the_null_model_of_whitened_columns():
    values = [7, -2, 100] + normal(400, 3) @ MIXING.T
    source = source_of(values, scale="whiten")
    train, test = (source.units.to_user(source.split(name).x) for name in ("train", "test"))
    away = test - train.mean(axis=0)
    covariance = np.cov(train.T, bias=True)
    expected = (
        -0.5 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away) - 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    null = -0.5 * (source.split("test").x.astype(float) ** 2).sum(axis=1) - 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(null - log_scale(source, test), expected, atol=1e-3)


def test_independent_gaussians_are_of_the_columns_of_the_file_however_these_are_scaled():
    values = [7, -2, 100] + normal(400, 3) @ MIXING.T
    found = []
    for scale in ("columns", "whiten"):
        source = source_of(values, scale=scale)
        x = source.split("test").x
        found.append(source.baselines(x)["independent Gaussians"] - log_scale(source, x))
    np.testing.assert_allclose(*found, atol=1e-3)


def test_samples_in_levels_are_whole_numbers_again():
    source = source_of(np.random.default_rng(0).integers(0, 200, (60, 4)), support="levels")
    x = source.split("test").x
    np.testing.assert_array_equal(samples_to_user(source, x), np.round(source.units.to_user(x)))


@pytest.mark.parametrize("levels", [20_000, 65_536])
@pytest.mark.parametrize("mean", [0.1, 0.9])
def test_events_of_many_levels_are_those_of_their_field(levels, mean, tmp_path):
    """Float32 rounds them to more than a thousandth of a level; on the way back they are whole numbers again."""
    values = np.random.default_rng(0).binomial(levels - 1, mean, (60, 40))
    values[0, :2] = 0, levels - 1
    source = source_of(values, support="levels")
    assert source.event.levels == levels
    for name in SPLITS:
        x = source.split(name).x
        np.testing.assert_array_equal(source.event.check(x), x)
        assert np.isin(samples_to_user(source, x), values).all()
    np.save(tmp_path / "same.npy", values)
    again = source.read_events(tmp_path / "same.npy").x
    np.testing.assert_array_equal(samples_to_user(source, again), values)
    between = source.units.to_model(values[1:2] + 0.3).astype(np.float32)
    assert not source.event.contains(between).any()
    with pytest.raises(qs.DataError, match="is not levels"):
        source.event.check(between)


def test_samples_of_many_levels_are_levels():
    source = source_of(np.random.default_rng(0).integers(0, 65_536, (60, 3)), support="levels")
    kernel = qs.make("kernel", "gaussian", source.event)
    drawn = qs.sample(qs.Diffusion(kernel, ConstantModel(kernel.zero_params()), 3), 200, key=jr.key(0))
    assert drawn.dtype == np.float32 and source.event.contains(drawn).all()
    found = samples_to_user(source, drawn)
    np.testing.assert_array_equal(found, np.round(found))
    assert found.min() >= 0 and found.max() < source.event.levels
    field, numbers = source.event, np.arange(source.event.levels)
    low, spacing = np.float32(field.low), np.float32(field.spacing)
    for computed in ((field.low + field.spacing * numbers).astype(np.float32), low + spacing * numbers.astype(np.float32)):
        assert field.contains(computed).all() and not field.contains(computed + np.float32(0.1) * spacing).any()


def test_columns_that_determine_one_another_cannot_be_whitened():
    x = normal(100, 2)
    said = refused(np.column_stack([x, x[:, 0] - 3 * x[:, 1]]), scale="whiten")
    assert "column 1, column 2, column 3 determine one another" in said and "source.drop" in said
    source_of(np.column_stack([x, x[:, 0] - 3 * x[:, 1]]))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (np.arange(20 * 9).reshape(20, 3, 3).astype(np.uint8), 256),  # greys up to 179
        (np.arange(20 * 27).reshape(20, 3, 3, 3) % 17, 17),
        (np.arange(20 * 9).reshape(20, 3, 3) % 17.0, 17),
    ],
)
def test_pictures_of_whole_numbers_have_levels(values, field):
    values[:, 0, 0] = 0  # a pixel that is always dark
    source = source_of(values)
    assert isinstance(source.event, qs.Levels) and source.event.levels == field and source.event.shape == values.shape[1:]
    x = source.split("train").x
    assert source.event.check(x) is not None
    assert np.mean(x.astype(float) ** 2) == pytest.approx(1, abs=1e-5)
    back = np.concatenate([source.units.to_user(source.split(name).x) for name in SPLITS])
    np.testing.assert_allclose(np.sort(back.ravel()), np.sort(values.ravel()), atol=1e-4)
    assert log_scale(source, x) is None
    assert any("read as levels" in note for note in source.notes)
    assert source_of(values, support="categorical").event.categories >= field
    assert "constant" in refused(values, support="real")


@pytest.mark.parametrize(
    ("values", "event"),
    [
        (normal(20, 3), qs.Real((3,))),
        (normal(20), qs.Real((1,))),
        (normal(20, 4, 5), qs.Real((4, 5))),
        (np.arange(40).reshape(20, 2) % 2, qs.Binary((2,))),
        (np.arange(40).reshape(20, 2) % 2.0, qs.Binary((2,))),
        (np.arange(20) % 2 == 0, qs.Binary((1,))),
        (np.arange(60).reshape(20, 3) % 4, qs.Categorical((3,), 4)),
        (np.arange(64) % 32.0, qs.Categorical((1,), 32)),
        (np.arange(66) % 33, qs.Real((1,))),  # too many to be categories
        (np.arange(60) % 3 + 1, qs.Real((1,))),  # do not start at 0
        (np.arange(60) % 3 * 2, qs.Real((1,))),  # 1 and 3 are missing
        (np.arange(60) % 3 - 1, qs.Real((1,))),
    ],
)
def test_the_field_is_read_off_the_numbers(values, event):
    source = source_of(values)
    assert source.event == event
    x = source.split("train").x
    assert x.dtype == (np.int32 if isinstance(event, qs.Categorical) else np.float32)
    assert source.event.check(x) is not None
    if not isinstance(event, qs.Real):
        assert source.units.scale == 1 and source.units.shift == 0
        assert sorted(np.concatenate([source.split(n).x for n in SPLITS]).ravel()) == sorted(np.ravel(values))


@pytest.mark.parametrize(
    ("values", "support", "event"),
    [
        (np.arange(60).reshape(20, 3) % 2, "real", qs.Real((3,))),
        (np.arange(20) % 2, "categorical", qs.Categorical((1,), 2)),
        (np.arange(60) % 3 * 2, "categorical", qs.Categorical((1,), 5)),
        (np.arange(300) % 100, "categorical", qs.Categorical((1,), 100)),
    ],
)
def test_support_can_be_stated(values, support, event):
    assert source_of(values, support=support).event == event


@pytest.mark.parametrize(
    ("values", "support", "said"),
    [
        (
            np.arange(20) % 3,
            "binary",
            "data: 6 numbers are not 0 or 1 (source.support is 'binary'), the first at event 2, column 1",
        ),
        (np.arange(20) % 3 - 1, "categorical", "7 numbers are not a whole number from 0"),
        (
            normal(20, 2, 2),
            "categorical",
            "80 numbers are not a whole number from 0 (source.support is 'categorical'), the first at event 0, element (0, 0)",
        ),
    ],
)
def test_numbers_outside_the_stated_support_are_named(values, support, said):
    assert said in refused(values, support=support)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (normal(9, 2), "data: holds 9 events, expected at least 10"),
        (np.zeros((0, 2)), "holds 0 events"),
        (np.zeros((20, 0)), "its events (0,) hold no numbers"),
        (np.zeros((20, 3)), "every number is 0: there is nothing to learn"),
        (np.full((20, 3), 2.5), "every number is 2.5"),
        (
            np.stack([normal(20), np.full(20, 0.1)], axis=1),
            "constant in the training split: column 2; a constant has an infinite density",
        ),
        (
            np.pad(normal(20, 2, 2), ((0, 0), (0, 2), (0, 2))),
            "element (0, 2), element (0, 3), element (1, 2), element (1, 3) and 8 more;",
        ),
        (normal(20, 2) * 1e200, "too extreme; choose another unit"),
        (normal(20, 2) * 1e-200, "too extreme; choose another unit"),
        (
            np.where(np.arange(20) == 3, np.nan, normal(20)),
            "1 of 20 numbers are missing, the first at event 3;",
        ),
        (np.array(1.0), "a single number"),
        (np.array(["a"] * 20), "expected real numbers"),
    ],
)
def test_data_that_cannot_be_learnt_are_named(values, said):
    assert said in refused(values)


def test_a_constant_column_is_named_as_in_the_file(tmp_path):
    path = csv_of(tmp_path / "my.csv", np.stack([normal(20), np.full(20, 0.1)], axis=1), ["age", "year"])
    with pytest.raises(qs.DataError, match=r"my\.csv: constant in the training split: column 'year'; "):
        build(ArrayOptions(path=str(path)))


def test_path_must_be_given():
    with pytest.raises(qs.DataError, match=r"^source\.path: must be given"):
        build(ArrayOptions())


def test_a_file_and_the_same_array_in_memory_are_one_source(tmp_path):
    values = normal(30, 2)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "b.npz", x=values, y=np.zeros(3))
    path = csv_of(tmp_path / "c.csv", values, ["u", "v"])
    sources = [build(ArrayOptions(path=str(path))), build(ArrayOptions(path=str(tmp_path / "a.npy")))]
    sources.append(build(ArrayOptions(path=str(tmp_path / "b.npz"), key="x")))
    for source in sources:
        np.testing.assert_array_equal(source.split("test").x, source_of(values).split("test").x)
    assert sources[0].columns == ("u", "v") and sources[1].columns is None


def test_what_was_found_is_stated(tmp_path):
    path = csv_of(tmp_path / "wine.csv", normal(100, 2), ["a", "b"])
    assert build(ArrayOptions(path=str(path))).notes == (
        f"read 100 events of 2 real from {path}, its first line a header",
        "every column is centred and divided by its deviation in the training split",
        "splits: 70 train, 10 validation, 20 test",
    )
    assert (
        source_of(np.arange(20) % 2).notes[1]
        == 'whole numbers from 0 to 1 are read as binary (source.support = "real": as amounts)'
    )
    assert len(source_of(np.arange(20) % 2, support="binary").notes) == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            np.stack([normal(50), np.round(9 * normal(50))], axis=1),
            "whole numbers only in column 2: a density on such values has no upper limit",
        ),
        (np.round(16 * normal(200, 4)) / 255, "all numbers are among"),
        (np.concatenate([normal(40, 2), normal(10, 2)]), "10 events (20.0%) are copies of others"),
        (normal(50, 3) * [1, 1e-3, 50], "(column 2) to 4"),
        (
            np.stack([np.arange(7, 57), normal(50)], axis=1),
            "column 1 counts the events: remove it if it is only their number",
        ),
    ],
)
def test_what_its_owner_should_know_is_noted(values, said):
    notes = source_of(values, scale="one").notes
    assert len([note for note in notes if said in note]) == 1, notes


def test_nothing_is_noted_of_plain_data():
    assert len(source_of(normal(500, 3)).notes) == 3


def test_draw_gives_the_stored_row():
    source = source_of(normal(30, 2))
    stored = source.stored()
    np.testing.assert_array_equal(stored[np.arange(len(stored))], source.split("train").x)
    row = stored[np.asarray(3)]
    x, side = jax.jit(lambda row: source.draw(row, key=jr.key(0)))(row)
    assert side is None
    np.testing.assert_array_equal(x, row)
    assert qs.sources.capability(source, qs.sources.AbstractTruth) is None


@pytest.mark.parametrize("values", [1e9 + normal(60, 2), np.arange(120).reshape(60, 2) % 5])
def test_a_file_left_on_disk_gives_the_same_rows(tmp_path, monkeypatch, values):
    np.save(tmp_path / "a.npy", values)
    path = str(tmp_path / "a.npy")
    plain = build(ArrayOptions(path=path))
    monkeypatch.setattr(_numpy_files, "MAP_ABOVE", 0)
    monkeypatch.setattr(_tables, "CHUNK", 14)
    mapped = build(ArrayOptions(path=path))
    for name in SPLITS:
        np.testing.assert_allclose(mapped.split(name).x, plain.split(name).x, rtol=1e-6)
    stored = mapped.stored()
    assert not isinstance(stored, qs.sources.ArrayRows) and len(stored) == len(plain.stored())
    numbers = np.array([[3, 1, 1], [0, 41, 7]])
    np.testing.assert_allclose(stored[numbers], plain.stored()[numbers], rtol=1e-6)
    assert stored[numbers].dtype == plain.stored()[numbers].dtype


def test_events_of_another_file_come_in_model_units(tmp_path):
    values, others = normal(40, 2), normal(3, 2, seed=1)
    source = build(ArrayOptions(path=str(csv_of(tmp_path / "a.csv", values, ["u", "v"]))))
    read = source.read_events(csv_of(tmp_path / "b.csv", others, ["u", "v"]))
    found = read.x
    assert read.tags["line"].tolist() == [2, 3, 4]
    assert found.dtype == np.float32
    np.testing.assert_allclose(source.units.to_user(found.astype(float)), others, atol=1e-6)
    np.save(tmp_path / "c.npy", others)
    np.testing.assert_array_equal(source.read_events(tmp_path / "c.npy").x, found)


def test_files_of_another_kind_are_named(tmp_path):
    real = build(ArrayOptions(path=str(csv_of(tmp_path / "a.csv", normal(40, 2), ["u", "v"]))))
    with pytest.raises(qs.DataError, match=r"b\.csv: its columns are v, u; expected u, v, in this order"):
        real.read_events(csv_of(tmp_path / "b.csv", normal(4, 2), ["v", "u"]))
    np.save(tmp_path / "c.npy", normal(4, 3))
    with pytest.raises(qs.DataError, match=r"c\.npy: its events are 3 real, expected 2 real"):
        real.read_events(tmp_path / "c.npy")
    np.save(tmp_path / "d.npy", normal(4))
    assert source_of(normal(40)).read_events(tmp_path / "d.npy").x.shape == (4, 1)
    np.save(tmp_path / "d.npy", np.array([0, 1, 2, 1]))
    bits = source_of(np.arange(20) % 2).read_events(tmp_path / "d.npy")
    assert bits.x.ravel().tolist() == [0, 1, 1] and bits.tags["event"].tolist() == [0, 1, 3] and bits.numbers.tolist() == [0, 1, 3]
    assert bits.outside == (qs.sources.Outside(2, "column 1: 2 is no value of an event, which is 1 binary", {"event": 2}),)
    np.save(tmp_path / "e.npy", np.arange(4))
    symbols = source_of(np.arange(21) % 3).read_events(tmp_path / "e.npy")
    assert symbols.x.ravel().tolist() == [0, 1, 2] and symbols.x.dtype == np.int32 and len(symbols.outside) == 1
    (tmp_path / "f.csv").write_text("u,v\n1,2\n1,1e300\n")
    (far,) = real.read_events(tmp_path / "f.csv").outside
    assert far.tags == {"line": 3} and far.reason.startswith("column 'v': 1e+300 is no value")


@pytest.mark.parametrize("shape", [(1,), (2,), (4, 5), (7,)])
def test_render_draws_in_the_users_units(tmp_path, shape):
    source = source_of(100 + normal(40, *shape))
    axes = Figure().add_subplot()
    source.render(source.split("train").x, axes)
    if shape == (1,):
        assert 95 < axes.patches[0].get_x() < 105
    elif shape == (2,):
        assert 95 < axes.collections[0].get_offsets().min() < 105
    elif shape == (4, 5):
        assert axes.images[0].get_array().min() > 90
    else:  # columns with scales of their own are compared in these
        assert abs(axes.images[0].get_array().mean()) < 0.1


def test_render_names_the_columns(tmp_path):
    source = build(ArrayOptions(path=str(csv_of(tmp_path / "a.csv", normal(40, 2), ["age", "height"]))))
    axes = Figure().add_subplot()
    source.render(source.split("train").x, axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("age", "height")


def parts_of(count=40):
    """A mapping of arrays, one for each part of an event."""
    return {
        "size": 50 + 3 * normal(count),
        "kind": np.arange(count) % 4,
        "image": np.random.default_rng(0).integers(0, 2, (count, 3, 3)),
    }


def test_a_mapping_of_arrays_is_an_event_of_several_parts():
    values = parts_of()
    source = arrays.array_source(values)
    assert source.event == qs.Fields({"size": qs.Real((1,)), "kind": qs.Categorical((1,), 4), "image": qs.Binary((3, 3))})
    assert source.columns is None and source.units["kind"].scale == 1
    splits = [source.split(name).x for name in SPLITS]
    assert [len(source.split(name)) for name in SPLITS] == [28, 4, 8]
    for x in splits:
        jax.tree.map(np.testing.assert_array_equal, source.event.check(x), x)
    # the same rows of every part, and every event in one split
    whole = {name: np.concatenate([x[name] for x in splits]) for name in values}
    size = source.units["size"].to_user(whole["size"].astype(float)).ravel()
    order, expected = np.argsort(size), np.argsort(values["size"])
    np.testing.assert_allclose(size[order], values["size"][expected], atol=1e-5)
    for name in ("kind", "image"):
        np.testing.assert_array_equal(whole[name][order].reshape(values[name].shape), values[name][expected])
    assert splits[0]["size"].std() == pytest.approx(1, abs=1e-5)
    jax.tree.map(np.testing.assert_array_equal, source.split("test", 3).x, jax.tree.map(lambda x: x[:3], splits[2]))
    row = source.stored()[np.asarray(3)]
    jax.tree.map(np.testing.assert_array_equal, source.draw(row, key=jr.key(0))[0], row)


def test_rows_of_a_mapping_are_read_where_one_part_is_mapped_from_disk(tmp_path, monkeypatch):
    values = parts_of()
    np.save(tmp_path / "image.npy", values["image"])
    monkeypatch.setattr(_tables, "CHUNK", 27)
    plain = arrays.array_source(values)
    mapped = arrays.array_source({**values, "image": np.load(tmp_path / "image.npy", mmap_mode="r")})
    assert mapped.event == plain.event
    stored = mapped.stored()
    assert not isinstance(stored, qs.sources.ArrayRows) and len(stored) == len(plain.stored()) == 28
    numbers = np.array([[3, 1, 1], [0, 27, 7]])
    jax.tree.map(np.testing.assert_array_equal, stored[numbers], plain.stored()[numbers])
    assert {name: array.dtype for name, array in stored[numbers].items()} == {
        "size": np.float32, "kind": np.int32, "image": np.float32
    }  # fmt: skip
    for name in SPLITS:
        jax.tree.map(np.testing.assert_array_equal, mapped.split(name).x, plain.split(name).x)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "data: expected at least one array, got an empty mapping"),
        ({"a": normal(20), "b": normal(21)}, "data: expected as many events of every part, got {'a': 20, 'b': 21}"),
        ({"a": normal(20), "b": np.full(20, 3.0)}, "b: every number is 3: there is nothing to learn"),
        ({"a": normal(20), "b": np.where(np.arange(20) == 3, np.nan, 1.0)}, "b: 1 of 20 numbers are missing"),
        ({"a": np.zeros((20, 0))}, "a: its events (0,) hold no numbers"),
        ({"a": normal(3)}, "a: holds 3 events, expected at least 10"),
    ],
)
def test_parts_that_cannot_be_used_are_named(values, said):
    with pytest.raises(qs.DataError) as caught:
        arrays.array_source(values)
    assert said in str(caught.value)


def test_a_mapping_of_arrays_trains_and_samples_in_the_users_units(tmp_path):
    (tmp_path / "parts.toml").write_text('[source]\nuse = "array"\n[kernel]\nuse = "product"\n')
    small = {"model.width": 8, "model.depth": 1, "training.updates": 4, "training.batch": 8, "trajectory.steps": 3}
    run = qs.train(qs.load_recipe(tmp_path / "parts.toml", small), parts_of())
    xs = run.sample(5)
    assert {name: x.shape for name, x in xs.items()} == {"size": (5, 1), "kind": (5, 1), "image": (5, 3, 3)}
    assert 20 < xs["size"].mean() < 80 and set(np.unique(xs["kind"])) <= {0, 1, 2, 3}
    bound = run.bound({name: values[:3] for name, values in parts_of().items()})
    assert set(bound.by_part) == {"size", "kind", "image"}
    np.testing.assert_allclose(bound.per_event, -sum(terms.sum(axis=1) for terms in bound.by_part.values()))
