"""Small writers of tables, and the sources that read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import tables

TOWNS = ("Aix", "Bonn", "Cork")


class Tables:
    """Files of tables in a folder of their own."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0

    def file(self, text: str | bytes, ending: str = ".csv") -> Path:
        """A new file of this text."""
        self.count += 1
        path = self.folder / f"table{self.count}{ending}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def source(self, text: str | bytes | Path, ending: str = ".csv", **options: Any) -> tables.TableSource:
        """The source of a new file of this text, or of a file."""
        path = text if isinstance(text, Path) else self.file(text, ending)
        return tables.table_source(tables.TableOptions(path=str(path), **options))

    def problem(self, text: str | bytes, ending: str = ".csv", **options: Any) -> str:
        """The message with which it is refused: one line, without the path."""
        path = self.file(text, ending)
        with pytest.raises(qs.DataError) as caught:
            self.source(path, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(path), "FILE")

    def again(self, text: str | bytes, ending: str = ".csv", written_as: str = ".csv", **options: Any) -> str:
        """What the source of a file of this text writes when it has read the same file as another one."""
        path = self.file(text, ending)
        source = self.source(path, **options)
        data = source.read_events(path)
        assert data.outside == ()
        return source.write_events(data.x, written_as).decode()

    @staticmethod
    def numbers(count: int, seed: int = 0) -> list[str]:
        """Different numbers with one decimal, as of a ruler."""
        return [f"{100.0 + 0.1 * each:.1f}" for each in np.random.RandomState(seed).permutation(1000)[:count]]

    @staticmethod
    def csv(header: Sequence[str] | None, *columns: Sequence[str], delimiter: str = ",", end: str = "\n") -> str:
        """Columns of cells as the text of a file."""
        out = io.StringIO()
        rows = [*([header] if header else []), *zip(*columns, strict=True)]
        csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
        return out.getvalue()

    def beside(self, cells: Sequence[str], delimiter: str = ",") -> str:
        """A file with a column v of these cells, and one of towns."""
        return self.csv(["v", "town"], cells, [TOWNS[k % 3] for k in range(len(cells))], delimiter=delimiter)

    @staticmethod
    def about(source: tables.TableSource, name: str = "v") -> str:
        """What a column is."""
        (column,) = (column for column in source.layout.columns if column.name == name)
        return column.describe().partition(": ")[2]

    @staticmethod
    def cells(text: str, delimiter: str = ",") -> list[list[str]]:
        """Rows of cells, without blank lines."""
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


@pytest.fixture
def files(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.fixture(scope="module")
def many_files(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """For tests that draw many files."""
    return Tables(tmp_path_factory.mktemp("tables"))
