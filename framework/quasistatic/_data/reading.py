"""Arrays of numbers from files: .npy, .npz, and plain text with a row for each event."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import numpy as np

from quasistatic._data.choices import ENDINGS, TEXT, ArrayReading
from quasistatic._data.numpy_files import read_npy, read_npz
from quasistatic._data.origin import Origin
from quasistatic._data.tables import Table, choose, finite
from quasistatic._storage.files import read_plain, refuse_costly, refuse_large
from quasistatic.errors import DataError

_DEFAULT = ArrayReading()
_PANDAS = "import pandas; pandas.read_{0}({1!r}).to_csv({2!r}, index=False)"
# one line that makes a file that is read of one that is not
CONVERT = {
    **{f".{kind}": _PANDAS.replace("{0}", kind) for kind in ("json", "feather", "orc", "html", "xml")},
    **{".xls": _PANDAS.replace("{0}", "excel"), ".ods": _PANDAS.replace("{0}", "excel")},
    **{".sav": _PANDAS.replace("{0}", "spss"), ".dta": _PANDAS.replace("{0}", "stata"), ".sas7bdat": _PANDAS.replace("{0}", "sas")},
    ".mat": "import numpy, scipy.io; numpy.save({3!r}, scipy.io.loadmat({1!r})['NAME'])",
    ".h5": "import h5py, numpy; numpy.save({3!r}, h5py.File({1!r})['NAME'][:])",
    ".png": "import glob, numpy, PIL.Image as i; numpy.save('images.npy', [numpy.array(i.open(f)) for f in glob.glob('*.png')])",
    ".wav": "import numpy, scipy.io.wavfile as w; numpy.save({3!r}, w.read({1!r})[1])",
}
CONVERT |= {".hdf5": CONVERT[".h5"], ".jpg": CONVERT[".png"].replace("png", "jpg")}


def read_array(path: str | Path, choices: ArrayReading = _DEFAULT) -> Table:
    """The numbers in a file: .npy, .npz, or plain text (.csv, .tsv, .txt, .dat) of numbers alone, with a header or without.

    Of `choices` those of columns are followed, and `key`, which names one of several arrays in an .npz. A large .npy stays on
    disk. A table with anything else in it is for `quasistatic.kits.tables`.
    Raises DataError, which says what is wrong and where, also for a number that is missing or not finite.
    """
    path = checked(path)
    reader = READERS[path.suffix.lower()]
    if choices.key is not None and reader is not read_npz:
        raise DataError(f"{path}: holds one array, so the key {choices.key!r} names nothing; keys are for .npz files")
    with readable(path):
        table = _columns(reader(path, choices), choices)
        return attrs.evolve(finite(table, choices.missing), origin=Origin.of(path))


def _read_text(path: Path, choices: ArrayReading) -> Table:
    """Numbers parted by commas, or in a .tsv by tabs, else by blanks."""
    refuse_large(path.stat().st_size)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise DataError(f"{path}: is empty")
    last = rows[-1][1].strip()  # the names in a header may have blanks
    delimiter = "," if "," in last or len(last.split()) == 1 else "\t" if "\t" in last else None
    first = [cell.strip().strip('"') for cell in rows[0][1].split(delimiter)]
    are_numbers = [_is_number(cell) for cell in first]
    if any(are_numbers) and not all(are_numbers):
        place = are_numbers.index(False)
        raise DataError(
            f"{path}: line {rows[0][0]}, column {place + 1}: {first[place][:40]!r} is not a number, and the line is no header, as "
            "it has numbers as well"
        )
    columns = None if any(are_numbers) else tuple(first)
    rows = rows[columns is not None :]
    if not rows:
        raise DataError(f"{path}: holds a header and no events")
    try:
        values = np.loadtxt([line for _, line in rows], np.float64, comments=None, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {_first_misfit(rows, delimiter, len(first), columns) or error}") from None
    if len(first) != values.shape[1]:
        raise DataError(f"{path}: line {rows[0][0]} has {values.shape[1]} cells, the header has {len(first)}")
    return Table(str(path), values, columns, np.array([number for number, _ in rows]), "line")


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and float(cell) is not None
    except ValueError:
        return False


def _first_misfit(rows: list[tuple[int, str]], delimiter: str | None, width: int, columns: tuple[str, ...] | None) -> str:
    for number, line in rows:
        cells = [cell.strip() for cell in line.split(delimiter)]
        if len(cells) != width:
            return f"line {number} has {len(cells)} cells, the others have {width}"
        for place, cell in enumerate(cells):
            if not _is_number(cell):
                where = f"column {columns[place]!r}" if columns else f"column {place + 1}"
                what = f"{cell[:40]!r} is not a number, as all cells of an array are; `quasistatic inspect` looks at other cells"
                return f"line {number}, {where}: {what}"
    return ""


def read_bytes(path: str | Path, each: int = 1) -> bytes:
    """All bytes of an ordinary file, inflated where its name ends in .gz, of which each one takes `each` bytes on the way.

    Raises DataError where it cannot be read, also where it would take more than the limit of sizes.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file")
    with readable(path):
        data = read_plain(path, follow=True)
        return _inflated(path, data, each) if path.suffix.lower() == ".gz" else data


def _inflated(path: Path, data: bytes, each: int) -> bytes:
    found = bytearray()
    try:
        with gzip.open(io.BytesIO(data)) as file:
            while chunk := file.read(2**20):
                found += chunk
                refuse_large(len(found))
                refuse_costly(each * len(found), len(data))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is not a .gz file, or is damaged: {error}") from error
    return bytes(found)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Errors of the system while a file is read are DataErrors of one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {' '.join((error.strerror or str(error)).split())}") from error


def checked(path: str | Path) -> Path:
    """The path of a file of data. Raises DataError where it is no file of data, with a way to make one of it."""
    path = Path(path).expanduser()
    known = f"expected a file that ends in {', '.join(ENDINGS)}"
    if path.is_dir():
        raise DataError(f"{path}: is a folder, {known}")
    if not path.exists():
        raise DataError(f"{path}: there is no such file in {Path.cwd() if not path.is_absolute() else path.parent}")
    if not path.name.lower().endswith(ENDINGS) or not path.is_file():
        raise DataError(f"{path}: {known}{conversion(path)}")
    return path


def _columns(table: Table, choices: ArrayReading) -> Table:
    """Of an array (N, columns) those that are chosen."""
    if not (choices.columns or choices.drop or choices.labels):
        return table
    if table.values.ndim != 2:
        raise DataError(
            f"{table.name}: has no columns but events {table.values.shape[1:]}; source.columns, drop and labels do not apply"
        )
    names = table.columns
    kept, label = choose(table.name, names, table.values.shape[1], choices)
    beside = None
    if label is not None:
        beside = (names[label] if names else f"column {label + 1}", table.values[:, label].astype(str))
    columns = None if names is None else tuple(names[number] for number in kept)
    return attrs.evolve(table, values=table.values[:, kept], columns=columns, labels=beside)


def conversion(path: Path) -> str:
    """How a file of another kind becomes one that is read; nothing where that is not known."""
    line = CONVERT.get(path.suffix.lower())
    if line is None or not path.is_file():
        return ""
    code = line.format("", path.name, path.with_suffix(".csv").name, path.with_suffix(".npy").name)
    return f'; make one of it: python -c "{code}"'


READERS: dict[str, Callable[[Path, ArrayReading], Table]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    **dict.fromkeys(TEXT, _read_text),
}
