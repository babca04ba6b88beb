"""The class of an event as side information: its names, and the side information with another class in it."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from quasistatic._data.source import AbstractSource, Data
from quasistatic._process.event import AbstractEvent, Categorical
from quasistatic.errors import InputError, did_you_mean


@attrs.frozen(eq=False)
class Classes:
    """The part of the side information that is a class, what its values are called, and their log-shares in the training split.

    A class counts once more than it was seen.
    """

    side: AbstractEvent
    part: str
    names: tuple[str, ...]
    log_shares: np.ndarray

    @classmethod
    def of(cls, source: AbstractSource) -> Classes:
        """Raises InputError for a source whose side information has no class, or several."""
        event = source.side
        parts = {} if event is None else event.parts()
        found = [name for name, field in parts.items() if isinstance(field, Categorical) and field.shape == ()]
        if event is None or len(found) != 1:
            read = "nothing" if event is None else event.describe()
            raise InputError(f"expected a run whose network reads one class of each event, it reads {read}")
        (part,) = found
        field = parts[part]
        assert isinstance(field, Categorical)
        train = source.split("train")
        values = np.asarray(event.part_of(train.side, part))
        tags = np.asarray(train.tags.get("label", values))
        names = tuple(
            str(tags[values == number][0]) if (values == number).any() else str(number) for number in range(field.categories)
        )
        counts = np.bincount(values, minlength=field.categories) + 1.0
        return cls(event, part, names, np.log(counts / counts.sum()))

    def number(self, name: str | int) -> int:
        """The number of a class, by its name or by itself. Raises InputError for another."""
        if str(name) in self.names:
            return self.names.index(str(name))
        if str(name).isdecimal() and int(name) < len(self.names):
            return int(name)
        known = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
        raise InputError(f"label: expected one of {known}, got {name!r}{did_you_mean(str(name), self.names)}")

    def of_events(self, events: Data) -> np.ndarray | None:
        """The number of the class of each event, where it is known."""
        return None if events.side is None else np.asarray(self.side.part_of(events.side, self.part))

    def sides(self, events: Data) -> list[Any]:
        """The side information of events with each class in the place of their own; of events without any, zeros but for it."""
        return [self.with_class(events.side, number, len(events)) for number in range(len(self.names))]

    def with_class(self, side: Any, number: int, count: int) -> Any:
        """Side information (count, ...) with this class in the place of its own; of None, zeros but for it."""
        fields = self.side.parts()
        known = {
            name: np.zeros((count, *field.shape), field.dtype) if side is None else self.side.part_of(side, name)
            for name, field in fields.items()
        }
        return self.side.build({**known, self.part: np.full(count, number, fields[self.part].dtype)})
