"""Between model units and the user's, for the events of any source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from quasistatic._data.source import AbstractFramed, AbstractOwnUnits, AbstractSource, Data, capability
from quasistatic._data.units import Units
from quasistatic._process.distribution import State
from quasistatic._process.event import AbstractField, Levels
from quasistatic._process.fields import Fields
from quasistatic._process.tree import count_of
from quasistatic.errors import DataError

DIGITS = 12  # of the sixteen that float64 has


def units_of(source: AbstractSource) -> dict[str, Units]:
    """The units of each part; a field alone has the name ''."""
    units = source.units
    named = units if isinstance(units, Mapping) else dict.fromkeys(source.event.parts(), units)
    return {name: named.get(name, Units()) for name in source.event.parts()}


def to_user(source: AbstractSource, xs: State) -> State:
    """Events (N, ...) from model units to the user's."""
    own = capability(source, AbstractOwnUnits)
    if own is not None:
        return own.to_user(xs)
    event = source.event
    return event.build({name: units.to_user(event.part_of(xs, name)) for name, units in units_of(source).items()})


def samples_to_user(source: AbstractSource, xs: State) -> State:
    """Samples (N, ...) from model units to the user's, where levels are what they were there, such as whole numbers."""
    own = capability(source, AbstractOwnUnits)
    if own is not None:
        return own.to_user(xs)
    event, units = source.event, units_of(source)
    return event.build(
        {name: _sample_to_user(field, units[name], event.part_of(xs, name)) for name, field in event.parts().items()}
    )


def _sample_to_user(field: AbstractField, units: Units, values: np.ndarray) -> np.ndarray:
    if not isinstance(field, Levels):
        return np.asarray(units.to_user(values))
    # float32 holds them nearly
    levels = np.round((np.asarray(values, np.float64) - field.low) / field.spacing)
    found = np.asarray(units.to_user(field.low + field.spacing * levels))
    return np.round(found, DIGITS - math.ceil(math.log10(max(float(np.abs(found).max(initial=0.0)), 1e-300))))


def log_scale(source: AbstractSource, xs: State) -> np.ndarray | None:
    """How much lower log densities of events (N, ...) are in the user's units, (N,), in nats; None where no part has a density."""
    real = {name: field for name, field in source.event.parts().items() if not field.is_discrete}
    if not real:
        return None
    own = capability(source, AbstractOwnUnits)
    if own is not None:
        return own.log_volume(xs)
    units = units_of(source)
    return np.full(count_of(xs), sum(units[name].log_volume(field.shape) for name, field in real.items()), np.float64)


def from_user(source: AbstractSource, values: Any) -> State:
    """Events in model units from values (N, ...) in the user's units; a field may also come as a table, a row for each event.

    Raises DataError for what does not fit.
    """
    own = capability(source, AbstractOwnUnits)
    if own is not None:
        return source.event.check(own.from_user(values))
    event, units = source.event, units_of(source)
    if isinstance(event, Fields) and not isinstance(values, Mapping):
        raise DataError(f"events: expected a mapping with the parts {', '.join(event)}, got a {type(values).__name__}")
    parts = {
        name: _to_model(field, units[name], np.asarray(event.part_of(values, name)))
        for name, field in event.parts().items()
        if not isinstance(event, Fields) or name in values
    }
    return event.check(event.build(parts) if len(parts) == len(event.parts()) else values)


def data_of(source: AbstractSource, values: Any) -> Data:
    """Events in model units: rows of a data frame, some of which may be outside, or values (N, ...) in the user's units.

    Raises DataError for what does not fit, and for a frame that has not the columns of the source.
    """
    framed, event = capability(source, AbstractFramed), source.event
    is_event = isinstance(event, Fields) and isinstance(values, Mapping) and set(values) == set(event)
    return Data(from_user(source, values)) if framed is None or is_event else framed.read_frame(values)


def _to_model(field: AbstractField, units: Units, values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1) if values.size else values
    if flat.shape[1:] == (field.size,) and values.shape[1:] in (flat.shape[1:], (), field.shape):
        values = flat.reshape(-1, *field.shape)
    fits = values.shape[1:] == field.shape and values.dtype.kind in "biuf"
    return units.to_model(values) if fits else values
