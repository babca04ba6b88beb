"""Training without a recipe: a diffusion and some data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import attrs
import numpy as np

from quasistatic._data.source import AbstractSource, ArrayRows, Data, Rows, Split
from quasistatic._process.blocks import check_side, refuse_traced
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.ledger import Ledger
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.tree import take
from quasistatic._training.loop import fit_task
from quasistatic._training.observer import AbstractObserver
from quasistatic._training.options import TrainingKeywords, TrainingOptions
from quasistatic._training.task import Task
from quasistatic.errors import DataError, IncompatibleError, RecipeError, did_you_mean

# nats of an element that the end of the chain may know: of numbers of mean 0 and variance 1 it is 0.0005 with usual noise, ten
# deviations away 0.05
KNOWN = 0.03


def fit(
    diffusion: Diffusion,
    data: Any,
    objective: AbstractObjective,
    *,
    seed: int = 0,
    observers: Sequence[AbstractObserver] = (),
    **training: Unpack[TrainingKeywords],
) -> Diffusion:
    """The diffusion after training, with the averaged weights of the highest validation K.

    `data` is a source, or an array (N, ...) or mapping of arrays in model units of the kernel, or `qs.Data` where there is
    side information; a tenth of them is held out for validation. `training` are fields of `TrainingOptions`, such as
    `updates=2000`. Nothing is printed or written. Numbers are not scaled, as `train` does: where they are far from model units, so
    that the end of the chain still knows them (`Ledger.prior`), there is a RuntimeWarning before training.
    Raises RecipeError for invalid options, DataError for invalid data, IncompatibleError where they are not
    what the kernel takes, TrainingDiverged.
    """
    refuse_traced("fit", "qs.ledger_terms in a loss of your own", diffusion, data)
    chosen = _options(training)
    source = data if isinstance(data, AbstractSource) else _HeldOut(diffusion, data)
    if source.event != diffusion.kernel.event:
        found, expected = source.event.describe(), diffusion.kernel.event.describe()
        raise IncompatibleError(f"fit: the data are {found}, the kernel takes {expected}")
    return fit_task(Task(source, diffusion, objective, options=chosen, seed=seed), [_FarFromModelUnits(), *observers]).diffusion


def _options(given: Mapping[str, Any]) -> TrainingOptions:
    known = attrs.fields_dict(TrainingOptions)
    unknown = [name for name in given if name not in known]
    problems = [f"fit: unknown option {name!r}{did_you_mean(name, known)}  (it takes: {', '.join(known)})" for name in unknown]
    if problems:
        raise RecipeError(problems)
    try:
        return TrainingOptions(**given)
    except (ValueError, TypeError) as error:
        raise RecipeError([f"fit: {error}"]) from None


class _FarFromModelUnits(AbstractObserver):
    """Warns once, before training, of numbers that the end of the chain still knows."""

    def validation(self, update: int, ledger: Ledger, diffusion: Diffusion) -> None:
        if update > 0:
            return
        for name, field in diffusion.kernel.event.parts().items():
            known = ledger.by_part[name][:, -1].mean() / field.size
            if known > KNOWN and not field.is_discrete:
                what = f"part {name!r}" if name else "the data"
                text = (
                    f"fit: {what} must be in model units, which usually have mean 0 and variance "
                    f"1: the end of the chain still knows {known:.2g} nats of each number (ledger.prior), which K loses, and more; "
                    "scale them before, or train a recipe, which does"
                )
                warnings.warn(text, RuntimeWarning, stacklevel=6)


class _HeldOut(AbstractSource):
    """Events in memory, in model units; every tenth is held out. Raises DataError for what the kernel does not take."""

    def __init__(self, diffusion: Diffusion, data: Any):
        given = data if isinstance(data, Data) else Data(data)
        self.event = diffusion.kernel.event
        self._data = Data(self.event.check(given.x), given.side)
        if given.side is not None:
            check_side(diffusion, given.side, len(self._data))
        held_out = np.arange(len(self._data)) % 10 == 9
        if not held_out.any():
            raise DataError(f"fit: expected at least 10 events, got {len(self._data)}")
        self._numbers = {True: np.flatnonzero(held_out), False: np.flatnonzero(~held_out)}

    def split(self, name: Split, count: int | None = None) -> Data:
        numbers = self._numbers[name != "train"][:count]
        return Data(take(self._data.x, numbers), take(self._data.side, numbers))

    def stored(self) -> Rows:
        train = self.split("train")
        return ArrayRows((train.x, train.side))

    def draw(self, row: Any, *, key: Key) -> tuple[State, State | None]:
        return row
