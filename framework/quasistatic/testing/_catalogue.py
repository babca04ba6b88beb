"""Which laws hold for which component. It follows from its class and from what it declares."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from quasistatic._plugins.kind import KINDS
from quasistatic._process.event import AbstractEvent, Real
from quasistatic._process.model import Ports
from quasistatic.testing._law import REGISTRY, Law

ANY = Real((2, 1))  # a potential that was not built for an event is tried on two numbers, bits and symbols
# in the order in which the laws are read
for _module in (
    "semigroup", "technique", "gaussian", "sampling", "closed_forms", "floats", "slopes", "reversal", "ledger", "rare",
    "models", "inputs", "objectives", "objective_gradients", "samplers",
    "sources", "files", "labels", "truth", "observers", "potentials",
):  # fmt: skip
    importlib.import_module(f"quasistatic.testing._laws.{_module}")


def laws_of(
    kind: str,
    instance: Any,
    ports: Ports | None = None,
    expected_failures: Mapping[str, str] | None = None,
    event: AbstractEvent = ANY,
) -> list[Law]:
    """The laws that must hold for one built component; `ports` are those that a model was built for, `event` that of a potential.

    `expected_failures` are the laws that it may break, by name, with the reason.
    Raises TypeError where the instance is not of this kind, ValueError for an unknown kind or a model without ports.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    base = KINDS[kind].load()
    if not isinstance(instance, base):
        raise TypeError(f"{kind}: expected an instance of {base.__name__}, got a {type(instance).__name__}")
    if kind == "model" and ports is None:
        raise ValueError("laws_of: a model is checked for the ports that it was built for, give ports=...")
    subject = (instance, *{"model": (ports,), "potential": (event,)}.get(kind, ()))
    reasons = expected_failures or {}
    entries = [entry for entry in REGISTRY[kind].values() if entry.applies(instance)]
    return [entry.of(*subject, expected_failure=reasons.get(entry.name, "")) for entry in entries]
