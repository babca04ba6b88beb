"""Pictures come in as they are in their files, and what is lost of them is noted: pages, levels, colours, transparency."""

import io
import pickle
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

import quasistatic as qs
from quasistatic._data.conversion import samples_to_user
from quasistatic.kits.pictures import decoding


def levels(count, *shape, white=255, seed=0):
    random = np.random.RandomState(seed)
    return random.randint(0, white + 1, (count, *shape)).astype(np.uint8 if white < 256 else np.uint16)


def save(folder, pictures, ending=".png", **options):
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:02d}{ending}", **options)


def images(path, **options):
    return qs.make("source", "images", path=str(path), **{"size": 8, "fit": "crop", **options})


def noted(source, text):
    return [note for note in source.notes if text in note]


def stored(source):
    """Of every picture its levels in the units of the user, by file and page."""
    found = {}
    for name in ("train", "validation", "test"):
        data = source.split(name)
        pages = data.tags.get("page", np.ones(len(data), int))
        for x, file, page in zip(source.units.to_user(data.x), data.tags["file"], pages, strict=True):
            found[str(file), int(page)] = np.round(x)
    return found


# pages


@pytest.mark.parametrize("ending", [".tif", ".png", ".webp", ".gif", ".avif"])
def test_every_page_is_a_picture(tmp_path, ending):
    pictures = levels(36, 8, 8).reshape(12, 3, 8, 8)
    lossless = {".webp": {"lossless": True}, ".avif": {"quality": 100}}.get(ending, {})
    if ending == ".avif" and decoding.needs(".avif"):
        pytest.skip("this pillow reads no AVIF")
    for number, frames in enumerate(pictures):
        first, *others = map(Image.fromarray, frames)
        first.save(tmp_path / f"{number}{ending}", save_all=True, append_images=others, **lossless)
    source = images(tmp_path)
    found = stored(source)
    assert len(found) == 36 and source.event.shape == (8, 8)
    for number, frames in enumerate(pictures):
        for page, frame in enumerate(frames, start=1):
            np.testing.assert_allclose(found[f"{number}{ending}", page], frame, atol=1 if ending == ".avif" else 0)
    assert noted(source, f"0{ending} and 11 more have 3 pages each, pictures of their own: 36 in all")
    in_train, in_test = (set(source.split(name).tags["file"]) for name in ("train", "test"))
    assert not in_train & in_test
    first = images(tmp_path, pages="first")
    assert set(stored(first)) == {(f"{number}{ending}", 1) for number in range(12)}
    assert noted(first, f"0{ending} and 11 more: of 3 pages one is read")


def test_one_file_of_many_pages(tmp_path):
    first, *others = map(Image.fromarray, levels(30, 8, 8))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    with pytest.raises(qs.DataError, match=r"leave train empty: expected more files, or source\.split_pages = true"):
        images(tmp_path)
    for place in (tmp_path, tmp_path / "stack.tif"):
        assert sorted(stored(images(place, split_pages=True))) == [("stack.tif", page) for page in range(1, 31)]


def test_all_pages_share_one_budget_and_none_is_decoded_above_it(tmp_path, monkeypatch):
    blank = [Image.new("L", (10, 10)), *(Image.new("L", (100, 100), page) for page in range(20))]
    blank[0].save(tmp_path / "x.tif", save_all=True, append_images=blank[1:])
    data = (tmp_path / "x.tif").read_bytes()
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", str(4 * (10 * 10 + 100 * 100 * 20) / 1e9))
    assert len(list(decoding.decode(data))) == 21
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", str(4 * (10 * 10 + 100 * 100 * 20 - 1) / 1e9))
    monkeypatch.setattr(decoding, "_page", lambda image: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"it claims 21 pages, the last of 100x100 pixels: it takes .* above the limit"):
        list(decoding.decode(data))


def test_pages_that_are_too_many_for_a_folder_are_counted_before_they_are_decoded(tmp_path, monkeypatch):
    first, *others = map(Image.fromarray, levels(40, 8, 8))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", str(30 * 3 * 64**2 / 1e9))
    monkeypatch.setattr(decoding, "_page", lambda image: pytest.fail("decoded"))
    with pytest.raises(qs.DataError, match=r'40 pictures: it takes .* or set source.pages = "first"'):
        images(tmp_path, size=64, fit="resize")


def test_a_claim_of_a_billion_frames_is_refused(tmp_path):
    file = io.BytesIO()
    first, *others = map(Image.fromarray, levels(3, 8, 8))
    first.save(file, "PNG", save_all=True, append_images=others)
    data = file.getvalue()
    start = data.index(b"acTL")
    claim = b"acTL" + struct.pack(">II", 2**30, 0)
    data = data[:start] + claim + struct.pack(">I", zlib.crc32(claim)) + data[start + 16 :]
    with pytest.raises(ValueError, match=r"it claims 1073741824 pages, expected at most 20000"):
        list(decoding.decode(data))


def test_thumbnails_in_a_file_are_no_pictures(tmp_path):
    file = io.BytesIO()
    first, small = (Image.fromarray(levels(1, side, side)[0]) for side in (16, 8))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(file, "TIFF", save_all=True, append_images=[small])
    (page,) = decoding.decode(file.getvalue())
    assert page.levels.shape == (16, 16) and page.lost == ("pages that are thumbnails or masks of others are left out",)


def test_a_broken_page_is_named(tmp_path):
    first, *others = map(Image.fromarray, levels(3, 40, 40))
    first.save(tmp_path / "x.gif", save_all=True, append_images=others)
    data = (tmp_path / "x.gif").read_bytes()
    with pytest.raises(ValueError, match="it is damaged on page 3"):
        list(decoding.decode(data[:-700]))


# levels


@pytest.mark.parametrize(
    ("white", "bits", "modelled", "lost"),
    [(4095, None, 12, 0), (1000, None, 10, 0), (200, None, 8, 0), (65535, None, 12, 4), (4095, 8, 8, 4), (1000, 12, 12, 0)],
)
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_levels_of_sixteen_bits_are_as_many_as_are_used(tmp_path, ending, white, bits, modelled, lost):
    pictures = levels(12, 8, 8, white=white).astype(np.uint16)
    pictures[0, 0, 0] = white
    save(tmp_path, pictures, ending)
    source = images(tmp_path, bits=bits)
    assert source.event.levels == 2**modelled
    for (file, _), found in stored(source).items():
        np.testing.assert_array_equal(found, pictures[int(file[:2])] >> lost)
    (note,) = noted(source, "levels of all pictures have 16 bits in their files")
    assert f"(the highest is {white}): {2**modelled} levels are modelled" in note
    assert ("without their lowest" in note) == bool(lost)
    for law in qs.testing.laws_of("source", source):
        law()


def test_pictures_of_8_and_of_12_bits_share_8(tmp_path):
    deep = levels(6, 8, 8, white=4095)
    deep[0, 0, 0] = 4095
    save(tmp_path, [picture for pair in zip(deep, levels(6, 8, 8, seed=1), strict=True) for picture in pair])
    source = images(tmp_path)
    assert source.event.levels == 256 and noted(source, "the levels of 6 of 12 pictures have 16 bits")
    np.testing.assert_array_equal(stored(source)["02.png", 1], deep[1] >> 4)
    with pytest.raises(qs.DataError, match=r"source.bits: 6 of 12 pictures have levels of 8 bits, so expected 8"):
        images(tmp_path, bits=12)


def test_deep_pictures_are_resized_within_their_levels(tmp_path):
    save(tmp_path, np.where(np.indices((24, 16))[0] < 12, 0, 4095)[None].repeat(12, axis=0).astype(np.uint16))
    source = images(tmp_path, fit="resize")
    (found, *_) = stored(source).values()
    assert found.min() == 0 and found.max() == 4095 and source.event.levels == 4096


def test_bits_of_a_deep_picture_are_those_of_its_highest_8(tmp_path):
    deep = levels(12, 8, 8, white=4095)
    deep[0, 0, 0] = 4095
    save(tmp_path, deep)
    found = stored(images(tmp_path, view="binary"))
    np.testing.assert_array_equal(found["03.png", 1], deep[3] >= 2048)


def test_real_numbers_and_negative_ones_are_refused_with_a_reason(tmp_path):
    save(tmp_path, levels(12, 8, 8))
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "real.tif")
    Image.fromarray(np.full((8, 8), -3, np.int32)).save(tmp_path / "negative.tif")
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(tmp_path / "large.tif")
    (note,) = noted(images(tmp_path), "left out 3 of 15")
    assert "real.tif (its levels are real numbers (mode F), expected 8 or 16 bits" in note
    assert "negative.tif (its levels go from -3 to -3" in note and "large.tif (its levels go from 70000" in note


def test_few_levels_are_counted(tmp_path):
    save(tmp_path, levels(12, 8, 8) > 127)
    source = images(tmp_path)
    assert source.event.levels == 256 and noted(source, 'only the levels 0 and 255 occur: source.view = "binary" models bits')
    assert not noted(images(tmp_path, view="binary"), "occur")


# colours


def test_grey_that_is_saved_in_colour_is_grey(tmp_path):
    pictures = levels(12, 8, 8)
    for number, picture in enumerate(pictures):
        mode = ("RGB", "RGBA", "P", "LA")[number % 4]
        Image.fromarray(picture).convert(mode).save(tmp_path / f"{number:02d}.png")
    source = images(tmp_path)
    assert source.event.shape == (8, 8)
    for (file, _), found in stored(source).items():
        np.testing.assert_array_equal(found, pictures[int(file[:2])])
    assert noted(source, '00.png and 8 more: three equal channels are one grey (source.view = "colour" keeps all three)')
    kept = images(tmp_path, view="colour")
    assert kept.event.shape == (8, 8, 3) and not noted(kept, "one grey")
    np.testing.assert_array_equal(stored(kept)["05.png", 1], np.repeat(pictures[5][..., None], 3, axis=-1))


def test_one_pixel_in_colour_makes_pictures_colour(tmp_path):
    pictures = np.repeat(levels(12, 8, 8)[..., None], 3, axis=-1)
    pictures[3, 4, 4, 1] ^= 1
    save(tmp_path, pictures)
    source = images(tmp_path)
    assert source.event.shape == (8, 8, 3) and noted(source, "11 of 12 pictures are grey, and in colour here")
    assert noted(images(tmp_path, view="grey"), "03.png: colours become grey")
    assert noted(source, "the channels of no pixel differ by more than 1: these may be greys")
    pictures[3, 4, 4, 1] ^= 128
    save(tmp_path, pictures)
    assert not noted(images(tmp_path), "may be greys")


def deep_colour(height, width):
    """A PNG with 16 bits in each of three channels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels(1, height, width, 3, white=65535)[0])
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def test_what_is_lost_is_in_words():
    colour, grey = Image.fromarray(levels(1, 8, 8, 3)[0]), Image.fromarray(levels(1, 8, 8)[0])
    clear, opaque = grey.convert("LA"), grey.convert("LA")
    clear.putpixel((0, 0), (9, 100))
    palette = colour.convert("P")
    profiles = [ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("XYZ", "sRGB")]
    for data, lost in (
        (deep_colour(8, 8), ("channels of more than 8 bits become 8",)),
        (encoded(clear, "PNG"), ("transparency is put on white",)),
        (encoded(opaque, "PNG"), ()),
        (encoded(palette, "PNG"), ()),
        (encoded(palette, "PNG", transparency=palette.getpixel((0, 0))), ("transparency is put on white",)),
        (encoded(colour.convert("CMYK"), "JPEG"), ("converted from CMYK to RGB",)),
        (encoded(colour.convert("YCbCr"), "TIFF"), ("converted from YCbCr to RGB",)),
        (encoded(colour, "PNG", icc_profile=profiles[0]), ("colour profiles are not followed",)),
        (encoded(colour, "PNG", icc_profile=profiles[1]), ()),
    ):
        (page,) = decoding.decode(data)
        assert page.lost == lost


def test_losses_are_counted_by_file(tmp_path):
    for number, picture in enumerate(levels(12, 8, 8, 4)):
        Image.fromarray(picture).save(tmp_path / f"{number:02d}.png")
    assert noted(images(tmp_path), "00.png and 11 more: transparency is put on white")


# names


def test_any_case_of_an_ending_is_read_and_hidden_files_are_not(tmp_path):
    save(tmp_path, levels(12, 8, 8), ".PNG")
    for name in (".DS_Store", "._00.PNG", ".hidden.png"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("Thumbs.db", "notes.txt", "more.txt", "README"):
        (tmp_path / name).write_bytes(b"x")
    shutil.copy(tmp_path / "00.PNG", tmp_path / "wrong.jpg")  # what a file is stands in its bytes
    source = images(tmp_path)
    assert len(stored(source)) == 13 and not noted(source, "cannot be used")
    assert noted(source, "left out 4 files whose names do not end as those of pictures: 1 of .db, 2 of .txt, 1 of no ending")


def test_heic_without_its_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_formats", lambda: ("PNG",))
    save(tmp_path, levels(12, 8, 8))
    (tmp_path / "a.heic").write_bytes(b"x")
    (tmp_path / "b.avif").write_bytes(b"x")
    (note,) = noted(images(tmp_path), "left out 2 of 14")
    assert 'a.heic (it needs pillow-heif: pip install "quasistatic[heic]")' in note
    assert "b.avif (this build of Pillow reads no AVIF" in note


def test_heic_with_its_package_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    save(tmp_path, levels(12, 16, 16), ".heic", quality=-1)
    assert len(stored(images(tmp_path))) == 12


def test_sizes_that_change_are_noted(tmp_path):
    save(tmp_path, levels(12, 8, 8))
    assert not noted(images(tmp_path, fit="resize"), "pixels")
    assert noted(images(tmp_path, fit="resize", size=4), "pictures have 8x8 pixels: each is resized, and its middle 4x4 is taken")
    assert noted(images(tmp_path, fit="resize", size=9), "12 of 12 pictures are smaller than 9x9")
    save(tmp_path, levels(1, 8, 20), ".bmp")
    assert noted(images(tmp_path), "pictures have sides from 8 to 20 pixels: of each the middle 8x8 is taken")


def test_a_picture_of_the_size_of_a_patch_is_one_patch(tmp_path):
    save(tmp_path, levels(12, 8, 8))
    source = images(tmp_path, fit="patches")
    assert sum(len(source.split(name)) for name in ("train", "validation", "test")) == 12


# copies


def test_copies_are_named_and_a_leak_is_called_one(tmp_path):
    pictures = levels(20, 8, 8)
    save(tmp_path, [*pictures, *pictures])
    source = images(tmp_path)
    assert noted(source, "20 of 40 pictures are copies of others, to the level: 00.png = 20.png")
    split_of = {file: name for name in ("train", "validation", "test") for file in source.split(name).tags["file"].tolist()}
    pairs = [(f"{k:02d}.png", f"{k + 20:02d}.png") for k in range(20)]
    (one, other), *others = [pair for pair in pairs if split_of[pair[0]] != split_of[pair[1]]]
    (note,) = noted(source, f"{len(others) + 1} sets of copies are in several splits")
    assert f"training: {one} ({split_of[one]}) = {other} ({split_of[other]});" in note
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    save(tmp_path, pictures)
    assert not noted(images(tmp_path), "are copies")


# other places


def test_every_record_of_another_folder_has_an_answer(tmp_path):
    (tmp_path / "own").mkdir()
    save(tmp_path / "own", levels(12, 8, 8))
    other = tmp_path / "other"
    other.mkdir()
    pictures = levels(4, 8, 8, seed=1)
    Image.fromarray(pictures[0]).save(other / "a.png")
    (other / "b.png").write_bytes((other / "a.png").read_bytes()[:60])
    Image.fromarray(levels(1, 8, 8, 3)[0]).save(other / "c.png")
    Image.fromarray(pictures[1]).save(other / "d.tif", save_all=True, append_images=[Image.fromarray(pictures[2])])
    Image.fromarray(levels(1, 8, 8, white=4095)[0]).save(other / "e.png")
    Image.fromarray(levels(1, 5, 5)[0]).save(other / "f.png")
    Image.fromarray(np.stack([pictures[3]] * 3, axis=-1)).save(other / "g.png")
    source = images(tmp_path / "own")
    data = source.read_events(other)
    np.testing.assert_array_equal(np.round(source.units.to_user(data.x)), pictures)
    assert data.tags["picture"].tolist() == [0, 3, 4, 7] and data.tags["page"].tolist() == [1, 1, 2, 1]
    assert [(each.number, each.tags["file"]) for each in data.outside] == [(1, "b.png"), (2, "c.png"), (5, "e.png"), (6, "f.png")]
    reasons = [each.reason for each in data.outside]
    assert "it is damaged" in reasons[0] and "it is in colour, and the model of greys" in reasons[1]
    assert "those of the model to 255" in reasons[2] and "it has 5x5 pixels, too few for 8x8" in reasons[3]
    assert all(set(each.tags) == set(data.tags) for each in data.outside)
    for name in ("a.png", "d.tif", "g.png"):
        (other / name).unlink()
    with pytest.raises(qs.DataError, match=r"none of its pictures is an event of this model: .*c.png \(it is in colour"):
        source.read_events(other)
    assert len(images(tmp_path / "own", view="grey").read_events(other / "c.png")) == 1


def test_a_strict_source_reads_other_places_all_the_same(tmp_path):
    save(tmp_path, levels(12, 8, 8))
    source = images(tmp_path, unreadable="refuse")
    (tmp_path / "zero.png").touch()
    (outside,) = source.read_events(tmp_path).outside
    assert (outside.number, outside.reason) == (12, "it is empty")
    with pytest.raises(qs.DataError, match=r"1 of 13 pictures cannot be used; .* leaves them out: zero.png"):
        images(tmp_path, unreadable="refuse")


def test_shallow_pictures_are_outside_of_deep_models(tmp_path):
    (tmp_path / "own").mkdir()
    save(tmp_path / "own", levels(12, 8, 8, white=4095))
    save(tmp_path, [*levels(1, 8, 8), levels(1, 8, 8, white=300)[0]])
    data = images(tmp_path / "own").read_events(tmp_path)
    (outside,) = data.outside
    assert outside.tags["file"] == "00.png" and outside.reason == "its levels are of 8 bits, those of the model of 12"


@pytest.mark.parametrize(("view", "bad", "wanted"), [("grey", 256, "a level from 0 to 255"), ("binary", 2, "0 or 1")])
def test_rows_of_an_array_that_do_not_fit_are_outside(tmp_path, view, bad, wanted):
    save(tmp_path, levels(12, 8, 8))
    source = images(tmp_path, view=view)
    values = levels(5, 8, 8, white=1).astype(np.float64)
    values[1, 0, 3] = bad
    values[4, 0, 0] = 0.5
    np.save(tmp_path / "x.npy", values)
    data = source.read_events(tmp_path / "x.npy")
    np.testing.assert_allclose(source.units.to_user(data.x), values[[0, 2, 3]], atol=1e-4)
    assert [each.number for each in data.outside] == [1, 4] and data.tags["picture"].tolist() == [0, 2, 3]
    assert data.outside[0].reason == f"element 3 is {bad}, expected {wanted}"
    np.save(tmp_path / "x.npy", values[[1]])
    with pytest.raises(qs.DataError, match="event 0, element 3"):
        source.read_events(tmp_path / "x.npy")


# and back


@pytest.mark.parametrize(
    ("shape", "white", "options"),
    [
        ((8, 8), 255, {}),
        ((8, 8, 3), 255, {}),
        ((8, 8), 4095, {}),
        ((8, 8), 65535, {}),
        ((8, 8), 4095, {"bits": 8}),
        ((8, 8), 255, {"view": "binary"}),
        ((8, 8), 255, {"view": "colour"}),
        ((8, 8), 255, {"fit": "resize"}),
        ((8, 8), 255, {"fit": "patches", "patches": 3}),
    ],
)
def test_what_is_written_is_read_as_it_was(tmp_path, shape, white, options):
    pictures = levels(12, *shape, white=white)
    pictures[0, 0, 0] = white
    save(tmp_path, pictures)
    source = images(tmp_path, **options)
    x = source.split("train").x
    (tmp_path / "x.tif").write_bytes(source.write_events(x, ".tif"))
    np.savez(tmp_path / "x.npz", x=samples_to_user(source, x))
    for name in ("x.tif", "x.npz"):
        data = source.read_events(tmp_path / name)
        np.testing.assert_array_equal(data.x, x)
        assert not data.outside
    if not options and white < 65535:  # pixel by pixel, of levels that are all modelled
        pages = [page.levels for page in decoding.decode((tmp_path / "x.tif").read_bytes())]
        files = source.split("train").tags["file"]
        np.testing.assert_array_equal(pages, [pictures[int(file[:2])] for file in files])


def test_a_source_can_be_pickled(tmp_path):
    save(tmp_path, levels(12, 8, 8))
    source = images(tmp_path)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    component = qs.plugins().component("source", "images")
    options = component.options(path=str(tmp_path), size=8, fit="crop")
    restored = pickle.loads(pickle.dumps(component.load_restore()(options, source.kept().at(tmp_path))))
    np.testing.assert_array_equal(restored.split("test").x, source.split("test").x)


def test_a_run_of_before_kept_no_depth_and_modelled_the_highest_8_bits(tmp_path):
    pictures = levels(12, 8, 8, white=65535)
    save(tmp_path, pictures)
    component = qs.plugins().component("source", "images")
    options = component.options(path=str(tmp_path), size=8, fit="crop", bits=8)
    kept = component.load()(options).kept()
    about = {name: value for name, value in kept.about.items() if name != "depth"}
    for (file, _), found in stored(component.load_restore()(options, qs.sources.Kept(about, kept.arrays).at(tmp_path))).items():
        np.testing.assert_array_equal(found, pictures[int(file[:2])] >> 8)
    with pytest.raises(qs.DataError, match="cannot be read by this version: 'depth'"):
        component.load_restore()(options, qs.sources.Kept({**about, "depth": {"bits": 99}}, kept.arrays))
