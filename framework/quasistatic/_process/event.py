"""What one event (one datum) is: a field, or several fields with names (`fields`).

A field is what its type says: `Real`, `Levels`, `Measured`, `Binary`, `Categorical`, `Counts`, or a type that a plugin brings.
No jax here, so that a plugin can name fields where it registers.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from quasistatic.errors import DataError

if TYPE_CHECKING:
    import numpy as np


# The part of side information that says where an event of varying length has nothing: 1 there, 0 where something is; the event
# has its lowest value there.
PADDING = "padding"
FLOAT32 = 2.0**-23  # the relative distance of two float32 numbers


class AbstractEvent(ABC):
    """The shape and support of one event, for arrays of data as well as for side information."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of scalar elements of one event: the 'dim' of bits per dimension."""

    @abstractmethod
    def describe(self) -> str:
        """One line for a person: '2 real', '8x8 real in 17 levels', 'size: 1 real, kind: 1 of 5 categories'."""

    @abstractmethod
    def parts(self) -> Mapping[str, AbstractField]:
        """The fields by name; a field alone has the name ''."""

    @abstractmethod
    def part_of(self, tree: Any, name: str) -> Any:
        """What belongs to one part in a tree that is built like an event."""

    @abstractmethod
    def build(self, parts: Mapping[str, Any]) -> Any:
        """The tree, built like an event, of what belongs to each part."""

    @property
    def units(self) -> Mapping[str, int]:
        """What bits of an event are also given per, and how many of it an event has, such as {'dim': 64, 'pixel': 64}.

        'dim' are its elements. A picture has pixels, of which each may have several colours, and a sequence has symbols, at most.
        """
        return {"dim": self.size}

    @property
    def structs(self) -> Any:
        """The event as a pytree of `jax.ShapeDtypeStruct`."""
        import jax

        return self.build({name: jax.ShapeDtypeStruct(field.shape, field.dtype) for name, field in self.parts().items()})

    def check(self, xs: Any, as_data: bool = True) -> Any:
        """Events on a leading axis N as they are if all of them fit, in the dtypes that kernels read.

        Not `as_data`, real numbers need but be finite, as those of a model may be where data have none, and keep their precision.
        Raises DataError naming the first that does not fit.
        """
        import numpy as np

        self._check_structure(xs)
        arrays = {name: np.asarray(self.part_of(xs, name)) for name in self.parts()}
        checked = {name: field.check_array(arrays[name], name, as_data) for name, field in self.parts().items()}
        counts = {name: len(array) for name, array in checked.items()}
        if len(set(counts.values())) > 1:
            raise DataError(f"events: expected as many of every part, got {counts}")
        return self.build(checked)

    def contains(self, xs: Any) -> Any:
        """Whether each element of events (N, ...) is one that its field declares; booleans, built like the events."""
        import numpy as np

        return self.build({name: field.contains_array(np.asarray(self.part_of(xs, name))) for name, field in self.parts().items()})

    @abstractmethod
    def _check_structure(self, xs: Any) -> None:
        """Raise DataError where a tree is not built like an event."""


def _shape(values: Any) -> tuple[int, ...]:
    shape = tuple(map(operator.index, values))
    if min(shape, default=0) < 0:
        raise ValueError(f"shape: expected whole numbers from 0, got {shape}")
    return shape


@attrs.frozen
class AbstractField(AbstractEvent):
    """An array of elements of one kind, `shape` being that of one event.

    `is_discrete` says that its distributions have probabilities, not densities, and so no units.
    """

    shape: tuple[int, ...] = attrs.field(default=(), converter=_shape)
    kind: ClassVar[str] = ""
    is_discrete: ClassVar[bool] = False
    dtype: ClassVar[str] = "float32"

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def are_discrete(self) -> bool | np.ndarray:
        """Whether elements have probabilities: one for all, or one for each, (*shape)."""
        return self.is_discrete

    @property
    def units(self) -> Mapping[str, int]:
        is_picture = len(self.shape) == 2 or (len(self.shape) == 3 and self.shape[-1] in (1, 3))
        return {**super().units, **({"pixel": math.prod(self.shape[:2])} if is_picture else {})}

    def describe(self) -> str:
        return f"{'x'.join(map(str, self.shape)) or '1'} {self.kind}"

    def parts(self) -> Mapping[str, AbstractField]:
        return {"": self}

    def part_of(self, tree: Any, name: str) -> Any:
        return tree

    def build(self, parts: Mapping[str, Any]) -> Any:
        return parts[""]

    def _check_structure(self, xs: Any) -> None:
        """An array is checked as one."""

    @classmethod
    def example(cls, shape: tuple[int, ...]) -> Self:
        """A field of this kind and shape on which the laws can be tried."""
        return cls(shape)

    @abstractmethod
    def contains_array(self, array: np.ndarray) -> np.ndarray:
        """Whether each element of an array (N, *shape) is one that this field declares."""

    def check_array(self, array: np.ndarray, name: str = "", as_data: bool = True, there: np.ndarray | None = None) -> np.ndarray:
        """An array (N, *shape) in the field's dtype if every element fits; see `check`. Raises DataError naming the first that
        does not. Elements that do not exist, where `there` (N, *shape) is false, are not looked at.
        """
        import numpy as np

        place = f"events.{name}" if name else "events"
        if array.shape == (0, *self.shape):
            raise DataError(f"{place}: expected at least one event, got none")
        if array.shape[1:] != self.shape or array.ndim == 0:
            wanted = ", ".join(map(str, ("N", *self.shape)))
            raise DataError(f"{place}: expected an array of shape ({wanted}), got {array.shape}")
        if array.dtype.kind not in "biuf":
            raise DataError(f"{place}: expected numbers, got {array.dtype}")
        fits = self.contains_array(array) | (not as_data and ~np.asarray(self.are_discrete))
        wrong = ~(np.isfinite(array) & fits | (False if there is None else ~there)).reshape(len(array), -1)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise DataError(
                f"{place}: event {row}, element {column} is {array.reshape(len(array), -1)[row, column]!r}, which is not "
                f"{self.kind} ({wrong.any(axis=1).sum()} of {len(array)} events do not fit)"
            )
        keeps = not as_data and array.dtype.kind == np.dtype(self.dtype).kind == "f"
        return array if keeps else array.astype(self.dtype)


def _above(field: Any, _attribute: object, high: float | None) -> None:
    if field.low is not None and high is not None and not field.low < high:
        raise ValueError(f"{type(field).__name__}: expected low < high, got {field.low} and {high}")


@attrs.frozen
class Real(AbstractField):
    """Real numbers, between `low` and `high` where these are given, in model units."""

    low: float | None = None
    high: float | None = attrs.field(default=None, validator=_above)
    kind: ClassVar[str] = "real"

    def contains_array(self, array: np.ndarray) -> np.ndarray:
        import numpy as np

        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return np.isfinite(array) & (array >= low) & (array <= high)


def _two_or_more(_instance: object, attribute: attrs.Attribute[Any], value: int) -> None:
    if value < 2:
        raise ValueError(f"{attribute.name}: expected at least 2, got {value}")


@attrs.frozen
class Levels(AbstractField):
    """Real numbers in `levels` equally spaced values from `low` to `high`, in model units."""

    low: float = attrs.field(default=-1.0)
    high: float = attrs.field(default=1.0, validator=_above)
    levels: int = attrs.field(default=2, validator=_two_or_more)
    kind: ClassVar[str] = "levels"
    is_discrete: ClassVar[bool] = True

    @property
    def spacing(self) -> float:
        """The distance between two neighbours."""
        return (self.high - self.low) / (self.levels - 1)

    def describe(self) -> str:
        return f"{'x'.join(map(str, self.shape)) or '1'} real in {self.levels} levels"

    @classmethod
    def example(cls, shape: tuple[int, ...]) -> Self:
        return cls(shape, -1.0, 1.0, 5)

    def contains_array(self, array: np.ndarray) -> np.ndarray:
        import numpy as np

        level = (np.asarray(array, np.float64) - self.low) / self.spacing
        return (np.abs(level - np.round(level)) < self._rounding) & (level > -0.5) & (level < self.levels - 0.5)

    @property
    def _rounding(self) -> float:
        """How far from its level, in spacings, a number may be: as far as low + spacing * k may be in float32, or a little more."""
        outermost = max(abs(self.low), abs(self.high))
        return min(max(1e-3, 4 * FLOAT32 * outermost / self.spacing), 0.499)


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(map(float, values))


def _numbers(values: Any) -> tuple[float | None, ...]:
    """Infinite is None: no bound."""
    return tuple(None if value is None or math.isinf(value) else float(value) for value in values)


@attrs.frozen
class Measured(AbstractField):
    """Real numbers, an array of one axis, of which some lie on a lattice, in model units.

    Element i is any number where `spacings[i]` is 0, between `lows[i]` and `highs[i]` where these are given (None or infinite: no
    bound), and else one of `lows[i]`, `lows[i] + spacings[i]`, .. up to `highs[i]`.
    """

    spacings: tuple[float, ...] = attrs.field(default=(), converter=_floats)
    lows: tuple[float | None, ...] = attrs.field(default=(), converter=_numbers)
    highs: tuple[float | None, ...] = attrs.field(default=(), converter=_numbers)
    kind: ClassVar[str] = "measured"

    def __attrs_post_init__(self) -> None:
        counts = {len(self.spacings), len(self.lows), len(self.highs)}
        if len(self.shape) != 1 or counts != {self.size}:
            found = f"{self.shape} with {len(self.spacings)} spacings, {len(self.lows)} lows and {len(self.highs)} highs"
            raise ValueError(f"Measured: expected a shape (n,) and n of spacings, of lows and of highs, got {found}")
        for index, (spacing, low, high) in enumerate(zip(self.spacings, self.lows, self.highs, strict=True)):
            if not (math.isfinite(spacing) and spacing >= 0):
                raise ValueError(f"Measured.spacings: expected numbers from 0, element {index} has {spacing}")
            if spacing > 0 and (low is None or high is None or not low + spacing <= high + 1e-6 * spacing):
                found = f"from {low} to {high} by {spacing}"
                raise ValueError(f"Measured: expected bounds and at least 2 values on a lattice, element {index} has {found}")
            if low is not None and high is not None and not low < high:
                raise ValueError(f"Measured: expected low < high, element {index} has {low} and {high}")

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether all elements lie on a lattice."""
        return bool(self.are_discrete.all())

    @property
    def are_discrete(self) -> np.ndarray:
        """Which elements lie on a lattice, (n,)."""
        import numpy as np

        return np.array(self.spacings) > 0

    @property
    def tops(self) -> tuple[float | None, ...]:
        """The highest value of each element: on a lattice the last one up to its bound."""
        return tuple(
            low + spacing * math.floor((high - low) / spacing + 1e-6) if spacing > 0 else high  # type: ignore[operator]
            for spacing, low, high in zip(self.spacings, self.lows, self.highs, strict=True)
        )

    def describe(self) -> str:
        return f"{self.size} {self.kind}, {sum(spacing > 0 for spacing in self.spacings)} of them on a lattice"

    @classmethod
    def example(cls, shape: tuple[int, ...]) -> Self:
        """As many elements on one axis, every other one on a lattice."""
        size = math.prod(shape)
        spacings, bounds = [0.5 * (index % 2) for index in range(size)], [1.5 if index % 2 else None for index in range(size)]
        return cls((size,), spacings, [None if bound is None else -bound for bound in bounds], bounds)

    def contains_array(self, array: np.ndarray) -> np.ndarray:
        import numpy as np

        values = np.asarray(array, np.float64)
        low = np.array([-np.inf if bound is None else bound for bound in self.lows])
        high = np.array([np.inf if bound is None else bound for bound in self.tops])
        spacing, on_lattice = np.where(self.are_discrete, self.spacings, 1.0), self.are_discrete
        # what float32 leaves of a value, which has to tell it from its neighbours
        rounding = np.minimum(1e-3 * spacing + 4.0 * np.finfo(np.float32).eps * np.abs(values), 0.499 * spacing)
        slack = np.where(on_lattice, rounding, 0.0)
        start = np.where(on_lattice, low, 0.0)
        away = np.abs(values - start - spacing * np.round((values - start) / spacing))
        inside = np.isfinite(values) & (values >= low - slack) & (values <= high + slack)
        return inside & (~on_lattice | (away <= slack))


@attrs.frozen
class Binary(AbstractField):
    """Bits: 0. and 1."""

    kind: ClassVar[str] = "binary"
    is_discrete: ClassVar[bool] = True

    def contains_array(self, array: np.ndarray) -> np.ndarray:
        return (array == 0) | (array == 1)


@attrs.frozen
class Categorical(AbstractField):
    """One of `categories` symbols, 0 .. categories - 1, as integers."""

    categories: int = attrs.field(default=2, validator=_two_or_more)
    kind: ClassVar[str] = "categorical"
    is_discrete: ClassVar[bool] = True
    dtype: ClassVar[str] = "int32"

    @property
    def units(self) -> Mapping[str, int]:
        return {**super().units, **({"symbol": self.size} if len(self.shape) == 1 else {})}

    def describe(self) -> str:
        return f"{'x'.join(map(str, self.shape)) or '1'} of {self.categories} categories"

    @classmethod
    def example(cls, shape: tuple[int, ...]) -> Self:
        return cls(shape, 3)

    def contains_array(self, array: np.ndarray) -> np.ndarray:
        import numpy as np

        return (array == np.round(array)) & (array >= 0) & (array < self.categories)


@attrs.frozen
class Counts(AbstractField):
    """Whole numbers from 0."""

    kind: ClassVar[str] = "counts"
    is_discrete: ClassVar[bool] = True

    def contains_array(self, array: np.ndarray) -> np.ndarray:
        import numpy as np

        return (array == np.round(array)) & (array >= 0)


FIELDS: tuple[type[AbstractField], ...] = (Real, Levels, Measured, Binary, Categorical, Counts)
