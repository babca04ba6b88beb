"""Records with gaps, and conditions on events: what sources say is known of an event of which not all is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quasistatic._data.source import Outside
from quasistatic._process.distribution import State
from quasistatic._process.limits import Limits


class AbstractGaps(ABC):
    """Records of a file or a frame, some of which have G gaps in all: cells that are to be filled in.

    `rows` (M,) are the numbers, among all `count` records from 0, of those with gaps that can be filled, `limits` what is known of
    these M events, and `tags` (M,) where they come from, as in `Data`. Gap j is in the cell of record `cells[j][0]` and the column
    `cells[j][1]`. `outside` are records with gaps that no event of the model fits.
    """

    rows: np.ndarray
    tags: Mapping[str, np.ndarray]
    count: int
    limits: Limits
    cells: Sequence[tuple[int, str]]
    outside: tuple[Outside, ...]
    endings: tuple[str, ...]

    @abstractmethod
    def values(self, xs: State) -> tuple[np.ndarray, np.ndarray]:
        """What draws (M, draws, ...) have in the gaps: numbers, nan where there is none, and codes of states, (draws, G) each."""

    @abstractmethod
    def texts(self, numbers: np.ndarray, codes: np.ndarray) -> list[str]:
        """The cells of the gaps (G,) with these values, as the file would have them."""

    @abstractmethod
    def completed(self, texts: Sequence[str]) -> Any:
        """The frame with these cells in its gaps; all other cells, and the order of rows, are as they were."""

    @abstractmethod
    def written(self, texts: Sequence[str], ending: str) -> bytes:
        """The file with these cells in its gaps, with one of the `endings`; all other cells are as they were."""


class AbstractGapped(ABC):
    """A source whose records may have gaps, and whose events have conditions."""

    @abstractmethod
    def gaps(self, frame: Any) -> AbstractGaps:
        """The gaps of a file or a data frame. Raises DataError for one that is no table with the columns of the source."""

    @abstractmethod
    def where(self, conditions: Sequence[str]) -> Limits:
        """What all of some conditions, such as 'age>60', say of one event: limits (1, ...).

        Raises InputError for one that cannot be read, or that no event fulfils.
        """
