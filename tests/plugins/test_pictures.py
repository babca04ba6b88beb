"""Sources of pictures: what is read is what the files hold, no file is in two splits, and a run knows its pictures again."""

import gzip
import shutil
import sys
import types

import attrs
import numpy as np
import pytest
from PIL import Image

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic.kits.pictures.decoding import decode
from quasistatic.kits.pictures.source import independent_pixels

ENDINGS = (".png", ".jpg", ".webp", ".tiff", ".bmp")


def waves(random, height, width, is_colour):
    y, x = np.mgrid[:height, :width]
    grey = 127 + 100 * np.sin(x / random.uniform(2, 9) + random.uniform(0, 6)) * np.cos(y / random.uniform(2, 9))
    grey = np.clip(grey + random.normal(0, 8, grey.shape), 0, 255).astype(np.uint8)
    return np.stack([grey, grey[::-1], 255 - grey], axis=-1) if is_colour else grey


def fill(folder, count):
    """Pictures of many kinds and sizes in two folders, one in 20 of them cut short; the names of these."""
    random, bad = np.random.RandomState(0), []
    for number in range(count):
        picture = Image.fromarray(waves(random, *random.randint(20, 60, 2), is_colour=number % 3 == 0))
        path = folder / ("left", "right")[number % 2] / f"{number:04d}{ENDINGS[number % 5]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        if number % 20 == 7 * (number // 20) % 20:  # of every ending
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            bad.append(path.relative_to(folder).as_posix())
    return bad


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return folder, fill(folder, 40)


def images(path, **options):
    return qs.make("source", "images", path=str(path), **{"size": 8, **options})


def all_events(source):
    return np.concatenate([source.split(name).x for name in ("train", "validation", "test")])


def test_a_mixed_folder_is_read_and_what_is_corrupt_is_named(folder):
    path, bad = folder
    source = images(path)
    assert len(bad) == 2 and len(all_events(source)) == 38
    said = next(note for note in source.notes if "left out 2 of 40 files" in note)
    assert all(name in said for name in bad)
    assert source.event.shape == (8, 8, 3) and source.event.levels == 256
    levels = source.units.to_user(all_events(source))
    assert np.abs(levels - np.round(levels)).max() < 1e-2 and levels.min() > -0.01 and levels.max() < 255.01


def test_a_thousand_mixed_pictures_of_which_fifty_are_corrupt(tmp_path):
    bad = fill(tmp_path, 1000)
    source = images(tmp_path)
    assert len(bad) == 50 and len(all_events(source)) == 950
    said = next(note for note in source.notes if "left out 50 of 1000 files" in note)
    assert all(name in said for name in bad)


def test_pictures_without_loss_keep_their_levels(tmp_path):
    random = np.random.RandomState(1)
    for number in range(12):
        Image.fromarray(random.randint(0, 256, (8, 8, 3), np.uint8)).save(
            tmp_path / f"{number:02d}{(ENDINGS[0], '.bmp', '.tif')[number % 3]}"
        )
    for fit in ("resize", "crop", "patches"):
        source = images(tmp_path, fit=fit, patches=1)
        for name in ("train", "validation", "test"):
            data = source.split(name)
            for x, file in zip(source.units.to_user(data.x), data.tags["file"], strict=True):
                np.testing.assert_array_equal(np.round(x), np.asarray(Image.open(tmp_path / file)))


@pytest.mark.parametrize("fit", ["crop", "resize"])
def test_the_middle_is_taken(tmp_path, fit):
    picture = np.zeros((16, 32), np.uint8)
    picture[:, 8:24] = 200
    for number in range(10):
        changed = picture.copy()
        changed[8, 16] = number
        Image.fromarray(changed).save(tmp_path / f"{number}.png")
    levels = np.round(images(tmp_path, fit=fit, size=16).units.to_user(all_events(images(tmp_path, fit=fit, size=16))))
    assert np.median(levels) == 200 and (levels == 200).mean() > 0.99


def test_transparency_is_white_and_rotation_is_undone(tmp_path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4] = (255, 0, 0, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    (page,) = decode((tmp_path / "clear.png").read_bytes())
    decoded = page.levels
    assert page.lost == ("transparency is put on white",)
    assert decoded[0, 0].tolist() == [255, 0, 0] and decoded[7, 7].tolist() == [255, 255, 255]
    grey = np.zeros((8, 4), np.uint8)
    grey[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise
    Image.fromarray(grey).save(tmp_path / "turned.png", exif=exif)
    (page,) = decode((tmp_path / "turned.png").read_bytes())
    turned = page.levels
    assert page.lost == ("turned upright, as EXIF says",)
    assert turned.shape == (4, 8) and turned[:, -1].tolist() == [255] * 4


def test_patches_of_one_file_are_in_one_split(folder):
    source = images(folder[0], fit="patches", patches=5, view="grey")
    files = [set(source.split(name).tags["file"]) for name in ("train", "validation", "test")]
    assert sum(map(len, files)) == len(set.union(*files)) == 38
    assert len(all_events(source)) == 5 * 38
    assert len(np.unique(all_events(source), axis=0)) == 5 * 38


def test_folders_are_classes(folder):
    source = images(folder[0], labels=True)
    data = source.split("train")
    assert source.side == qs.Categorical((), 2)
    assert [("left", "right")[label] for label in data.side] == data.tags["label"].tolist()
    assert [name.split("/")[0] for name in data.tags["file"]] == data.tags["label"].tolist()
    with pytest.raises(qs.DataError, match="pictures of one class, or of none"):
        images(folder[0] / "left", labels=True)


@pytest.mark.parametrize(
    "options", [{}, {"view": "grey", "labels": True}, {"view": "binary"}, {"dequantise": True}, {"fit": "patches", "patches": 2}]
)
def test_its_laws_hold(folder, options):
    for law in qs.testing.laws_of("source", images(folder[0], **options)):
        law()


def test_dequantised_levels_are_spread_over_one_level(folder):
    plain, spread = images(folder[0]), images(folder[0], dequantise=True)
    away = spread.units.to_user(all_events(spread)) - plain.units.to_user(all_events(plain))
    assert away.min() >= -0.5001 and away.max() <= 0.5001
    assert abs(away.var() - 1 / 12) < 1e-3 and isinstance(spread.event, qs.Real)
    # a density that is even over the width of a level has the probability of the level: in units of a level they are the same
    one, other = (source.baselines(source.split("test").x)["independent pixels"] for source in (plain, spread))
    np.testing.assert_allclose(one, other - spread.units.log_volume(spread.event.shape), rtol=1e-5)


def test_the_baseline_is_the_mean_of_logarithms_of_frequencies():
    train = np.array([[0, 1], [0, 1], [0, 0], [1, 1]], np.uint8)
    found = independent_pixels(train, train, np.array([[0, 1]], np.uint8), 2)
    everywhere = np.array([5, 5]) / 10
    # the first pixel is 0 in three of four, the second 1; both counted with one picture more, of what is common to all pixels
    expected = np.log((3 + everywhere[0]) / 5) + np.log((3 + everywhere[1]) / 5)
    assert found == pytest.approx(expected)


def test_a_run_knows_its_pictures_again(folder, tmp_path):
    shutil.copytree(folder[0], tmp_path / "pictures")
    component = qs.plugins().component("source", "images")
    options = component.options(path=str(tmp_path / "pictures"), size=8, labels=True)
    source = component.load()(options)
    kept = source.kept().at(tmp_path / "pictures")
    assert kept.about["path"] == str(tmp_path / "pictures") and kept.about["classes"] == ["left", "right"]
    again = component.load_restore()(options, kept)
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    assert (again.event, again.side, again.notes) == (source.event, source.side, source.notes)
    next((tmp_path / "pictures").rglob("*.png")).unlink()
    changed = component.load_restore()(options, kept)
    assert changed.units.shift == source.units.shift  # what needs no pictures goes on
    with pytest.raises(qs.DataError, match="these are not the data of the run"):
        changed.split("test")


def test_other_pictures_are_read_as_those_of_the_run(folder, tmp_path):
    source = images(folder[0], labels=True)
    data = source.read_events(folder[0])
    assert len(data) == 38 and set(data.tags) == {"picture", "file", "label"}
    fill(tmp_path / "left", 12)  # its folders have the same names
    assert len(source.read_events(tmp_path / "left")) == 11
    (tmp_path / "left" / "right").rename(tmp_path / "left" / "middle")
    data = source.read_events(tmp_path / "left")
    strangers = [each for each in data.outside if "its class is 'middle', expected one of left, right" in each.reason]
    assert len(strangers) + len(data) == 11 and {each.tags["label"] for each in strangers} == {"middle"}
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8, 3), np.uint8))
    assert np.allclose(source.units.to_user(source.read_events(tmp_path / "x.npy").x), 0, atol=1e-4)
    with pytest.raises(qs.DataError, match=r"expected an array of shape \(N, 8, 8\), got \(3, 8, 8, 3\)"):
        images(folder[0], view="grey").read_events(tmp_path / "x.npy")


def test_a_constant_grey_is_no_contrast(folder):
    source = images(folder[0], view="grey")
    figure = qs.pictures.samples(source, np.zeros((4, 8, 8), np.float32))
    (image,) = figure.axes[0].images
    assert image.get_clim() == (0.0, 255.0)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_arrays_are_pictures_too(tmp_path, kind, colours):
    values = np.random.RandomState(0).randint(0, 256, (40, 5, 6, *colours)).astype(kind)
    np.save(tmp_path / "x.npy", values if kind == "uint8" else values / 255)
    source = qs.make("source", "array", path=str(tmp_path / "x.npy"))
    assert source.event.shape == (5, 6, *colours) and source.event.units["pixel"] == 30
    assert isinstance(source.event, qs.Levels if kind == "uint8" else qs.Real)
    (image,) = qs.pictures.samples(source, source.split("test").x).axes[0].images
    assert np.shape(image.get_array())[2:] == colours


# MNIST's format


def idx(array, kind=0x08):
    header = bytes([0, 0, kind, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    random = np.random.RandomState(0)
    for name, count in (("train", 30), ("t10k", 12)):
        pixels, labels = random.randint(0, 256, (count, 6, 6)), np.arange(count) % 3
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(pixels))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), mtime=0))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(
        gzip.compress((tmp_path / "train-images-idx3-ubyte").read_bytes(), mtime=0)
    )
    return tmp_path


@pytest.mark.parametrize("options", [{}, {"labels": True, "view": "grey"}, {"view": "binary"}])
def test_the_laws_hold_for_idx(mnist, options):
    source = qs.make("source", "idx", path=str(mnist), **options)
    for law in qs.testing.laws_of("source", source):
        if law.name != "written":  # it writes .tif, and reads files of its own format alone
            law()
    assert [len(source.split(name)) for name in ("train", "validation", "test")] == [27, 3, 12]


def test_packed_files_hold_the_same(mnist):
    plain = qs.make("source", "idx", path=str(mnist / "train-images-idx3-ubyte"), labels=True)
    packed = qs.make("source", "idx", path=str(mnist / "train-images-idx3-ubyte.gz"), labels=True)
    np.testing.assert_array_equal(plain.split("test").x, packed.split("test").x)
    np.testing.assert_array_equal(plain.split("test").side, packed.split("test").side)
    assert [len(plain.split(name)) for name in ("train", "validation", "test")] == [21, 3, 6]


def test_what_a_file_declares_is_what_it_must_hold(mnist):
    path = mnist / "train-images-idx3-ubyte"
    data = path.read_bytes()
    for changed, said in (
        (data[:-1], r"declares 1080 numbers \(30, 6, 6\) and holds 1079"),
        (data + b"x", "and holds more"),
        (data[:4] + (10**6).to_bytes(4, "big") + (10**4).to_bytes(4, "big") * 2, "above the limit of 1 GB"),
        (b"\x80\x04" + data[2:], "is no IDX file"),
        (idx(np.zeros((2, 2)), 0x0D), "holds float32 of 2 axes, expected uint8 pictures"),
    ):
        path.write_bytes(changed)
        with pytest.raises(qs.DataError, match=said):
            qs.make("source", "idx", path=str(path))
    path.with_name("train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data)[:-20])
    with pytest.raises(qs.DataError, match="cannot be read"):
        qs.make("source", "idx", path=str(path) + ".gz")


def test_grey_files_have_no_colour(mnist):
    with pytest.raises(qs.DataError, match=r'its pictures are grey, expected source.view = "grey"'):
        qs.make("source", "idx", path=str(mnist), view="colour")


# CIFAR


@pytest.fixture
def cifar(tmp_path):
    random = np.random.RandomState(0)
    for name, count in (("data_batch_1.bin", 12), ("data_batch_2.bin", 12), ("test_batch.bin", 6)):
        rows = random.randint(0, 256, (count, 3073)).astype(np.uint8)
        rows[:, 0] = np.arange(count) % 10
        (tmp_path / name).write_bytes(rows.tobytes())
    (tmp_path / "batches.meta.txt").write_text(
        "airplane automobile bird cat deer dog frog horse ship truck".replace(" ", "\n") + "\n\n"
    )
    return tmp_path


def test_the_laws_hold_for_cifar(cifar):
    source = qs.make("source", "cifar", path=str(cifar), labels=True)
    for law in qs.testing.laws_of("source", source):
        law()
    assert source.event.shape == (32, 32, 3) and [len(source.split(name)) for name in ("train", "validation", "test")] == [22, 2, 6]
    row = np.frombuffer((cifar / "test_batch.bin").read_bytes(), np.uint8).reshape(6, 3073)
    data = source.split("test")
    order = data.tags["picture"] - 24
    np.testing.assert_array_equal(data.side, row[order, 0])
    assert data.tags["label"][0] in ("airplane", "automobile", "bird", "cat", "deer", "dog")
    colours = np.round(source.units.to_user(data.x))
    np.testing.assert_array_equal(colours[..., 1].reshape(6, -1), row[order, 1 + 1024 : 1 + 2048])


def test_cifar_100_has_two_labels(tmp_path):
    rows = np.random.RandomState(0).randint(0, 100, (20, 3074)).astype(np.uint8)
    (tmp_path / "train.bin").write_bytes(rows.tobytes())
    source = qs.make("source", "cifar", path=str(tmp_path), view="grey", labels=True)
    data = source.split("train")
    np.testing.assert_array_equal(data.side, rows[data.tags["picture"], 1])
    assert source.event.shape == (32, 32)


# textures


@pytest.fixture
def skimage(monkeypatch):
    """Three pictures in the place of those of scikit-image."""
    ramp = np.arange(120 * 90).reshape(120, 90) // 90
    data = types.ModuleType("skimage.data")
    for number, name in enumerate(("grass", "gravel", "brick")):
        setattr(data, name, lambda number=number: ((ramp + 70 * number) % 256).astype(np.uint8))
    package = types.ModuleType("skimage")
    package.data = data
    monkeypatch.setitem(sys.modules, "skimage", package)
    monkeypatch.setitem(sys.modules, "skimage.data", data)


def test_the_laws_hold_for_textures(skimage):
    for law in qs.testing.laws_of("source", qs.make("source", "textures", size=6, patches=100, labels=True)):
        law()


def test_no_row_of_a_texture_is_in_two_splits(skimage):
    one = qs.make("source", "textures", size=6, patches=100, texture="grass")
    rows = [set(np.round(one.units.to_user(one.split(name).x)).ravel()) for name in ("train", "validation", "test")]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    assert max(rows[0]) < 84 and min(rows[2]) >= 96


def test_patches_too_large_for_a_band_are_refused(skimage):
    with pytest.raises(qs.DataError, match=r"source.size: a band of a texture .* it has 90x12 pixels, too few for 32x32"):
        qs.make("source", "textures", size=32)


def test_the_textures_ship():
    pytest.importorskip("skimage")
    source = qs.make("source", "textures", patches=20)
    assert source.event.shape == (32, 32) and len(all_events(source)) == 60


def test_without_scikit_image_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(qs.DataError, match=r'pip install "quasistatic\[data\]"'):
        qs.make("source", "textures")


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match='dequantise: expected false where view = "binary"'):
        attrs.evolve(pictures.PictureChoices(), view="binary", dequantise=True)
