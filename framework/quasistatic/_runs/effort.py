"""How many events an evaluation measures for the error that is wanted of it, and how long that takes."""

from __future__ import annotations

import math

import attrs
import numpy as np

from quasistatic._data.source import AbstractSource, Data, Split
from quasistatic._recipes.sections import EvaluationOptions
from quasistatic._runs.pace import Pace
from quasistatic._training.options import TrainingOptions
from quasistatic._training.store import Progress
from quasistatic.errors import DataError

FEWEST = 256  # events that an error is estimated from, where there are as many
UPDATE = 3  # calls of the network that an update is worth for each of its events: one forwards, and two for the way back


@attrs.frozen
class Effort:
    """So many events of a split at most, `repeats` times each."""

    events: int
    repeats: int

    @classmethod
    def of(cls, options: EvaluationOptions, progress: Progress) -> Effort:
        """What brings the standard error of K down to `options.error`, by how much validation K differs from event to event.

        Where `options.events` are too few for it, or no error is wanted, all of them are measured `options.repeats` times.
        """
        known = () if progress.risen is None else progress.risen.per_event_nats
        enough = math.inf
        if options.error > 0 and len(known) > 1 and np.isfinite(known).all():
            enough = max(float(np.var(known, ddof=1)) / options.error**2, FEWEST)
        return cls(options.events, options.repeats) if enough > options.events else cls(math.ceil(enough), 1)

    def of_split(self, source: AbstractSource, split: Split, options: EvaluationOptions) -> tuple[Data, int]:
        """The events to measure, and how often each: `options.repeats` times where there are fewer than these.

        Raises DataError for a split without events.
        """
        data = source.split(split, self.events)
        if not len(data):
            raise DataError(f"the {split} split holds no events to measure K of")
        return data, self.repeats if len(data) >= self.events else options.repeats


def expected_seconds(calls: int, pace: Pace | None, options: TrainingOptions) -> float | None:
    """About how long so many calls of the network take, of one event each, without compiling; None where no update was timed."""
    return None if pace is None or pace.update_seconds is None else calls * pace.update_seconds / (UPDATE * options.batch)
