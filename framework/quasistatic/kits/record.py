"""What a run keeps of its data, so that it stands alone: JSON values and arrays of numbers, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import attrs
import numpy as np

import quasistatic as qs

FIELDS: dict[str, type[qs.AbstractField]] = {
    field.kind: field for field in (qs.Real, qs.Levels, qs.Binary, qs.Categorical, qs.Counts)
}
SPLITS: tuple[qs.Split, ...] = get_args(qs.Split)
UNITS = ("shift", "scale", "mixing")


@attrs.frozen(eq=False)
class Memory:
    """What a source of one part knows of itself without its file."""

    origin: qs.files.Origin
    field: qs.AbstractField
    units: qs.Units
    columns: tuple[str, ...] | None
    numbers: Mapping[qs.Split, np.ndarray]
    notes: tuple[str, ...]

    def keep(self) -> qs.sources.Kept:
        units = {name: np.asarray(value, np.float64) for name in UNITS if (value := getattr(self.units, name)) is not None}
        about = {
            **attrs.asdict(self.origin),
            "columns": None if self.columns is None else list(self.columns),
            "field": {"kind": self.field.kind, **attrs.asdict(self.field)},
            "splits": {name: len(rows) for name, rows in self.numbers.items()},
            "notes": list(self.notes),
        }
        return qs.sources.Kept(about, {**units, **{name: np.asarray(rows, np.int64) for name, rows in self.numbers.items()}})

    @classmethod
    def recall(cls, kept: qs.sources.Kept) -> Memory:
        """Raises DataError for a damaged record."""
        try:
            about, arrays = kept.about, kept.arrays
            values, columns = dict(about["field"]), about["columns"]
            field = FIELDS[values.pop("kind")](**values)
            units = qs.Units(*(_scalar(arrays.get(name)) for name in UNITS))
            path, size, digest = (about[name] for name in ("path", "size", "sha256"))
            memory = cls(
                qs.files.Origin(str(path), int(size), str(digest)),
                field,
                units,
                None if columns is None else tuple(map(str, columns)),
                {name: np.asarray(arrays[name]) for name in SPLITS},
                tuple(map(str, about["notes"])),
            )
            memory._check()
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise qs.files.unreadable_record(error) from error
        return memory

    def _check(self) -> None:
        """Raises ValueError or TypeError for what no source keeps."""
        shape, size = self.field.shape, self.field.size
        qs.files.refuse_large(8 * size)
        for name in ("low", "high"):
            float(getattr(self.field, name, None) or 0.0)
        if not (
            np.isfinite(np.broadcast_to(self.units.shift, shape)).all() and np.all(np.broadcast_to(self.units.scale, shape) > 0)
        ):
            raise ValueError("units")
        if self.units.mixing is not None and self.units.mixing.shape != (size, size):
            raise ValueError("mixing")
        if self.columns is not None and shape != (len(self.columns),):
            raise ValueError("columns")
        if not all(rows.ndim == 1 and rows.dtype.kind == "i" and rows.min(initial=0) >= 0 for rows in self.numbers.values()):
            raise ValueError("splits")
        if not len(self.numbers["train"]):
            raise ValueError("no training events")


def _scalar(array: np.ndarray | None) -> Any:
    """A number for an array without a shape."""
    return array if array is None or array.ndim else float(array)
