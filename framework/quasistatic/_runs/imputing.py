"""Missing cells, drawn from what is known of their records: completed tables, and what many draws say of each cell."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from quasistatic._data.gaps import AbstractGapped, AbstractGaps
from quasistatic._data.source import Outside, capability
from quasistatic._process.grid import Steps
from quasistatic._process.weighted import FEW, WeightedDraws, weighted_draws
from quasistatic._runs.conditions import weighted_sampler
from quasistatic._training.keys import Role, role_key
from quasistatic.errors import InputError

if TYPE_CHECKING:
    from quasistatic._runs.run import Run

DRAWS = 200  # of every record, at least, that medians and intervals are of
PARTICLES, MOST = 128, 2_048  # to begin with, and where they run out


@attrs.frozen(eq=False)
class Imputed:
    """What stands in the G gaps of a table, as draws from the posterior given the other cells of each record.

    `numbers` (draws, G) are those of the draws, nan for what is no number, and `states` (draws, G) theirs. `particles` (M,) is how
    many each record took, and `effective` (M,) how many of them counted on the way, at least. Known cells and the order of records
    are as they were.
    """

    gaps: AbstractGaps
    tables: int
    numbers: np.ndarray
    states: np.ndarray
    particles: np.ndarray
    effective: np.ndarray

    @property
    def cells(self) -> list[tuple[int, str]]:
        """The gaps: the number of the record, from 0, and the name of the column, G of them."""
        return list(self.gaps.cells)

    @property
    def outside(self) -> tuple[Outside, ...]:
        """Records with gaps that no event of the model fits, and why: their gaps stay."""
        return self.gaps.outside

    @property
    def is_few(self) -> np.ndarray:
        """Of which records too few particles counted, whatever was done, so that draws are copies of few, (M,)."""
        return self.effective < FEW

    @functools.cached_property
    def draws(self) -> list[Any]:
        """Completed tables, each a draw of all gaps of a record together."""
        return [self.gaps.completed(self.texts(number)) for number in range(self.tables)]

    @property
    def median(self) -> Any:
        """The table with the median of each number in its gap, and the most frequent of what is no number."""
        return self.gaps.completed(self.texts("median"))

    def texts(self, which: int | Literal["median"]) -> list[str]:
        """The cells of the gaps (G,): those of a draw by its number, or "median"."""
        if isinstance(which, int):
            return self.gaps.texts(self.numbers[which], self.states[which])
        columns = np.arange(self.numbers.shape[1])
        return self.gaps.texts(self.numbers[self._middle, columns], self.states[self._middle, columns])

    @property
    def mean(self) -> np.ndarray:
        """Of the numbers in each gap, (G,); nan where there is none."""
        count = (~np.isnan(self.numbers)).sum(axis=0)
        return np.where(self._are_numbers, np.nan_to_num(self.numbers).sum(axis=0) / np.maximum(count, 1), np.nan)

    def interval(self, level: float = 0.9) -> np.ndarray:
        """Between which ends a number is with this probability, as likely below as above, (2, G); nan where there is no number."""
        if not 0.0 < level < 1.0:
            raise InputError(f"interval: expected a probability between 0 and 1, got {level:g}")
        found = np.full((2, self.numbers.shape[1]), np.nan)
        known = np.flatnonzero(self._are_numbers)
        ends = [0.5 - level / 2, 0.5 + level / 2]
        found[:, known] = np.nanquantile(self.numbers[:, known], ends, axis=0, method="inverted_cdf")
        return found

    def interval_texts(self, level: float = 0.9) -> tuple[list[str], list[str]]:
        """The same as cells, (G,) each; '' where there is no number."""
        columns, both = np.arange(self.numbers.shape[1]), []
        for ends in self.interval(level):
            chosen = np.argmax(self.numbers == ends, axis=0)  # each end is a draw
            texts = self.gaps.texts(self.numbers[chosen, columns], self.states[chosen, columns])
            both.append([text if number == number else "" for text, number in zip(texts, ends, strict=True)])
        return both[0], both[1]

    @property
    def share(self) -> np.ndarray:
        """In which share of the draws a cell is what `median` has, (G,): of categories the probability of the most frequent one."""
        chosen, columns = self._middle, np.arange(self.numbers.shape[1])
        is_same = (self.numbers == self.numbers[chosen, columns]) | np.isnan(self.numbers)
        return np.asarray(np.mean((self.states == self.states[chosen, columns]) & is_same, axis=0))

    @functools.cached_property
    def _are_numbers(self) -> np.ndarray:
        """Which gaps are numbers in half of the draws, (G,)."""
        return np.asarray(np.mean(np.isnan(self.numbers), axis=0) < 0.5)

    @functools.cached_property
    def _middle(self) -> np.ndarray:
        """Which draw has the median number of each gap, or else its most frequent state, (G,)."""
        order = np.argsort(self.numbers, axis=0, kind="stable")  # nan comes last
        count = (~np.isnan(self.numbers)).sum(axis=0)
        middle = np.take_along_axis(order, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
        for gap in np.flatnonzero(~self._are_numbers):
            middle[gap] = int(np.argmax(self.states[:, gap] == np.bincount(self.states[:, gap]).argmax()))
        return middle


def impute(run: Run, data: Any, *, draws: int = 5, particles: int = PARTICLES, steps: Steps = None, seed: int = 0) -> Imputed:
    """See `Run.impute`."""
    gapped = capability(run.source, AbstractGapped)
    if gapped is None:
        raise InputError(f"impute: expected a run on a table, its events are {run.source.event.describe()}")
    if draws < 1:
        raise InputError(f"impute: expected at least one draw, got {draws}")
    gaps = gapped.gaps(data)
    many = max(draws, DRAWS)
    if not len(gaps.rows):
        nothing = np.zeros((many, 0))
        return Imputed(gaps, draws, nothing, nothing.astype(int), np.zeros(0, int), np.zeros(0))
    potential, key = gaps.limits.potential(run.source.event), role_key(seed, Role.SAMPLE)
    sampler = weighted_sampler(run.diffusion).of_size(particles)
    found: WeightedDraws = weighted_draws(
        sampler, run.diffusion, potential, key=key, draws=many, steps=steps, most=max(MOST, particles)
    )
    numbers, states = gaps.values(found.x)
    return Imputed(gaps, draws, numbers, states, found.particles, found.effective)
