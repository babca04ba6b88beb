"""What every source of pictures has: measures of samples, and sections in the report of a run."""

from __future__ import annotations

from collections.abc import Iterator

import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits.pictures import drawing
from quasistatic.kits.pictures.judging import measures, nearest_training
from quasistatic.kits.pictures.restoring import MOST_STEPS, restored


class AbstractPictureReport(qs.sources.AbstractPictures, qs.pictures.AbstractReporting, qs.sources.AbstractJudge):
    """A source of pictures, to inherit from beside `qs.AbstractSource`: this is how a source says that its events are pictures."""

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        """See `measures`."""
        assert isinstance(self, qs.AbstractSource)
        return measures(self, xs)

    def report(self, reported: qs.pictures.Reported) -> Iterator[qs.pictures.Picture]:
        """Samples on their way out of the noise, beside their neighbours, with parts drawn back; and filters of the network."""
        run, back, times = reported.run, reported.walks.back, reported.walks.times
        yield qs.pictures.as_picture(
            "strip",
            "Out of the noise",
            drawing.strip(run.source, times, np.asarray(back.zs), back.x),
            "Each row is one sample, from the left to the right.",
            True,
        )
        if run.source.stored() is not None:
            yield qs.pictures.as_picture(
                "neighbours",
                "Samples, and what they are nearest to",
                drawing.neighbours(run.source, back.x, nearest_training(run.source, back.x)),
                "Above, samples. Below each, the training picture that is nearest to it: a copy would show here.",
                True,
            )
        drawn_back = restored(run.source, run.diffusion, reported.data, key=jr.fold_in(reported.key, 1))
        if drawn_back is not None:
            yield qs.pictures.as_picture(
                "restored",
                "What was hidden, and what was noisy",
                drawn_back,
                "Test pictures: the middle is hidden in some, noise is added to others; draws of what they may have been, at "
                f"T = {MOST_STEPS} at most. The walk has no weights here, so draws are only near to the posterior.",
                True,
            )
        if isinstance(run.diffusion.model, qs.AbstractFilters):
            yield qs.pictures.as_picture(
                "filters",
                "Filters of the network",
                drawing.filters(run.diffusion.model),
                "Each on a scale of its own: blue is positive, red negative. The largest of them are shown.",
                True,
            )
