"""How unusual events are: the surprises of several models, put on one scale by training events, and their mean, the score.

Which noise levels tell the unusual from the usual is a property of the data, and so is which model does. No labels choose: all
models count the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from quasistatic._data.answers import far_outside
from quasistatic._data.conversion import data_of
from quasistatic._data.source import AbstractSurprises, Data, capability, judging_split
from quasistatic._process.own_noise import terms_with_own_noise
from quasistatic._runs.alarms import Certificate, certificate, discoveries, p_values
from quasistatic._training.keys import Role, role_key
from quasistatic.errors import InputError

if TYPE_CHECKING:
    from quasistatic._runs.run import Run

STEPS, REPEATS = 24, 4
BANDS = 4  # of noise levels
SCALING, HELD_OUT = 256, 2_000  # training events at most that put models on one scale, and held-out events at most
LEVELS = "noise levels"


@attrs.frozen(eq=False)
class Scores:
    """Of N events: `scores` (N,), higher is more unusual, their standard `errors` over draws of the noise, and `p_values` (N,).

    A score is the mean over models of asinh((surprise - median) / quartile range), both of training events. `by_model` has
    these terms, `by_column` the score as a sum over columns, (N,) each; what no column has to itself is `together`. `known` are the
    scores of the held-out events that p-values are taken beside. Events outside of the model are `data.outside`.
    """

    scores: np.ndarray
    errors: np.ndarray
    by_model: Mapping[str, np.ndarray]
    by_column: Mapping[str, np.ndarray]
    together: np.ndarray
    known: np.ndarray
    data: Data
    rate: float
    fdr: float

    @functools.cached_property
    def p_values(self) -> np.ndarray:
        """The share of held-out events, itself included, that is at least as unusual, (N,)."""
        return p_values(self.known, self.scores)

    @functools.cached_property
    def flagged(self) -> np.ndarray:
        """The events whose p-value is `rate` or less, (N,)."""
        return self.scores > self.certificate.threshold

    @functools.cached_property
    def discovered(self) -> np.ndarray:
        """A list of which a share of `fdr` at most are usual events on average, (N,), by Benjamini and Hochberg."""
        return discoveries(self.p_values, self.fdr)

    @functools.cached_property
    def certificate(self) -> Certificate:
        """The threshold of the rate, and what the true rate is at most."""
        return certificate(self.known, self.rate)


def score(run: Run, events: Data | Any, *, rate: float = 0.01, fdr: float = 0.1, seed: int = 0) -> Scores:
    """The scores of events: `Data`, the rows of a data frame, or values (N, ...) in the user's units.

    Held-out events are those of the split that the run is judged by. Raises InputError for a run without any, or for a rate that is
    not between 0 and 1, DataError for events that do not fit.
    """
    for name, share in (("rate", rate), ("fdr", fdr)):
        if not 0.0 < share < 1.0:
            raise InputError(f"{name}: expected a share between 0 and 1, got {share:g}")
    split = judging_split(run.source)
    if split == "train":
        raise InputError("score: p-values need held-out events, this run has neither test nor validation events")
    if not isinstance(events, Data):
        events = data_of(run.source, events)
    judge = _Judge.of(run, seed)
    known = judge.judged(run.source.split(split, HELD_OUT)).scores
    found = judge.judged(events)
    return Scores(
        found.scores,
        found.errors,
        found.by_model,
        found.by_column,
        found.together,
        known=known,
        data=found.data,
        rate=rate,
        fdr=fdr,
    )


@attrs.frozen(eq=False)
class _Judged:
    scores: np.ndarray
    errors: np.ndarray
    by_model: Mapping[str, np.ndarray]
    by_column: Mapping[str, np.ndarray]
    together: np.ndarray
    data: Data


@attrs.frozen
class _Scale:
    """The median and quartile range of training events."""

    median: np.ndarray
    range: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> _Scale:
        low, median, high = np.percentile(values, [25, 50, 75], axis=0)
        # of equal values there is no range: then they are compared on their own scale
        return cls(median, np.where(high > low, high - low, np.maximum(np.abs(median), 1.0)))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.asarray((values - self.median) / self.range)


@attrs.frozen(eq=False)
class _Judge:
    """The models of a run, on one scale."""

    run: Run
    seed: int
    bands: _Scale
    levels: _Scale
    models: Mapping[str, _Scale]

    @classmethod
    def of(cls, run: Run, seed: int) -> _Judge:
        train = run.source.split("train", SCALING)
        found = _bands(run, train, seed).mean(axis=0)
        found = found[np.isfinite(found).all(axis=1)]
        bands = _Scale.of(found)
        levels = _Scale.of(_of_levels(bands(found)))
        own = capability(run.source, AbstractSurprises)
        usual = {} if own is None else own.surprises(None)
        models = {name: _Scale.of(_sum(columns.values())) for name, columns in usual.items()}
        return cls(run, seed, bands, levels, models)

    def judged(self, events: Data) -> _Judged:
        if not len(events):
            return _Judged(np.zeros(0), np.zeros(0), {}, {}, np.zeros(0), events)
        drawn = _bands(self.run, events, self.seed)
        is_near = np.isfinite(drawn).all(axis=(0, 2))
        if not is_near.all():
            return self.judged(far_outside(events, is_near))
        of_levels = np.arcsinh(self.levels(_of_levels(self.bands(drawn.mean(axis=0)))))
        own = capability(self.run.source, AbstractSurprises)
        by_model: dict[str, np.ndarray] = {LEVELS: of_levels}
        by_column: dict[str, np.ndarray] = {}
        count = len(self.models) + 1
        for name, columns in ({} if own is None else own.surprises(events.x)).items():
            scale = self.models[name]
            away = scale(_sum(columns.values()))
            by_model[name] = np.arcsinh(away)
            # asinh bends the sum: each of its terms is bent by the same factor
            bent = np.where(np.abs(away) > 1e-6, by_model[name] / np.where(away == 0.0, 1.0, away), 1.0)
            for column, values in columns.items():
                own_part = bent * (values - scale.median / len(columns)) / scale.range / count
                by_column[column] = by_column[column] + own_part if column in by_column else own_part
        return _Judged(_sum(by_model.values()) / count, self._errors(drawn) / count, by_model, by_column, of_levels / count, events)

    def _errors(self, drawn: np.ndarray) -> np.ndarray:
        """Of the term of the noise levels, which alone has noise: by leaving out each draw in turn."""
        total, repeats = drawn.sum(axis=0), len(drawn)
        without = [np.arcsinh(self.levels(_of_levels(self.bands((total - one) / (repeats - 1))))) for one in drawn]
        return np.asarray(np.std(without, axis=0) * (repeats - 1) ** 0.5)


def _bands(run: Run, events: Data, seed: int) -> np.ndarray:
    """Terms of -K, added up in bands of noise levels, (repeats, N, bands), of the weights that did not see held-out events."""
    diffusion = run.diffusion if run.held_out is None else run.held_out
    key = role_key(seed, Role.EVALUATION)
    terms = terms_with_own_noise(diffusion, events.x, key=key, steps=STEPS, side=events.side, repeats=REPEATS)
    return np.stack([_sum(np.moveaxis(part, 2, 0)) for part in np.array_split(terms, BANDS, axis=2)], axis=2)


def _of_levels(away: np.ndarray) -> np.ndarray:
    """How far bands (N, bands) are from what is usual, on either side: too simple is unusual too, (N,)."""
    return _sum(np.abs(away).T) / BANDS


def _sum(terms: Iterable[np.ndarray]) -> np.ndarray:
    """One after another: in what order numpy sums along an axis may depend on how many events there are."""
    return np.asarray(functools.reduce(np.add, terms))
