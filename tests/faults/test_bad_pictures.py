"""Bad pictures get one clear message, and nothing that they claim is believed."""

import gzip
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import quasistatic as qs
from quasistatic.kits.pictures.decoding import decode


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width, height):
    """A PNG of a few bytes that claims so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def save(folder, count, size=(12, 12), start=0):
    random = np.random.RandomState(start)
    for number in range(start, start + count):
        Image.fromarray(random.randint(0, 256, (*size, 3), np.uint8)).save(folder / f"{number:03d}.png")


def refused(cli, *arguments):
    """The one line that the command line has to say."""
    result = cli("train", *arguments, "--set", "training.updates=1")
    assert result.exit_code == 2 and result.stdout == "", result.output
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def images(cli, folder, *options):
    return refused(cli, "images", "--set", f"source.path={folder}", "--set", "source.size=8", *options)


@pytest.mark.parametrize(("width", "height"), [(31_623, 31_623), (20_000, 14_000), (2**31 - 1, 2**31 - 1), (10**9, 1)])
def test_a_picture_that_claims_too_much_is_not_decoded(width, height):
    with pytest.raises(ValueError, match=r"it claims|it is damaged"):
        list(decode(claiming(width, height)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_changed_bytes_give_a_picture_or_a_reason(form):
    random, file = np.random.RandomState(0), io.BytesIO()
    Image.fromarray(random.randint(0, 256, (9, 9, 3), np.uint8)).save(file, form)
    whole = file.getvalue()
    for _ in range(40):
        data = bytearray(whole)
        for place in random.randint(0, min(len(data), 80), 3):  # most of what is claimed stands at the beginning
            data[place] = random.randint(256)
        try:
            pages = list(decode(bytes(data[: random.randint(1, len(data) + 1)])))
            assert all(page.levels.dtype in (np.uint8, np.uint16) for page in pages)
        except ValueError as error:
            assert str(error).startswith("it")  # it is ..., its levels ...


def test_a_billion_pixels_are_refused_and_named(cli, tmp_path):
    save(tmp_path, 12)
    (tmp_path / "bomb.png").write_bytes(claiming(31_623, 31_623))
    said = images(cli, tmp_path, "--set", "source.unreadable=refuse")
    assert "1 of 13 pictures cannot be used" in said and "bomb.png (it claims too many pixels" in said
    assert 'source.unreadable = "skip" leaves them out' in said


def test_a_truncated_png_is_named(cli, tmp_path):
    save(tmp_path, 12)
    (tmp_path / "003.png").write_bytes((tmp_path / "003.png").read_bytes()[:200])
    assert "003.png (it is damaged: " in images(cli, tmp_path, "--set", "source.unreadable=refuse")


def test_an_empty_folder(cli, tmp_path):
    assert "holds no pictures, expected files that end in .png, .jpg" in images(cli, tmp_path)
    (tmp_path / "notes.md").write_text("x")
    assert "holds no pictures" in refused(cli, str(tmp_path))


def test_a_folder_of_unreadable_files(cli, tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02d}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    said = images(cli, tmp_path)
    assert "none of 12 pictures can be used: 00.jpg, 01.jpg" in said and "it is no picture, or damaged" in said


def test_pictures_smaller_than_a_patch(cli, tmp_path):
    save(tmp_path, 12)
    said = images(cli, tmp_path, "--set", "source.fit=patches", "--set", "source.size=16")
    assert "none of 12 pictures can be used" in said and "it has 12x12 pixels, too few for 16x16" in said


def test_one_picture_that_is_too_small_is_left_out(tmp_path):
    save(tmp_path, 12)
    save(tmp_path, 1, (4, 30), start=50)
    source = qs.make("source", "images", path=str(tmp_path), size=8, fit="crop")
    assert any("050.png (it has 30x4 pixels, too few for 8x8)" in note for note in source.notes)


def test_too_few_pictures(cli, tmp_path):
    save(tmp_path, 9)
    assert "holds 9 pictures, expected at least 10" in images(cli, tmp_path)


def test_two_files_cannot_be_in_three_splits(cli, tmp_path):
    save(tmp_path, 2)
    said = images(cli, tmp_path, "--set", "source.fit=patches", "--set", "source.patches=20")
    assert "leave" in said and "expected more files" in said


def test_a_folder_that_is_not_there(cli, tmp_path):
    assert "there is no such" in images(cli, tmp_path / "gone")
    (tmp_path / "file.txt").write_bytes(b"")
    assert "is a file, expected a folder of pictures" in images(cli, tmp_path / "file.txt")
    (tmp_path / "file.png").write_bytes(b"")
    assert "none of 1 pictures can be used: file.png (it is empty)" in images(cli, tmp_path / "file.png")
    assert "source.path: must be given, a folder of pictures" in refused(cli, "images")


def test_more_than_may_be_in_memory(cli, tmp_path, monkeypatch):
    save(tmp_path, 12)
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "0.000001")
    said = images(cli, tmp_path)
    assert "12 pictures: it takes" in said and "above the limit" in said and "make source.size or source.patches smaller" in said


def test_links_and_pipes_are_not_followed(tmp_path):
    (tmp_path / "pictures").mkdir()
    save(tmp_path / "pictures", 12)
    save(tmp_path, 1, start=90)
    (tmp_path / "pictures" / "link.png").symlink_to(tmp_path / "090.png")
    (tmp_path / "pictures" / "out").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pictures" / "pipe.png")
    source = qs.make("source", "images", path=str(tmp_path / "pictures"), size=8)
    assert any(note.startswith("read 12 pictures") for note in source.notes)
    assert "left out 2 names that are links or no ordinary files" in source.notes


def test_pictures_of_one_level_have_nothing_to_learn(cli, tmp_path):
    for number in range(12):
        Image.new("L", (9, 9), 7).save(tmp_path / f"{number}.png")
    assert "every pixel of the training split has the level 7" in images(cli, tmp_path)


def test_grey_against_colour(cli, tmp_path):
    save(tmp_path, 12)
    np.save(tmp_path / "grey.npy", np.zeros((4, 8, 8), np.uint8))
    source = qs.make("source", "images", path=str(tmp_path), size=8)
    with pytest.raises(qs.DataError, match=r"expected an array of shape \(N, 8, 8, 3\), got \(4, 8, 8\)"):
        source.read_events(tmp_path / "grey.npy")


# CIFAR


def cifar(cli, folder):
    return refused(cli, "images", "--set", "source.use=cifar", "--set", f"source.path={folder}")


@pytest.mark.parametrize(("name", "download"), [("data_batch_1", "cifar-10-binary.tar.gz"), ("train", "cifar-100-binary.tar.gz")])
def test_a_pickle_is_refused_by_name_and_not_read(cli, tmp_path, name, download):
    # a pickle that would leave a file behind
    code = b"\x80\x02cos\nsystem\nq\x00X" + struct.pack("<I", len(b"touch ran")) + b"touch ranq\x01\x85q\x02Rq\x03."
    (tmp_path / name).write_bytes(code)
    for path in (tmp_path, tmp_path / name):
        said = cifar(cli, path)
        assert (
            f"{name} is a pickle, which may run any code when it is read; download the binary version instead, {download}" in said
        )
    (tmp_path / "data_batch_1.bin").write_bytes(code)
    assert "data_batch_1.bin is a pickle" in cifar(cli, tmp_path)
    assert not os.path.exists("ran")


def test_a_cut_file_of_cifar_is_named(cli, tmp_path):
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3073 * 3 - 1))
    assert "data_batch_1.bin: is damaged: it has 9218 bytes, expected a multiple of 3073" in cifar(cli, tmp_path)
    (tmp_path / "data_batch_1.bin").unlink()
    assert "expected data_batch_1.bin (CIFAR-10) or train.bin (CIFAR-100)" in cifar(cli, tmp_path)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(b"x"))
    assert "expected the folder of its files, unpacked" in cifar(cli, tmp_path / "cifar-10-binary.tar.gz")


def test_a_folder_without_idx_files(cli, tmp_path):
    said = refused(cli, "images", "--set", "source.use=idx", "--set", f"source.path={tmp_path}")
    assert "holds no IDX files of pictures, expected names such as train-images-idx3-ubyte.gz" in said


def test_a_small_packed_file_that_would_be_huge(tmp_path):
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in (10, 28, 28))
    (tmp_path / "x-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(10**7)))
    with pytest.raises(qs.DataError, match=r"declares 7840 numbers .* and holds more"):
        qs.make("source", "idx", path=str(tmp_path / "x-images-idx3-ubyte.gz"))
