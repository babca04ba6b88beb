"""Classes of a run whose network reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

import quasistatic as qs


@attrs.frozen(eq=False)
class Classes:
    """The part of the side information that is a class, what its values are called, and their log-shares in the training split.

    A class counts once more than it was seen.
    """

    side: qs.AbstractEvent
    part: str
    names: tuple[str, ...]
    log_shares: np.ndarray

    @classmethod
    def of(cls, run: qs.Run, folder: Path) -> Classes:
        """Raises InputError for a run whose side information has no class, or several."""
        event = run.source.side
        parts = {} if event is None else event.parts()
        found = [name for name, field in parts.items() if isinstance(field, qs.Categorical) and field.shape == ()]
        if event is None or len(found) != 1:
            read = "nothing" if event is None else event.describe()
            raise qs.InputError(f"{folder}: expected a run whose network reads one class of each event, it reads {read}")
        (part,) = found
        field = parts[part]
        assert isinstance(field, qs.Categorical)
        train = run.source.split("train")
        values = np.asarray(event.part_of(train.side, part))
        tags = np.asarray(train.tags.get("label", values))
        names = tuple(
            str(tags[values == number][0]) if (values == number).any() else str(number) for number in range(field.categories)
        )
        counts = np.bincount(values, minlength=field.categories) + 1.0
        return cls(event, part, names, np.log(counts / counts.sum()))

    def of_events(self, events: qs.Data) -> np.ndarray | None:
        """The number of the class of each event, where it is known."""
        return None if events.side is None else np.asarray(self.side.part_of(events.side, self.part))

    def sides(self, events: qs.Data) -> list[Any]:
        """The side information of events with each class in the place of their own; of events without any, zeros but for it."""
        fields, of_class = self.side.parts(), self.part
        known = {
            name: np.zeros((len(events), *field.shape), field.dtype)
            if events.side is None
            else self.side.part_of(events.side, name)
            for name, field in fields.items()
        }
        filled = [np.full(len(events), number, fields[of_class].dtype) for number in range(len(self.names))]
        return [self.side.build({**known, of_class: values}) for values in filled]
