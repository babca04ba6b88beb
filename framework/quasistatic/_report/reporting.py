"""What a source or a network adds to the report of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from quasistatic._report.page import HtmlTable, Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quasistatic._data.source import Data, Split
    from quasistatic._process.distribution import Key, State
    from quasistatic._report.pictures import Walks
    from quasistatic._runs.run import Run


@attrs.frozen(eq=False)
class Reported:
    """What a section of a report is made of: a finished run, the `split` that it is judged by, and some of its events, `data`.

    `walks` are those of the other pictures, from these events to noise and from noise to as many samples. `key` is for further
    draws.
    """

    run: Run
    split: Split
    data: Data
    walks: Walks
    key: Key = attrs.field(kw_only=True)


class AbstractReporting(ABC):
    """A source, or a network, with sections of its own in the report of a run."""

    @abstractmethod
    def report(self, reported: Reported) -> Iterator[HtmlTable | Picture]:
        """Tables and pictures, in their order; a picture may stand `first`."""


class AbstractOverview(ABC):
    """A source with a picture of all its data, such as every column of a table."""

    @abstractmethod
    def overview(self, xs: State) -> Figure | None:
        """A figure of events (N, ...), given in model units, for `quasistatic inspect --out`; None where some events will do."""
