"""Small files of large cost: what they would take is counted before the work, and is one sentence."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
import zipfile
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import polars as pl
import pytest
from PIL import Image

import quasistatic as qs
from quasistatic._runs.evaluation import Evaluation, refuse_infinite
from quasistatic._runs.grids import FORMAT, read_grid
from quasistatic.kits import pictures, tables
from quasistatic.kits.pictures.files import _Room
from quasistatic_plugins.conditioning.draws import hidden_elements

PATIENCE = 60.0  # seconds of a busy machine: an idle one takes less than 20


def problem(path: Path) -> str:
    """Why a table cannot be read, in less than 20 s."""
    start = time.perf_counter()
    with pytest.raises(qs.DataError) as found:
        for _ in tables.read_table(path).pieces():
            pass
    assert time.perf_counter() - start < PATIENCE and "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_one_long_text_that_is_that_of_many_rows(tmp_path: Path, ending: str) -> None:
    cells = pl.Series("a", ["x" * 100_000] * 30_000, dtype=pl.Categorical)
    path = tmp_path / f"x{ending}"
    frame = pl.DataFrame([cells, pl.Series("b", np.arange(30_000))])
    frame.write_parquet(path) if ending == ".parquet" else frame.write_ipc(path, compression="zstd")
    assert path.stat().st_size < 500_000
    assert "its text is long: it takes 12 GB, above the limit of 1 GB" in problem(path)


def test_a_hundred_million_rows_of_nothing(tmp_path: Path) -> None:
    pl.select(pl.repeat(0, 10**8, dtype=pl.Int8).alias("a")).write_parquet(tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 10**6
    assert "above the limit of 1 GB" in problem(tmp_path / "x.parquet")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_columns_without_end(tmp_path: Path, ending: str) -> None:
    names, path = [f"k{number}" for number in range(4000)], tmp_path / f"x{ending}"
    if ending == ".csv":
        path.write_text("\n".join([",".join(names), *[",".join("12345678"[k] * 4000) for k in range(8)]]))
    elif ending == ".jsonl":
        path.write_text("\n".join(json.dumps({name: 1}) for name in names))
    else:
        pl.DataFrame({name: [1, 2] for name in names}).write_parquet(path)
        path.write_bytes(path.read_bytes())
    assert "above the limit of 1 GB" in problem(path)


def test_the_last_cell_of_a_sheet(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "a", 1
    book.save(tmp_path / "x.xlsx")
    assert "expected" in problem(tmp_path / "x.xlsx") or "above the limit" in problem(tmp_path / "x.xlsx")
    with zipfile.ZipFile(tmp_path / "x.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    rows = "".join(f'<row r="{k}"><c r="XFD{k}"><v>1</v></c></row>' for k in range(1, 20_001))
    sheet = (
        f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>'
    )
    with zipfile.ZipFile(tmp_path / "y.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else data)
    assert "above the limit of 1 GB" in problem(tmp_path / "y.xlsx")


def test_a_row_far_down_is_found(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for k in range(1, 30):
        book.active[f"A{k * 30_000}"] = k
    book.save(tmp_path / "x.xlsx")
    (piece,) = tables.read_table(tmp_path / "x.xlsx").pieces()
    assert len(piece.frame) == 29 and piece.places[-1] == 870_000


@pytest.mark.parametrize("line", [b"1\n", b"\n", b"\r\n", b"1,2\n"])
def test_a_small_archive_of_many_rows(tmp_path: Path, line: bytes) -> None:
    with gzip.open(tmp_path / "x.csv.gz", "wb") as file:
        file.write(b"a\n1\n2\n" if b"," not in line else b"a,b\n1,2\n")
        for _ in range(40 if line.strip() else 3):
            file.write(line * 500_000)
        file.write(b"3\n" if b"," not in line else b"3,4\n")
    start = time.perf_counter()
    if line.strip():
        assert "above the limit of 1 GB" in problem(tmp_path / "x.csv.gz")
    else:
        assert sum(len(piece.places) for piece in tables.read_table(tmp_path / "x.csv.gz").pieces()) == 3
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    "smiles", ["C(" * 20_000 + "C" + ")" * 20_000, "C" * 300_000, "C(C)" * 75_000, "[" * 100_000], ids=lambda text: text[:6]
)
@pytest.mark.parametrize("ending", [".smi", ".csv", ".sdf"])
def test_a_molecule_without_end(tmp_path: Path, smiles: str, ending: str) -> None:
    pytest.importorskip("rdkit")
    path, start = tmp_path / f"x{ending}", time.perf_counter()
    if ending == ".sdf":
        atoms = "\n".join(f"M  V30 {k} C 0 0 0 0" for k in range(1, len(smiles)))
        path.write_text(f"x\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\n{atoms}\nM  END\n$$$$\n")
    else:
        path.write_text(("smiles\n" if ending == ".csv" else "") + "\n".join(["CCO", "CCN", "CCC", smiles]))
    with pytest.raises(qs.DataError) as found:
        qs.make("source", "molecules", path=str(path), unreadable="refuse")
    assert "expected at most" in str(found.value) and "\n" not in str(found.value) and time.perf_counter() - start < PATIENCE
    if ending != ".sdf":
        notes = qs.make("source", "molecules", path=str(path)).notes
        assert any(note.startswith("left out 1 of 4 lines that rdkit refuses: ") for note in notes)


@pytest.mark.parametrize(
    ("name", "start", "part"),
    [
        ("x.txt.gz", b"", b"ab" * 500_000),
        ("x.fa.gz", b">a\n", b"ACGT" * 250_000),
        ("x.fq.gz", b"", b"@r\nA\n+\nI\n" * 100_000),
        ("x.smi.gz", b"", b"CCO\nC\n" * 150_000),
        ("x.fa", b">a\n" * 300_000, b""),
        ("x.smi", b"C\n" * 300_000, b""),
    ],
)
def test_much_text_out_of_little(tmp_path: Path, name: str, start: bytes, part: bytes) -> None:
    kind = {"t": "text", "f": "sequences", "s": "molecules"}[name[2]]
    pytest.importorskip({"text": "numpy", "sequences": "Bio", "molecules": "rdkit"}[kind])
    data = start + 60 * part
    (tmp_path / name).write_bytes(gzip.compress(data, 1) if name.endswith("gz") else data)
    begin = time.perf_counter()
    with pytest.raises(qs.DataError, match="above the limit of 1 GB"):
        qs.make("source", kind, path=str(tmp_path / name))
    assert time.perf_counter() - begin < 10


def test_large_pictures_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    for number in range(12):
        Image.new("RGB", (500, 500 if number % 2 else 20), "red").save(tmp_path / f"{number}.png")
    real = _Room.admit_pages

    def seen(self: _Room, count: int, size: int, beside: int) -> None:
        real(self, count, size, beside)
        sizes.append((size, beside))

    monkeypatch.setattr(_Room, "admit_pages", seen)
    monkeypatch.setattr("quasistatic.kits.pictures.files.THREADS", 4)
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "0.01")  # room for two of the larger ones on the way
    found = pictures.read_pictures(tmp_path, pictures.CutChoices(size=8), "resize")
    assert len(found.pixels) == 12 and sorted(sizes) == 6 * [(160_000, 4)] + 6 * [(4_000_000, 1)]
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "0.003")
    (note,) = [each for each in pictures.read_pictures(tmp_path, pictures.CutChoices(size=8), "resize").notes if "left out" in each]
    assert note.startswith("left out 6 of 12 files") and "it claims 500x500 pixels: it takes 0.004 GB, above the limit" in note


def test_an_animation_of_a_million_frames(tmp_path: Path) -> None:
    frames = [Image.new("L", (1, 1), k % 2 * 255) for k in range(20_001)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:], duration=20)
    with pytest.raises(qs.DataError, match="it claims 20001 pages, expected at most 20000"):
        pictures.read_pictures(tmp_path / "x.gif", pictures.CutChoices(size=1), "resize")


@pytest.mark.parametrize("times", [[0.5, 0.5 + 1e-12, 1.0], [0.25, 1.0 - 1e-12, 1.0], [1e-60, 0.5, 1.0], [0.1, 1.0, 1.0]])
def test_times_that_float32_does_not_tell_apart(tmp_path: Path, times: Any) -> None:
    (tmp_path / "g.json").write_text(json.dumps({"format": FORMAT, "name": "x", "times": times}))
    with pytest.raises(qs.InputError, match="times: expected"):
        read_grid(tmp_path / "g.json", qs.make("kernel", "binomial", qs.Binary((2,))))


def test_no_k_that_is_not_finite_leaves_an_evaluation() -> None:
    terms = np.ones((4, 3))
    found = Evaluation(qs.Ledger(np.array([0.5, 1.0]), {"": terms}, 2, 2), None, None, None, qs.Data(np.zeros((4, 2))))
    assert refuse_infinite(found, "test") is found
    for wrong in (np.nan, np.inf):
        terms[2, 1] = wrong
        with pytest.raises(qs.errors.QuasistaticError, match="K of 1 of 4 events of the test split is not finite"):
            refuse_infinite(attrs.evolve(found, ledger=attrs.evolve(found.ledger, by_part={"": terms})), "test")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def bomb(path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(path)


def cut(path: Path) -> None:
    Image.effect_noise((8, 8), 90).save(path)
    path.write_bytes(path.read_bytes()[:80])


@pytest.mark.parametrize("make", [pipe, listening, bomb, cut, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_hides_is_a_picture_or_one_sentence(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("mask.png"))
    start = time.perf_counter()
    with pytest.raises(qs.InputError, match=r"^--hide mask\.png: cannot be read as a picture: .+$"):
        hidden_elements("mask.png", (8, 8), 0)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "P", "I;16"])
def test_bright_pixels_of_any_picture_hide(tmp_path: Path, mode: str) -> None:
    grey = np.zeros((8, 8), np.uint8)
    grey[2:4] = 255
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(hidden_elements(str(tmp_path / "mask.png"), (8, 8), 0), grey > 0)


@pytest.mark.parametrize("kind", [BaseException, RecursionError, MemoryError, GeneratorExit])
def test_every_way_of_ending_is_one_sentence(cli: Any, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]) -> None:
    def end(*arguments: Any, **keywords: Any) -> Any:
        raise kind("all is lost")

    monkeypatch.setattr("quasistatic._recipes.opening.open_path", end)
    result = cli("inspect", "x.csv")
    assert result.exit_code == (2 if kind is MemoryError else 1) and result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ") and isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (SystemExit, 7)])
def test_the_users_own_stop_stays_one(cli: Any, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException], code: int) -> None:
    def end(*arguments: Any, **keywords: Any) -> Any:
        raise stop(*([7] if stop is SystemExit else []))

    monkeypatch.setattr("quasistatic._recipes.opening.open_path", end)
    assert cli("inspect", "x.csv").exit_code == code
