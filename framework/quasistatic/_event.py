"""What one event (one datum) looks like."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from quasistatic.errors import DataError

if TYPE_CHECKING:
    import numpy as np


def _tuple(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(values)


def _support_name(_instance: object, _attribute: object, value: str) -> None:
    if not value or not value.replace("-", "").isalnum():
        raise ValueError(f"Event.support: expected a word such as 'real', 'binary' or 'categorical', got {value!r}")


@attrs.frozen
class Event:
    """Shape and support of one event.

    `support` is 'real', 'binary' (values 0 and 1), 'categorical' (values 0 .. categories - 1) or a word that a plugin
    introduces ('count'). Quantised real data have `levels` equally spaced values from `low` to `high`, in model units;
    without `levels` these two are the bounds of every element, where it has any.
    `given` is the number of side-information figures that come with every event (0: none).
    """

    shape: tuple[int, ...] = attrs.field(converter=_tuple)
    support: str = attrs.field(default="real", validator=_support_name)
    categories: int | None = None
    low: float | None = None
    high: float | None = None
    levels: int | None = None
    given: int = 0

    @property
    def size(self) -> int:
        """Number of scalar elements of one event: the 'dim' of bits per dimension."""
        return math.prod(self.shape)

    @property
    def quantised(self) -> bool:
        return self.levels is not None

    def describe(self) -> str:
        """One line for a person: '2 real', '8x8 binary', '8x8 real in 17 levels'."""
        shape = "x".join(map(str, self.shape)) or "1"
        kind = f"{self.support}({self.categories})" if self.categories else self.support
        return f"{shape} {kind}" + (f" in {self.levels} levels" if self.quantised else "")

    def check(self, xs: np.ndarray) -> np.ndarray:
        """Events (N, *shape) as they are if all of them fit, in the type that kernels read.

        Raises DataError naming the first event that does not.
        """
        import numpy as np

        xs = np.asarray(xs)
        if xs.shape[1:] != self.shape or len(xs) == 0:
            raise DataError(
                f"events: expected an array of shape (N, {', '.join(map(str, self.shape))}), got {xs.shape}"
            )
        if xs.dtype.kind not in "biuf":
            raise DataError(f"events: expected figures, got {xs.dtype}")
        flat = xs.reshape(len(xs), -1)
        wrong = ~np.isfinite(flat)
        if self.support == "binary":
            wrong |= (flat != 0) & (flat != 1)
        elif self.support == "categorical":
            wrong |= (flat < 0) | (flat >= (self.categories or 0)) | (flat != np.round(flat))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise DataError(
                f"events: event {row}, element {column} is {flat[row, column]!r}, which is not {self.support} "
                f"({wrong.any(axis=1).sum()} of {len(xs)} events do not fit)"
            )
        return xs.astype(np.int32 if self.support == "categorical" else np.float32)
