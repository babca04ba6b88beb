"""The 8x8 digits: views, splits, augmentation that does not leak, and simple models to compare with."""

import builtins
import math

import jax
import jax.random as jr
import numpy as np
import pytest
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic_plugins.digits import DigitsOptions
from quasistatic_plugins.digits.baseline import mixture
from quasistatic_plugins.digits.source import build

sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="needs quasistatic[data]")
SPLITS = ("train", "validation", "test")


def digits(**options):
    return build(DigitsOptions(**options))


def levels():
    return sklearn_datasets.load_digits().images.astype(int)


def rows(source, count):
    return source.stored()[np.arange(count)]


def augmented(source, count, key=0):
    """`count` augmented events of the first training image, with their codes."""
    row = source.stored()[np.asarray(0)]
    keys = jr.split(jr.key(key), count)
    x, side = jax.jit(jax.vmap(lambda key: source.draw(row, key=key)))(keys)
    return row["grey"].astype(int), np.asarray(x), np.asarray(side["code"])


@pytest.mark.parametrize("view", ["binary", "grey"])
def test_splits_are_a_partition_of_all_images(view):
    source = digits(view=view)
    splits = [source.split(name).x for name in SPLITS]
    assert [len(x) for x in splits] == [1257, 180, 360]
    assert all(x.dtype == np.float32 and source.event.check(x) is not None for x in splits)
    everything = np.concatenate(splits)
    if view == "grey":
        everything = np.round(source.units.to_user(everything)).astype(int)
        expected = levels()
    else:
        expected = (levels() >= 8).astype(int)
    order = np.lexsort(everything.reshape(1797, -1).T), np.lexsort(expected.reshape(1797, -1).T)
    np.testing.assert_array_equal(everything[order[0]], expected[order[1]])


def test_splits_are_fixed_by_their_seed():
    for name in SPLITS:
        np.testing.assert_array_equal(digits().split(name).x, digits().split(name).x)
    assert not np.array_equal(digits().split("test").x, digits(split_seed=1).split("test").x)
    # a change of the stream would silently change what every run is measured on
    assert digits(labels=True).split("test", 12).side.tolist() == FIRST_LABELS


FIRST_LABELS = [7, 9, 4, 7, 0, 2, 6, 1, 3, 1, 3, 7]


def test_events_of_both_views():
    assert digits().event == qs.Binary((8, 8))
    source = digits(view="grey")
    event = source.event
    assert isinstance(event, qs.Levels) and event.levels == 17 and source.side is None
    train = source.split("train").x
    assert train.mean() == pytest.approx(0, abs=1e-5) and train.std() == pytest.approx(1, abs=1e-5)
    spacing = (event.high - event.low) / 16
    level = (train - event.low) / spacing
    np.testing.assert_allclose(level, np.round(level), atol=1e-4)
    assert level.min() == pytest.approx(0, abs=1e-4) and level.max() == pytest.approx(16, abs=1e-4)
    assert source.units.to_user(np.array([event.low, event.high])) == pytest.approx([0, 16], abs=1e-9)


def test_labels_are_integers_beside_the_images():
    source = digits(labels=True)
    assert source.side == qs.Categorical((), 10)
    for name in SPLITS:
        side = source.split(name).side
        assert side.dtype == np.int32 and set(np.unique(side)) == set(range(10))
        np.testing.assert_array_equal(source.side.check(side), side)
    truth = {image.tobytes(): label for image, label in zip(levels(), sklearn_datasets.load_digits().target, strict=True)}
    grey = digits(view="grey", labels=True)
    data = grey.split("test")
    images = np.round(grey.units.to_user(data.x)).astype(int)
    assert [truth[image.tobytes()] for image in images] == data.side.tolist()
    assert digits().split("test").side is None


@pytest.mark.parametrize("options", [{}, {"view": "grey", "labels": True}])
def test_draw_gives_the_training_events(options):
    source = digits(**options)
    data = source.split("train")
    assert rows(source, 5)["grey"].dtype == np.uint8 and len(source.stored()) == 1257
    x, side = jax.vmap(lambda row, key: source.draw(row, key=key))(rows(source, 50), jr.split(jr.key(0), 50))
    np.testing.assert_array_equal(x, data.x[:50])
    assert side is None if data.side is None else np.array_equal(side, data.side[:50])


@pytest.mark.parametrize("view", ["binary", "grey"])
@pytest.mark.parametrize("labels", [False, True])
def test_augmentation_is_off_in_every_split(view, labels):
    plain, source = digits(view=view, labels=labels), digits(view=view, labels=labels, augment=True)
    own = {"side": qs.Categorical((), 10)} if labels else {}
    assert source.side == qs.Fields({"code": qs.Real((3 if view == "binary" else 2,)), **own})
    assert source.event == plain.event
    for name in SPLITS:
        data, expected = source.split(name), plain.split(name)
        np.testing.assert_array_equal(data.x, expected.x)
        assert data.side["code"].dtype == np.float32 and (data.side["code"] == 0).all()
        if labels:
            np.testing.assert_array_equal(data.side["side"], expected.side)


@pytest.mark.parametrize("view", ["binary", "grey"])
def test_code_says_exactly_what_was_done(view):
    source = digits(view=view, augment=True)
    grey, xs, codes = augmented(source, 2000)
    seen = set()
    for x, code in {(x.tobytes(), tuple(code)): (x, code) for x, code in zip(xs, codes, strict=True)}.values():
        down, right = np.round(code[:2]).astype(int)
        padded = np.zeros((10, 10), int)
        padded[1 + down : 9 + down, 1 + right : 9 + right] = grey
        shifted = padded[1:9, 1:9]
        if view == "binary":
            threshold = 8 + round(2 * float(code[2]))
            np.testing.assert_array_equal(x, shifted >= threshold)
            seen.add((down, right, threshold))
        else:
            np.testing.assert_allclose(x, source.units.to_model(shifted), atol=1e-5)
            seen.add((down, right))
    assert len(seen) == (45 if view == "binary" else 9)
    assert np.abs(codes).max() == 1


def test_a_fair_share_of_training_events_is_untouched():
    source = digits(augment=True)
    _, xs, codes = augmented(source, 2000)
    untouched = (codes == 0).all(axis=1)
    assert untouched.mean() == pytest.approx(0.5 + 0.5 / 45, abs=4 * 0.5 / math.sqrt(2000))
    assert (xs[untouched] == source.split("train").x[0]).all()
    assert np.abs(codes.mean(axis=0)).max() < 4 / math.sqrt(2000)


def test_augmented_draw_is_pure_in_its_key():
    source = digits(augment=True, labels=True)
    row = source.stored()[np.asarray(7)]
    first, second = (source.draw(row, key=jr.key(4)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert first[1]["code"].shape == (3,) and first[1]["side"] == row["label"]


def test_test_images_that_equal_a_training_image_are_counted():
    source = digits(augment=True)
    train = {image.tobytes() for image in source.split("train").x}
    seen = sum(image.tobytes() in train for image in source.split("test").x)
    assert seen == 15 and source.notes == ("15 of 360 test images equal a training image, pixel for pixel",)
    assert digits(view="grey").notes == ()


def test_baselines_of_the_binary_view():
    source = qs.sources.capability(digits(augment=True), qs.sources.AbstractBaselines)
    found = source.baselines(source.split("test").x)
    assert found["independent pixels"].shape == (360,)
    assert found["independent pixels"].mean() == pytest.approx(-25.06, abs=0.02)
    assert -18.2 < found["mixture of 60 independent-pixel models"].mean() < -17.4


def test_mixture_of_one_is_the_frequencies_and_recovers_two_clusters():
    rng = np.random.default_rng(0)
    train = rng.integers(0, 3, (4000, 1))
    frequency = (np.bincount(train.ravel(), minlength=3) + 0.2) / (4000 + 0.6)
    np.testing.assert_allclose(mixture(train, np.arange(3)[:, None], 3), np.log(frequency), rtol=1e-12)
    kind = rng.random(4000) < 0.3
    bits = (rng.random((4000, 12)) < np.where(kind, 0.9, 0.1)[:, None]).astype(int)
    # truth: log(.3 * .9^k .1^(12-k) + .7 * .1^k .9^(12-k))
    ones = bits.sum(axis=1)
    truth = np.logaddexp(
        math.log(0.3) + ones * math.log(0.9) + (12 - ones) * math.log(0.1),
        math.log(0.7) + ones * math.log(0.1) + (12 - ones) * math.log(0.9),
    )
    assert mixture(bits[:3000], bits[3000:], 2, components=2).mean() == pytest.approx(truth[3000:].mean(), abs=0.02)
    every = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    assert np.exp(mixture(bits[:200, :6], every, 2, components=4)).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("view", ["binary", "grey"])
def test_judge_compares_the_ink(view):
    source = digits(view=view)
    image = levels()[:5]
    ink = (image >= 8).mean() if view == "binary" else image.mean() / 16
    x = (image >= 8).astype(float) if view == "binary" else source.units.to_model(image)
    found = source.judge(x)
    assert found["ink"] == pytest.approx(ink, abs=1e-6)
    assert found["ink_of_data"] == pytest.approx(0.324 if view == "binary" else 0.305, abs=0.002)


def test_render_tiles_the_images():
    axes = Figure().add_subplot()
    source = digits()
    x = source.split("test").x[:7]
    qs.pictures.draw_field(x, source.event, axes)
    picture = axes.images[0].get_array()
    assert picture.shape == (3 * 9 - 1, 3 * 9 - 1)
    np.testing.assert_array_equal(picture[:8, :8], x[0])
    np.testing.assert_array_equal(picture[9:17, 18:26], x[5])
    assert np.ma.getmaskarray(picture)[8].all()


def test_without_scikit_learn_there_is_one_message(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError("No module named 'sklearn'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(qs.DataError, match=r"source 'digits' needs scikit-learn: pip install \"quasistatic\[data\]\""):
        digits()
