"""Mistakes that people make when they write a component, and for each the law that must catch it.

A fault is a small class with one thing wrong, which its docstring names:

    @catalogue.caught_by("bayes")
    class DataAtTheLaterTime(GaussianKernel):
        ...

A fault that no law sees yet is marked with `missed`, the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

import quasistatic as qs


@attrs.frozen
class Fault:
    """A broken component of a kind: the mistake in words, how to build it, and the law that must catch it.

    `raises` says that the law is broken by an exception and not by a value, `dear` that it takes minutes to see it.
    """

    kind: str
    name: str
    mistake: str
    law: str
    build: Callable[[], Any]
    raises: bool = False
    missed: str = ""
    dear: bool = False
    ports: qs.Ports | None = None

    def verdict(self) -> qs.testing.Verdict:
        """The verdict of the law, in one setting."""
        (law,) = (law for law in self.laws() if law.name == self.law)
        return law.verdict(self.name)

    def laws(self) -> list[qs.testing.Law]:
        """All laws of its kind, in one setting."""
        return [attrs.evolve(law, examples=1) for law in qs.testing.laws_of(self.kind, self.build(), self.ports)]


class Catalogue(list[Fault]):
    """Faults of one kind; `build` makes a component of a class where a fault does not say how."""

    def __init__(self, kind: str, build: Callable[[Any], Any], ports: qs.Ports | None = None):
        super().__init__()
        self.kind, self.build, self.ports = kind, build, ports

    def caught_by(
        self,
        law: str,
        build: Callable[[Any], Any] | None = None,
        raises: bool = False,
        missed: str = "",
        dear: bool = False,
    ) -> Callable[[type], type]:
        """Enters a class; its name is that of the fault, its docstring the mistake."""

        def enter(cls: type) -> type:
            name = re.sub(r"(?<!^)(?=[A-Z])", " ", cls.__name__).lower()
            made = build or self.build
            self.append(Fault(self.kind, name, cls.__doc__ or "", law, lambda: made(cls), raises, missed, dear, self.ports))
            return cls

        return enter
