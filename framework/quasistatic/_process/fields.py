"""Events of several parts, by name, and gates: which of their numbers exist."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from quasistatic._process.event import AbstractEvent, AbstractField, Binary, Categorical
from quasistatic.errors import DataError

if TYPE_CHECKING:
    import numpy as np


def _named(parts: Mapping[str, AbstractField] | tuple[tuple[str, AbstractField], ...]) -> tuple[tuple[str, AbstractField], ...]:
    # in the order in which jax goes through a dict
    return tuple(sorted(parts.items() if isinstance(parts, Mapping) else parts))


def _fields(_instance: object, _attribute: object, value: tuple[tuple[str, AbstractField], ...]) -> None:
    for name, field in value:
        if not (isinstance(name, str) and name and name.replace("-", "_").isidentifier()):
            raise ValueError(f"Fields: expected names such as 'size', got {name!r}")
        if not isinstance(field, AbstractField):
            raise TypeError(f"Fields.{name}: expected a field such as qs.Real((2,)), got {field!r:.80}")
    if not value:
        raise ValueError("Fields: expected at least one field, got none")


@attrs.frozen
class Gate:
    """What the existence of a number hangs on: that flat element `element` of part `part`, bits or symbols, is in `state`."""

    part: str
    element: int = attrs.field(converter=operator.index)
    state: int = attrs.field(converter=operator.index)


Gates = tuple[tuple[str, tuple[Gate | None, ...]], ...]


def _gates(gates: Mapping[str, Iterable[Gate | None]] | Gates) -> Gates:
    return tuple(sorted((name, tuple(each)) for name, each in (gates.items() if isinstance(gates, Mapping) else gates)))


def _fitting(instance: Any, _attribute: object, gates: Gates) -> None:
    fields = dict(instance.named)
    gated = [name for name, _ in gates]
    for name, own in gates:
        place = f"Fields.gates.{name}"
        if name not in fields or isinstance(fields[name], Binary | Categorical):
            raise ValueError(f"{place}: expected a part of numbers, got {fields[name].describe() if name in fields else 'none'}")
        if len(own) != fields[name].size:
            raise ValueError(f"{place}: expected a gate or None for each of {fields[name].size} elements, got {len(own)}")
        for gate in own:
            if gate is not None:
                _check_gate(place, gate, {each: field for each, field in fields.items() if each not in gated})


def _check_gate(place: str, gate: Gate, fields: Mapping[str, AbstractField]) -> None:
    """Raises where a gate hangs on what is no element of bits or symbols of an ungated part, or on a state that it has not."""
    if not isinstance(gate, Gate):
        raise TypeError(f"{place}: expected qs.Gate(part, element, state) or None, got {gate!r:.80}")
    field = fields.get(gate.part)
    if not isinstance(field, Binary | Categorical):
        found = "no such part without gates" if field is None else field.describe()
        raise ValueError(f"{place}: expected a gate on bits or symbols, {gate.part!r} is {found}")
    states = field.categories if isinstance(field, Categorical) else 2
    if not (0 <= gate.element < field.size and 0 <= gate.state < states):
        raise ValueError(f"{place}: {gate.part!r} has {field.size} elements of {states} states, got {gate}")


@attrs.frozen
class Fields(AbstractEvent, Mapping[str, AbstractField]):
    """An event of several parts: `Fields({"size": Real(), "kind": Categorical((), 5)})`; its data are dicts of arrays.

    `gates` says of a part of numbers which of them exist: for each flat element None (always), or the `Gate` that it hangs on. A
    number that does not exist is 0, in model units. A part with gates, even where all are None, is noised before all others.
    """

    named: tuple[tuple[str, AbstractField], ...] = attrs.field(converter=_named, validator=_fields)
    gates: Gates = attrs.field(default=(), converter=_gates, validator=_fitting)

    def __getitem__(self, name: str) -> AbstractField:
        return dict(self.named)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.named)

    def __len__(self) -> int:
        return len(self.named)

    @property
    def size(self) -> int:
        return sum(field.size for _, field in self.named)

    def describe(self) -> str:
        return ", ".join(f"{name}: {field.describe()}" for name, field in self.named)

    def parts(self) -> Mapping[str, AbstractField]:
        return dict(self.named)

    def part_of(self, tree: Any, name: str) -> Any:
        return tree[name]

    def build(self, parts: Mapping[str, Any]) -> Any:
        return {name: parts[name] for name in self}

    def there(self, xs: Any) -> dict[str, np.ndarray]:
        """Which elements of events (N, ...) exist, by part, booleans (N, *shape)."""
        import numpy as np

        arrays = {name: np.asarray(xs[name]) for name in self}
        found = {name: np.ones(array.shape, bool) for name, array in arrays.items()}
        for name, own in self.gates:
            flat = found[name].reshape(len(found[name]), -1)  # a view
            for number, gate in enumerate(own):
                if gate is not None:
                    states = arrays[gate.part]
                    flat[:, number] = states.reshape(len(states), -1)[:, gate.element] == gate.state
        return found

    def cleared(self, xs: Any) -> dict[str, np.ndarray]:
        """Events (N, ...) whose numbers that do not exist are 0, whatever stood there."""
        import numpy as np

        return {name: np.where(there, xs[name], np.zeros((), np.asarray(xs[name]).dtype)) for name, there in self.there(xs).items()}

    def contains(self, xs: Any) -> Any:
        inside, there = super().contains(xs), self.there(xs)
        return {name: inside[name] & there[name] | ~there[name] & (xs[name] == 0) for name in self}

    def check(self, xs: Any, as_data: bool = True) -> Any:
        """See `AbstractEvent.check`. Raises DataError also where a number that does not exist is not 0."""
        if not self.gates:
            return super().check(xs, as_data)
        import numpy as np

        self._check_structure(xs)
        gated = dict(self.gates)
        states = Fields({name: self[name] for name in self if name not in gated}) if len(gated) < len(self) else None
        checked = {} if states is None else states.check({name: xs[name] for name in states}, as_data)
        arrays = {name: np.asarray(xs[name]) for name in gated}
        counts = {name: len(array) if array.ndim else 0 for name, array in {**arrays, **checked}.items()}
        if len(set(counts.values())) > 1:
            raise DataError(f"events: expected as many of every part, got {counts}")
        shaped = {name: np.broadcast_to(0.0, (counts[name], *self[name].shape)) for name in gated}
        there = self.there({**checked, **shaped})
        for name, array in arrays.items():
            checked[name] = self[name].check_array(array, name, as_data, there[name])
            wrong = (~there[name] & (array != 0)).reshape(len(array), -1)
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                gate, found = dict(self.gates)[name][column], array.reshape(len(array), -1)[row, column]
                raise DataError(
                    f"events.{name}: event {row}, element {column} is {found!r}, expected 0, as it does not exist: element "
                    f"{gate.element} of {gate.part!r} is not in state {gate.state} ({wrong.any(axis=1).sum()} of {len(array)} "
                    "events)"
                )
        return self.build(checked)

    def _check_structure(self, xs: Any) -> None:
        found = sorted(xs) if isinstance(xs, Mapping) else type(xs).__name__
        if found != sorted(self):
            raise DataError(f"events: expected a mapping with the parts {', '.join(self)}, got {found}")
