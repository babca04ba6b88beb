"""A source whose events have a hidden class as side information: how probable each is, is all that is known of it."""

from __future__ import annotations

from typing import Any

import attrs
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs

CLASS, OWN = "class", "side"  # parts of the side information: the hidden class, and the source's own where that is one field


@attrs.frozen
class ClassSide:
    """Side information with a class in it, one of `count`: the part 'class' beside a source's `own`, or all of it without any.

    Raises InputError where a part of the source's own is called so.
    """

    own: qs.AbstractEvent | None
    count: int

    def __attrs_post_init__(self) -> None:
        if CLASS in self._names:
            raise qs.InputError(f"classes are learned beside the side information of a run, where no part is called {CLASS!r}")

    @property
    def _names(self) -> dict[str, str]:
        """Names of the source's own parts, by what they are called there."""
        return {} if self.own is None else {name: name or OWN for name in self.own.parts()}

    @property
    def event(self) -> qs.AbstractEvent:
        """What it is."""
        field = qs.Categorical((), self.count)
        if self.own is None:
            return field
        parts = self.own.parts()
        return qs.Fields({**{new: parts[old] for old, new in self._names.items()}, CLASS: field})

    def with_class(self, side: Any, number: Any) -> Any:
        """The source's own side information of one event or of many, zeros of None, and beside it this class, or these."""
        if self.own is None:
            return number
        fields, count = self.own.parts(), np.shape(number)
        known = {
            new: np.zeros((*count, *fields[old].shape), fields[old].dtype) if side is None else self.own.part_of(side, old)
            for old, new in self._names.items()
        }
        return {**known, CLASS: number}


class HiddenClasses(qs.AbstractSource):
    """The events of a source, with a class drawn by the probabilities of each event, `train` (N, k) and `validation` (M, k).

    Validation events have their likeliest. Raises InputError for a source whose training events are not stored one by one.
    """

    def __init__(self, source: qs.AbstractSource, train: np.ndarray, validation: np.ndarray):
        stored = source.stored()
        if stored is None or len(stored) != len(train):
            found = "makes its events" if stored is None else f"draws {len(train)} training events from {len(stored)} rows"
            raise qs.InputError(f"classes are learned of training events that are stored, one row each; this source {found}")
        self.source, self.event, self.units, self._stored = source, source.event, source.units, stored
        self._beside = ClassSide(source.side, train.shape[1])
        self.side = self._beside.event
        self._probabilities = {"train": train.astype(np.float32), "validation": validation.astype(np.float32)}

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        data = self.source.split(name, count)
        likeliest = self._probabilities[name].argmax(axis=1)[: len(data)].astype(np.int32)
        return attrs.evolve(data, side=self._beside.with_class(data.side, likeliest))

    def stored(self) -> qs.sources.Rows:
        return _Beside(self._stored, self._probabilities["train"])

    def draw(self, row: Any, *, key: jax.Array) -> tuple[Any, Any]:
        own, probabilities = row
        key_draw, key_class = jax.random.split(key)
        x, side = self.source.draw(own, key=key_draw)
        number = jax.random.categorical(key_class, jnp.log(probabilities)).astype(jnp.int32)
        return x, self._beside.with_class(side, number)


@attrs.frozen(eq=False)
class _Beside:
    """Stored rows, each with its probabilities."""

    rows: qs.sources.Rows
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, numbers: np.ndarray) -> Any:
        return self.rows[numbers], self.probabilities[numbers]
