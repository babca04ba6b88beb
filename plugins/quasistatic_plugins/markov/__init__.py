"""Chains of symbols with an exact truth: Markov, and hidden Markov."""

from __future__ import annotations

import attrs

import quasistatic as qs

at_least_one, at_least_two = attrs.validators.ge(1), attrs.validators.ge(2)


@attrs.frozen(kw_only=True)
class MarkovOptions(qs.SplitOptions):
    """A chain of symbols, of which each depends on the one before it; the first is one of its equilibrium."""

    symbols: int = qs.option(4, "how many different symbols there are", at_least_two)
    length: int = qs.option(32, "symbols of an event", at_least_one)
    concentration: float = qs.option(
        0.5, "of the Dirichlet distribution of each row of its matrix: small is predictable", attrs.validators.gt(0)
    )
    matrix_seed: int = qs.option(0, "fixes the matrix", attrs.validators.ge(0))


@attrs.frozen(kw_only=True)
class HiddenMarkovOptions(qs.SplitOptions):
    """Symbols that depend on a hidden state, which stays or moves to another one: regions of different composition."""

    states: int = qs.option(4, "how many hidden states there are", at_least_two)
    symbols: int = qs.option(4, "how many different symbols there are", at_least_two)
    length: int = qs.option(64, "symbols of an event", at_least_one)
    stay: float = qs.option(
        0.9, "chance that the state stays from one symbol to the next", attrs.validators.ge(0), attrs.validators.lt(1)
    )
    concentration: float = qs.option(
        0.2, "of the Dirichlet distribution of the symbols of each state: small is peaked", attrs.validators.gt(0)
    )
    matrix_seed: int = qs.option(0, "fixes the symbols of each state", attrs.validators.ge(0))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.markov.source"
    rabiner = "Rabiner 1989, A tutorial on hidden Markov models (the forward algorithm)"
    return [
        qs.Component("source", "markov", MarkovOptions, build=f"{here}:Markov"),
        qs.Component("source", "hidden-markov", HiddenMarkovOptions, build=f"{here}:HiddenMarkov", references=(rabiner,)),
    ]
