"""Hostile files of every kind that is read: good ones whose bytes, numbers and structure are changed, and ones of large cost."""

from __future__ import annotations

import functools
import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import polars as pl
from PIL import Image

Random = random.Random
HUGE = (0, 1, -1, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
WORDS = (b"nan", b"1e999", b"-0", b"\0", b"\xff\xfe", b"\r", b'"', b"9" * 400, b"\xed\xa0\x80", b"NaN", b"\n" * 50, b"A" * 5000)


def changed(data: bytes, draw: Random) -> bytes:
    """A file with bytes flipped, cut, repeated, moved, or numbers in it made large."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        if not found:
            break
        place, kind = draw.randrange(len(found)), draw.randrange(8)
        if kind == 0:
            found[place] = draw.randrange(256)
        elif kind == 1:
            found[place] ^= 1 << draw.randrange(8)
        elif kind == 2:
            del found[place:]
        elif kind == 3:
            del found[place : place + draw.choice((1, 4, 64))]
        elif kind == 4:
            found[place:place] = found[max(0, place - draw.choice((8, 80, 800))) : place] * draw.choice((1, 30))
        elif kind == 5:
            found[place : place + 4] = struct.pack(draw.choice("<>") + "Q", draw.choice(HUGE) % 2**64)[-4:]
        elif kind == 6:
            found[place:place] = draw.choice(WORDS)
        else:
            found[place : place + 8] = struct.pack(draw.choice("<>") + "q", max(-(2**63), min(2**63 - 1, draw.choice(HUGE))))
    return bytes(found)


@functools.cache
def picture(ending: str) -> bytes:
    pages = [Image.effect_noise((24, 24), 90).convert(mode) for mode in ("RGB", "RGB", "RGB")]
    file, forms = io.BytesIO(), {".jpg": "JPEG", ".tif": "TIFF"}
    form = forms.get(ending, ending[1:].upper())
    more = {"save_all": True, "append_images": pages[1:]} if ending in (".gif", ".tif", ".webp", ".png") else {}
    pages[0].save(file, form, **more)
    return file.getvalue()


def pictures(draw: Random) -> tuple[str, bytes]:
    ending = draw.choice((".png", ".jpg", ".gif", ".webp", ".tif", ".bmp"))
    if draw.random() < 0.1:  # a bomb
        mode, side = draw.choice(("1", "L", "P")), draw.choice((3000, 12_000))
        file = io.BytesIO()
        Image.new(mode, (side, side)).save(file, "PNG")
        return "x.png", file.getvalue()
    data = picture(ending)
    if ending == ".png" and draw.random() < 0.5:  # a header that is whole, and claims another size
        size = struct.pack(">II", *(draw.choice((1, 24, 5000, 60_000, 2**31 - 1)) for _ in range(2)))
        head = b"IHDR" + size + data[24:29]
        return "x.png", data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    return f"x{ending}", changed(data, draw)


def frame(draw: Random) -> pl.DataFrame:
    rows = draw.choice((0, 1, 12, 40, 40, 3000))
    numbers = np.random.RandomState(draw.randrange(1000)).normal(size=rows)
    kinds: dict[str, Callable[[], pl.Series]] = {
        "numbers": lambda: pl.Series(numbers * 10.0 ** draw.choice((0, 0, 300, -300, 30))),
        "whole": lambda: pl.Series((numbers * 9).astype(np.int64)),
        "large": lambda: pl.Series([2**63 + k for k in range(rows)], dtype=pl.UInt64),
        "words": lambda: pl.Series(
            [draw.choice(("a", "b", "", "nan", "\0", "ü" * 50, "1e999")) for _ in range(rows)], dtype=pl.String
        ),
        "long": lambda: pl.Series(["x" * draw.choice((10, 100_000))] * rows, dtype=draw.choice((pl.String, pl.Categorical))),
        "none": lambda: pl.Series([None] * rows, dtype=draw.choice((pl.Null, pl.Float64, pl.String))),
        "infinite": lambda: pl.Series([float("inf"), float("nan"), -float("inf")] * (rows // 3 + 1))[:rows],
        "dates": lambda: pl.Series([draw.randrange(-(2**31), 2**31) for _ in range(rows)], dtype=pl.Int32).cast(pl.Date),
        "times": lambda: pl.Series([draw.randrange(-(2**62), 2**62) for _ in range(rows)], dtype=pl.Int64).cast(pl.Datetime("us")),
        "lists": lambda: pl.Series([[1, 2]] * rows, dtype=pl.List(pl.Int64)),
        "flags": lambda: pl.Series((numbers > 0).tolist(), dtype=pl.Boolean),
        "copies": lambda: pl.Series([7.0] * rows),
    }
    chosen = draw.choices(list(kinds), k=draw.choice((1, 2, 4, 4, 60)))
    return pl.DataFrame({f"{draw.choice(('c', 'c', 'ü', ' ', 'id'))}{k}": kinds[name]() for k, name in enumerate(chosen)})


def parquet(draw: Random) -> tuple[str, bytes]:
    if draw.random() < 0.1:
        file, rows = io.BytesIO(), draw.choice((10**6, 10**7, 3 * 10**7))
        pl.select(pl.repeat(draw.choice((0, 7)), rows, dtype=pl.Int8).alias("a")).write_parquet(file)
        return "x.parquet", file.getvalue()
    file = io.BytesIO()
    frame(draw).write_parquet(file, compression=draw.choice(("zstd", "snappy", "uncompressed", "gzip")))
    return "x.parquet", file.getvalue() if draw.random() < 0.4 else changed(file.getvalue(), draw)


def arrow(draw: Random) -> tuple[str, bytes]:
    file = io.BytesIO()
    frame(draw).write_ipc(file, compression=draw.choice(("zstd", "lz4", "uncompressed")))
    return draw.choice(("x.arrow", "x.feather")), file.getvalue() if draw.random() < 0.4 else changed(file.getvalue(), draw)


@functools.cache
def sheet() -> dict[str, bytes]:
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("age", "town", "size"), *((k, "abc"[k % 3], k * 1.7) for k in range(40))]:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def excel(draw: Random) -> tuple[str, bytes]:
    parts, name = dict(sheet()), "xl/worksheets/sheet1.xml"
    kind = draw.randrange(6)
    if kind == 0:
        victim = draw.choice(list(parts))
        parts[victim] = changed(parts[victim], draw)
    elif kind == 1:
        row = draw.choice((50, 16_385, 1_048_576, 2**31, 10**12))
        cell = f'<row r="{row}"><c r="{draw.choice(("A", "XFD", "ZZZZ"))}{row}"><v>1</v></c></row></sheetData>'
        parts[name] = parts[name].replace(b"</sheetData>", cell.encode() * draw.choice((1, 1)))
    elif kind == 2:
        rows = "".join(f'<row r="{k}"><c r="XFD{k}"><v>1</v></c></row>' for k in range(50, 50 + draw.choice((10, 3000))))
        parts[name] = parts[name].replace(b"</sheetData>", rows.encode() + b"</sheetData>")
    elif kind == 3:
        parts[name] = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
            f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 10}">'.encode() for k in range(10)
        ) + b"]>" + parts[name].replace(b"<v>1</v>", b"<v>&k;</v>")  # fmt: skip
    elif kind == 4:
        parts["xl/big.xml"] = b"<x>" + b" " * draw.choice((10**6, 3 * 10**8)) + b"</x>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    return "x.xlsx", changed(file.getvalue(), draw) if kind == 5 else file.getvalue()


def lines_of_json(draw: Random) -> tuple[str, bytes]:
    rows = [{"age": k, "town": "abc"[k % 3], "size": k * 1.7} for k in range(40)]
    kind = draw.randrange(6)
    if kind == 0:
        text = "\n".join(json.dumps({f"k{k}": k}) for k in range(draw.choice((100, 2500, 5000))))
    elif kind == 1:
        text = "[" * draw.choice((10, 200_000))
    elif kind == 2:
        text = (
            "\n".join(json.dumps(row) for row in rows)
            + '\n{"age": '
            + draw.choice(("1e400", "-0", "9" * 5000, "NaN", "{}", '"\\ud800"'))
            + "}"
        )
    elif kind == 3:
        text = json.dumps({"a" * 10**6: "b" * 10**6})
    else:
        return "x.jsonl", changed("\n".join(json.dumps(row) for row in rows).encode(), draw)
    return draw.choice(("x.jsonl", "x.ndjson")), text.encode()


def comma(draw: Random) -> tuple[str, bytes]:
    text = frame(draw).select(~(pl.selectors.list() | pl.selectors.temporal())).write_csv().encode()
    kind = draw.randrange(7)
    if kind == 0:
        text = b"\n" * draw.choice((10, 3 * 10**6)) + text
    elif kind == 1:
        text = (",".join(f"c{k}" for k in range(draw.choice((500, 3000, 20_000)))) + "\n").encode() + text
    elif kind == 2:
        text = b'"' + text * 3
    elif kind == 3:
        text = b"a,b\n" + b"1," * draw.choice((10**3, 10**6)) + b"\n"
    elif kind == 4:
        return "x.csv.gz", gzip.compress(b"a\n" + b"1\n" * draw.choice((10**4, 3 * 10**7)))
    return draw.choice(("x.csv", "x.tsv", "x.txt.csv")), text if draw.random() < 0.3 else changed(text, draw)


def text(draw: Random) -> tuple[str, bytes]:
    kind = draw.randrange(6)
    words = ("".join(draw.choice("abc é\n%") for _ in range(3000))).encode()
    if kind == 0:
        return "x.txt.gz", gzip.compress(b"ab" * draw.choice((10**4, 10**8, 6 * 10**8)))
    if kind == 1:
        return "x.txt", "".join(chr(draw.randrange(32, 0xD000)) for _ in range(30_000)).encode()
    if kind == 2:
        return "x.txt", ("e" + "\u0301" * 50_000).encode() * 3
    return "x.txt", words if kind == 3 else changed(words, draw)


def tokenizer(draw: Random) -> tuple[str, bytes]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: k for k, letter in enumerate(letters)}, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    about = json.loads(made.to_str())
    grow = {
        "type": "Replace",
        "pattern": {"Regex": draw.choice((".", "a*", "^", "(a|b)*c", "(x+x+)+y"))},
        "content": "a" * draw.choice((0, 9)),
    }
    kinds = {
        "normalizer": [
            grow,
            {"type": "Sequence", "normalizers": [grow] * draw.choice((2, 9))},
            {"type": "Lowercase"},
            {"type": "NFC"},
        ],
        "pre_tokenizer": [
            {"type": "Split", "pattern": grow["pattern"], "behavior": "Removed", "invert": draw.random() < 0.5},
            None,
        ],
        "decoder": [grow, None, {"type": "Fuse"}, {"type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": True}],
        "padding": [
            {
                "strategy": {"Fixed": draw.choice((5, 2 * 10**9))},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "!",
            }
        ],
        "truncation": [
            {
                "direction": "Right",
                "max_length": draw.choice((0, 1, 512)),
                "strategy": "LongestFirst",
                "stride": draw.choice((0, 9)),
            }
        ],
        "model": [
            {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "b"},
            {"type": "Unigram", "vocab": [["a", float(draw.choice((0, -1)))]], "unk_id": 0},
            {"type": "WordPiece", "vocab": {}, "unk_token": "", "continuing_subword_prefix": "", "max_input_chars_per_word": 0},
        ],
        "added_tokens": [
            [
                {
                    "id": draw.choice((0, 256, 2**31)),
                    "content": draw.choice(("a", "", "ab")),
                    "single_word": False,
                    "lstrip": True,
                    "rstrip": True,
                    "normalized": True,
                    "special": True,
                }
            ]
        ],
    }
    for name in draw.sample(list(kinds), draw.choice((1, 1, 2, 4))):
        about[name] = draw.choice(kinds[name])
    data = json.dumps(about).encode()
    return "t.json", changed(data, draw) if draw.random() < 0.3 else data


def letters(draw: Random, count: int) -> str:
    return "".join(draw.choice("ACGT") for _ in range(count))


def fasta(draw: Random) -> tuple[str, bytes]:
    kind = draw.randrange(5)
    if kind == 0:
        return "x.fa.gz", gzip.compress(b">a\n" + b"ACGT" * draw.choice((10**4, 10**7, 3 * 10**8)))
    if kind == 1:
        return "x.fa", (">a\n" * draw.choice((10, 300_000)) + "ACGT").encode()
    if kind == 2:
        return "x.fa", (">" + "n" * 10**6 + "\n" + letters(draw, 3000) + "\n").encode() * 2
    data = "".join(f">r{k}\n{letters(draw, 200)}\n" for k in range(30)).encode()
    return draw.choice(("x.fa", "x.faa")), changed(data, draw)


def fastq(draw: Random) -> tuple[str, bytes]:
    data = "".join(f"@r{k}\n{letters(draw, 90)}\n+\n{'I' * 90}\n" for k in range(60)).encode()
    if draw.random() < 0.1:
        return "x.fq.gz", gzip.compress(data * draw.choice((10, 3000)))
    return "x.fq", changed(data, draw)


def genbank(draw: Random) -> tuple[str, bytes]:
    size = draw.choice((3000, 3000, 10**9))
    lines = "".join(f"{60 * k + 1:>9} {' '.join(letters(draw, 10).lower() for _ in range(6))}\n" for k in range(50))
    head = f"LOCUS       AB0001     {size} bp    DNA     linear   UNK 01-JAN-1980\nDEFINITION  x\nACCESSION   AB0001\nFEATURES\n"
    origin = draw.choice(("ORIGIN\n" + lines, "CONTIG      join(A:1..1000000000)\n", "ORIGIN\n"))
    data = (head + origin + "//\n").encode()
    return "x.gb", data if draw.random() < 0.2 else changed(data, draw)


def smiles(draw: Random) -> tuple[str, bytes]:
    known = ["CCO", "c1ccccc1", "CC(=O)O", "C1CC1", "CN", "[Na+].[Cl-]", "F/C=C/F", "C[C@H](N)O"] * 5
    large = draw.choice(
        ("C" * 2000, "C(" * 20_000 + "C" + ")" * 20_000, "C1CC1" * 400, "[" * 3000, "c1ccccc1" * 240, "C%10" * 400, "C.C" * 600)
    )
    lines = [*known, large] if draw.random() < 0.5 else [*known, *["C" * 1900] * draw.choice((1, 30))]
    data = "\n".join(lines).encode()
    return "x.smi", data if draw.random() < 0.5 else changed(data, draw)


def sdf(draw: Random) -> tuple[str, bytes]:
    atoms = draw.choice((3, 3, 60, 999))
    block = f"x\n  y\n\n{atoms:>3}{atoms - 1:>3}  0  0  0  0  0  0  0  0999 V2000\n"
    block += "    0.0000    0.0000    0.0000 C   0  0\n" * atoms
    block += "".join(f"{k:>3}{k + 1:>3}  1  0\n" for k in range(1, atoms)) + "M  END\n> <v>\n1\n\n$$$$\n"
    data = (block * 14).encode()
    return "x.sdf", data if draw.random() < 0.2 else changed(data, draw)


def npy(draw: Random) -> tuple[str, bytes]:
    file, kind = io.BytesIO(), draw.choice(("f8", "f4", "i8", "u1", "?", "c16", "S5", "U3", "f2", "M8[s]"))
    values = np.zeros(draw.choice(((40, 2), (40,), (0, 3), (40, 3, 3), ())), kind)
    np.save(file, values)
    if draw.random() < 0.5:
        shape = draw.choice(((2**40,), (2**62, 2**62), (-1, 3), (40, 0), (10**9, 0), (2**31, 2), (1,) * 60))
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            file, {"descr": draw.choice(("<f8", "|O", "|V9", "<f16")), "fortran_order": False, "shape": shape}
        )
        return "x.npy", file.getvalue() + bytes(640)
    return "x.npy", changed(file.getvalue(), draw)


def npz(draw: Random) -> tuple[str, bytes]:
    inner, file = npy(draw)[1], io.BytesIO()
    with zipfile.ZipFile(file, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))) as archive:
        for name in draw.choice((("x.npy",), ("x.npy", "x.npy"), ("a/../x.npy",), ("x",), ())):
            archive.writestr(name, inner)
        if draw.random() < 0.2:
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (3 * 10**7, 2)})
            archive.writestr("big.npy", head.getvalue() + bytes(10**7))
    return "x.npz", changed(file.getvalue(), draw) if draw.random() < 0.5 else file.getvalue()


def mask(draw: Random) -> tuple[str, bytes]:
    name, data = pictures(draw)
    return f"mask{name[1:]}", data


def grid(draw: Random) -> tuple[str, bytes]:
    times = draw.choice(
        (
            [0.5, 0.5 + 1e-12, 1.0],
            [1.0],
            [],
            [float("nan"), 1.0],
            [10**400, 1],
            ["x"],
            [[1]],
            [0.1] * 10**5,
            list(range(10**5)),
            [True, 1],
        )
    )
    data = json.dumps({"format": draw.choice(("quasistatic grid 1", "x")), "name": "x", "times": times}).encode()
    if draw.random() < 0.1:
        return "g.json", b"[" * 10**6
    return "g.json", data if draw.random() < 0.5 else changed(data, draw)


KINDS: dict[str, Callable[[Random], tuple[str, bytes]]] = {
    "picture": pictures, "parquet": parquet, "arrow": arrow, "excel": excel, "json": lines_of_json, "csv": comma, "text": text,
    "tokenizer": tokenizer, "fasta": fasta, "fastq": fastq, "genbank": genbank, "smiles": smiles, "sdf": sdf, "npy": npy,
    "npz": npz, "mask": mask, "grid": grid,
}  # fmt: skip


def generated(kind: str, number: int) -> tuple[str, bytes]:
    """The file of this number: its name and its bytes, the same at any time."""
    return KINDS[kind](Random(f"{kind} {number}"))
