"""Tables from files, by what their names end in."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import numpy as np

from quasistatic._data.choices import ENDINGS, TEXT, ArrayChoices, is_data
from quasistatic._data.frames import excel_cells, json_cells, parquet_cells
from quasistatic._data.numpy_files import read_npy, read_npz
from quasistatic._data.origin import Origin
from quasistatic._data.tables import Table, choose, finite
from quasistatic._data.text import Cells, parse, text_cells
from quasistatic._storage.files import read_plain, refuse_large
from quasistatic.errors import DataError

_DEFAULT = ArrayChoices()
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


def read_table(path: str | Path, choices: ArrayChoices = _DEFAULT) -> Table:
    """The numbers in a file: text (.csv, .tsv, .txt, .dat, also .gz), .jsonl, .npy, .npz; with quasistatic[table] .parquet, .xlsx.

    Of `choices` those of columns and cells are followed, and `key`, which names one of several arrays in an .npz. A large
    .npy stays on disk. Text is UTF-8, its cells parted by commas, semicolons, tabs or blanks, with or without a header.
    Raises DataError, which says what is wrong and where, also for a number that is missing or not finite.
    """
    path = checked(path)
    reader = ARRAYS.get(path.suffix.lower())
    if choices.key is not None and reader is not read_npz:
        raise DataError(f"{path}: holds one array, so the key {choices.key!r} names nothing; keys are for .npz files")
    with readable(path):
        if reader is None:
            with cells_in(path) as cells:
                table = parse(cells, choices)
        else:
            table = _columns(reader(path, choices), choices)
        return attrs.evolve(finite(table, choices.missing), origin=Origin.of(path))


def read_bytes(path: str | Path) -> bytes:
    """All bytes of an ordinary file, inflated where its name ends in .gz.

    Raises DataError where it cannot be read, also where it would take more than the limit of sizes.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file")
    with readable(path):
        data = read_plain(path, follow=True)
        return _inflated(path, data) if path.suffix.lower() == ".gz" else data


def _inflated(path: Path, data: bytes) -> bytes:
    found = bytearray()
    try:
        with gzip.open(io.BytesIO(data)) as file:
            while chunk := file.read(2**20):
                found += chunk
                refuse_large(len(found))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is not a .gz file, or is damaged: {error}") from error
    return bytes(found)


@attrs.frozen(eq=False)
class TextTable:
    """The cells of a table as text, (N, columns), with the names of the columns and the places of the rows, as `counted` says."""

    name: str
    names: tuple[str, ...]
    cells: np.ndarray
    places: np.ndarray
    counted: str
    origin: Origin


def read_cells(path: str | Path) -> TextTable:
    """The cells of a file, whatever they hold: text (.csv, .tsv, .txt, .dat, also .gz), .jsonl, .parquet or .xlsx.

    Raises DataError, also for two columns of one name.
    """
    path = checked(path)
    if path.suffix.lower() in ARRAYS:
        raise DataError(f"{path}: holds an array of numbers, expected a table of cells")
    with readable(path):
        with cells_in(path) as found:
            header, rows = found.headed()
            places, cells, size = [], [], 0
            for place, row in rows:
                size += sum(map(len, row)) + 50 * len(row)  # about what texts take
                refuse_large(size)
                places.append(place)
                cells.append(row)
        if not cells:
            raise DataError(f"{path}: holds a header and no rows")
        names = header or tuple(f"column {number}" for number in range(1, len(cells[0]) + 1))
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"{path}: {names.count(twice[0])} columns are called {twice[0]!r}; give each a name of its own")
        return TextTable(str(path), names, np.array(cells, object), np.array(places), found.counted, Origin.of(path))


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Errors of the system while a file is read are DataErrors of one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {' '.join((error.strerror or str(error)).split())}") from error


def checked(path: str | Path) -> Path:
    """The path of a file of data. Raises DataError where it is none, with a way to make one of it."""
    path = Path(path).expanduser()
    known = (
        f"expected a file that ends in {', '.join(ENDINGS[: len(TEXT)])} (or .gz of these), {', '.join(ENDINGS[2 * len(TEXT) :])}"
    )
    if path.is_dir():
        raise DataError(f"{path}: is a folder, {known}")
    if not path.exists():
        raise DataError(f"{path}: there is no such file in {Path.cwd() if not path.is_absolute() else path.parent}")
    if not is_data(path.name) or not path.is_file():
        raise DataError(f"{path}: {known}{conversion(path)}")
    return path


def cells_in(path: Path) -> contextlib.AbstractContextManager[Cells]:
    """The cells of a table that is no array."""
    return {".parquet": parquet_cells, ".xlsx": excel_cells, ".jsonl": json_cells}.get(path.suffix.lower(), text_cells)(path)


def _columns(table: Table, choices: ArrayChoices) -> Table:
    """Of an array (N, columns) those that are chosen."""
    if not (choices.columns or choices.drop or choices.labels):
        return table
    if table.values.ndim != 2:
        raise DataError(
            f"{table.name}: has no columns but events {table.values.shape[1:]}; source.columns, drop and labels do not apply"
        )
    kept, label = choose(table.name, None, table.values.shape[1], choices)
    beside = None if label is None else (f"column {label + 1}", table.values[:, label].astype(str))
    return attrs.evolve(table, values=table.values[:, kept], labels=beside)


def conversion(path: Path) -> str:
    """How a file of another kind becomes one that is read; nothing where that is not known."""
    line = CONVERT.get(path.suffix.lower())
    if line is None or not path.is_file():
        return ""
    code = line.format("", path.name, path.with_suffix(".csv").name, path.with_suffix(".npy").name)
    return f'; make one of it: python -c "{code}"'


ARRAYS: dict[str, Callable[[Path, ArrayChoices], Table]] = {".npy": read_npy, ".npz": read_npz}
