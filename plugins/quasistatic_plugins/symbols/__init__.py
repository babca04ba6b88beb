"""Kernels for symbols: redrawn, masked, or replaced by one another."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

_share = attrs.validators.and_(attrs.validators.ge(0), attrs.validators.lt(1))
_FIRST_NOISE = {"help": "share of the signal lost at the first time; 0: the chain starts at 1/T"}


@attrs.frozen
class FadingOptions:
    """Symbols whose signal need not be all gone at t = 1."""

    schedule: Literal["erasure", "cosine", "log-linear"] = qs.option(
        "erasure", "how what lasts longest of a symbol falls with time"
    )
    first_noise: float = attrs.field(default=0.0, validator=_share, metadata=_FIRST_NOISE)
    last_survival: float = qs.option(0.0, "share of the signal left at t = 1", _share)


@attrs.frozen
class UniformOptions(FadingOptions):
    """Symbols fade into drawn ones: with the probability that a step loses, a symbol is redrawn."""

    pi: Literal["uniform", "marginal"] = qs.option(
        "uniform", "what is drawn: all symbols evenly, or as often as the training split has them"
    )


@attrs.frozen
class AbsorbingOptions:
    """Symbols are masked one by one, and stay so; at t = 1 all are."""

    reference: Literal["marginal", "uniform"] = qs.option(
        "marginal", "what zero params give for a masked symbol: as often as the training split has it there, or all evenly"
    )
    schedule: Literal["erasure", "cosine"] = qs.option(
        "erasure", "how the share of symbols that are seen falls with time, to none at t = 1"
    )
    first_noise: float = attrs.field(default=0.0, validator=_share, metadata=_FIRST_NOISE)
    order: Literal["any", "last-first"] = qs.option(
        "any",
        "any: every place is masked at a time of its own; last-first: one after another from the end, so that samples "
        "are written from their beginning, and K is exact with as many steps as places",
    )

    def __attrs_post_init__(self) -> None:
        if self.order == "last-first" and (self.schedule, self.first_noise) != ("erasure", 0.0):
            raise ValueError("schedule and first_noise: with order = 'last-first' every place has its time; leave them out")


@attrs.frozen
class SubstitutionOptions(FadingOptions):
    """Symbols replace one another at the rates of molecular evolution, or of a table of your own."""

    rates: str = qs.option(
        "jc69",
        "jc69 (all equal), k80 or hky85 (letters A, C, G, T), or a file: a square table of exchange rates, "
        "one row a line, symmetric",
    )
    kappa: float = qs.option(
        2.0, "k80 and hky85: how much quicker transitions (A-G, C-T) are than transversions", attrs.validators.gt(0)
    )
    pi: Literal["uniform", "marginal"] = qs.option(
        "uniform", "equilibrium: all symbols evenly, or as often as the training split has them"
    )


@attrs.frozen
class OrdinalOptions(FadingOptions):
    """Symbols that are ordered step up and down by one: for grey levels and small counts."""

    pi: Literal["normal", "uniform"] = qs.option(
        "normal", "equilibrium: a normal distribution over the middle, or all symbols evenly"
    )
    width: float = qs.option(
        0.25, "pi = normal: its standard deviation, as a share of the number of symbols", attrs.validators.gt(0)
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "kernel",
            "uniform",
            UniformOptions,
            build="quasistatic_plugins.symbols.uniform:build",
            supports=(qs.Categorical,),
            is_default=True,
            references=("Hoogeboom et al. 2021, section 4", "Austin et al. 2021, appendix A.2.1"),
        ),
        qs.Component(
            "kernel",
            "absorbing",
            AbsorbingOptions,
            build="quasistatic_plugins.symbols.absorbing:build",
            supports=(qs.Categorical,),
            references=("Austin et al. 2021, appendix A.2.2", "Sahoo et al. 2024", "Shi et al. 2024"),
        ),
        qs.Component(
            "kernel",
            "substitution",
            SubstitutionOptions,
            build="quasistatic_plugins.symbols.substitution:substitution",
            supports=(qs.Categorical,),
            references=("Jukes & Cantor 1969", "Kimura 1980", "Hasegawa, Kishino & Yano 1985"),
        ),
        qs.Component(
            "kernel",
            "ordinal",
            OrdinalOptions,
            build="quasistatic_plugins.symbols.substitution:ordinal",
            supports=(qs.Categorical,),
            references=("Austin et al. 2021, appendix A.2.3",),
        ),
    ]
