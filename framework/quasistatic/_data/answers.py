"""An answer for every record of a file: its events, and those records that are outside of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from quasistatic._data.source import Data, Outside
from quasistatic._process.own_noise import terms_with_own_noise as terms_with_own_noise
from quasistatic._storage.files import csv_bytes
from quasistatic.errors import DataError

FAR = "too far from the training data for K to be a finite number"
INSIDE, OUTSIDE, EVENT = "inside", "outside", "event"


def far_outside(data: Data, is_near: np.ndarray) -> Data:
    """The data with the events that are not near (N,) among those outside."""
    numbers = data.numbers
    far = [
        Outside(int(numbers[row]), FAR, {name: values[row] for name, values in data.tags.items()})
        for row in np.flatnonzero(~is_near)
    ]
    outside = sorted((*data.outside, *far), key=lambda each: each.number)
    return attrs.evolve(data.only(is_near), outside=tuple(outside))


def record_table(data: Data, columns: Mapping[str, Any]) -> bytes:
    """A .csv with a line for each record of a file, in its order: tags, `status`, these columns of the events (N,), `reason`.

    `status` is 'inside' or 'outside'. Records outside have a reason and no values. Where no record has tags its number is one; a
    tag whose name is that of a column has 'file' after it.
    """
    named = [*data.tags, *(name for each in data.outside for name in each.tags)]
    own = ("status", *columns, "reason")
    heads = {name: f"{name} (file)" if name in own else name for name in named or [EVENT]}
    found: dict[str, list[Any]] = {name: [""] * (len(data) + len(data.outside)) for name in (*heads.values(), *own)}

    def tagged(tags: Mapping[str, Any]) -> dict[str, Any]:
        return {heads[name]: values for name, values in tags.items() if name in heads}

    inside = data.numbers.tolist()
    of_events = {**tagged({EVENT: inside, **data.tags}), "status": [INSIDE] * len(data), **columns}
    for name, values in of_events.items():
        for number, value in zip(inside, np.asarray(values).tolist(), strict=True):
            found[name][number] = value
    for each in data.outside:
        of_record = {**tagged({EVENT: each.number, **each.tags}), "status": OUTSIDE, "reason": each.reason}
        for name, value in of_record.items():
            found[name][each.number] = value
    return csv_bytes(found, found.values())


def _place_of(record: Outside) -> str:
    """'line 42': the first of its tags, or its number."""
    name, value = next(iter(record.tags.items()), (EVENT, record.number))
    return f"{name} {value}"


def about_outside(data: Data) -> str | None:
    """A sentence about the records outside; None where there are none."""
    if not data.outside:
        return None
    count, total, first = len(data.outside), len(data) + len(data.outside), data.outside[0]
    what = f"{count} of {total} records {'is' if count == 1 else 'are'} outside of the model's support"
    return f"{what}: log-probability minus infinity; first: {_place_of(first)}, {first.reason}"


def refuse_outside(data: Data, path: str | Path) -> None:
    """Raises DataError naming the first record outside, where there is one."""
    if data.outside:
        first = data.outside[0]
        raise DataError(f"{path}: {_place_of(first)}, {first.reason}; without --strict it is one line of the table, 'outside'")


def answers_to_json(data: Data) -> dict[str, Any]:
    """How many records there are, and those outside, as JSON values."""
    outside = [
        {
            "number": each.number,
            "tags": {name: np.asarray(value).tolist() for name, value in each.tags.items()},
            "reason": each.reason,
        }
        for each in data.outside
    ]
    return {"records": len(data) + len(data.outside), "outside": outside}
